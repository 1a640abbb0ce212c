/**
 * The four meta-gradients of the benchmarks on random data: 40 tasks x 20 rollouts, hidden layers
 * 64-64, GRU of 64 cells.
 *
 *     point  observation 4, action 2, 100 steps, K = 2
 *     ant    observation 29, action 8, 250 steps, K = 3
 *
 * Data are drawn by key, step by step, so that a process holds no more of them than it needs, and
 * every peer gets the same numbers.
 */
import {
  MetaObjective,
  type MetaObjectiveSpec,
  type MetaParams,
  type TaskSamples,
} from "../src/algos/meta_objective.ts";
import type { Device } from "../src/compute/device.ts";
import { modulationLayout, type PolicySpec } from "../src/compute/layout.ts";
import { initEncoder, initPolicy } from "../src/nn/init.ts";
import type { MetaAlgorithm } from "../src/trainer/types.ts";
import { KeyedRandom, Purpose } from "../src/util/prng.ts";

/** Sizes of a case. */
export interface MetaShape {
  readonly name: string;
  readonly obsDim: number;
  readonly actDim: number;
  readonly steps: number;
  readonly innerSteps: number;
  readonly innerLr: number;
  readonly tasks: number;
  readonly rollouts: number;
  readonly hidden: number;
}

const COMMON = { tasks: 40, rollouts: 20, hidden: 64 };
export const POINT: MetaShape = {
  ...COMMON,
  ...{ name: "point", obsDim: 4, actDim: 2, steps: 100, innerSteps: 2, innerLr: 0.01 },
};
export const ANT: MetaShape = {
  ...COMMON,
  ...{ name: "ant", obsDim: 29, actDim: 8, steps: 250, innerSteps: 3, innerLr: 0.1 },
};

/** The four cases; `quick`: with an eighth of the tasks. */
export function metaCases(quick: boolean): [MetaShape, MetaAlgorithm][] {
  return [POINT, ANT].flatMap((shape) =>
    (["promp", "mmaml"] as const).map((algorithm): [MetaShape, MetaAlgorithm] => [
      quick ? { ...shape, tasks: 5 } : shape,
      algorithm,
    ])
  );
}

/** Purposes of the keys, beside the step. */
const SEQUENCES = 1000;

/** A case with its data. */
export class MetaCase {
  readonly spec: MetaObjectiveSpec;
  readonly params: MetaParams;
  readonly coefficients: { readonly clipEps: number; readonly klCoeff: number[] };
  readonly #random = new KeyedRandom(1);

  constructor(readonly shape: MetaShape, readonly algorithm: MetaAlgorithm) {
    const { obsDim, actDim, steps, innerSteps, innerLr, tasks, rollouts, hidden } = shape;
    const modulated = algorithm === "mmaml";
    const policy: PolicySpec = {
      ...{ obsDim, actDim, hiddenSizes: [hidden, hidden], activation: "tanh", learnStd: true },
      film: modulated ? { useBetas: false, shiftGammas: true } : null,
    };
    const encoder = !modulated ? null : {
      ...{ inputDim: obsDim + actDim + 1, cellSize: 64, mlpAfterGru: true, mlpAfterPool: true },
      outputDim: modulationLayout(policy).size,
    };
    this.spec = {
      ...{ policy, encoder, tasks, innerSteps, innerLr, minLogStd: -13.8 },
      ...{ sampleCapacity: tasks * rollouts * steps, slots: rollouts, sequenceLength: steps },
    };
    this.params = {
      policy: initPolicy(this.#random, policy, 1),
      encoder: encoder === null ? null : initEncoder(this.#random, encoder),
    };
    this.coefficients = { clipEps: 0.1, klCoeff: new Array(innerSteps).fill(5e-4) };
  }

  get name(): string {
    return `${this.shape.name} ${this.algorithm === "mmaml" ? "MMAML" : "ProMP"}`;
  }

  #normals(count: number, scale: number): Float32Array {
    const out = new Float32Array(count);
    this.#random.fillNormal(out);
    for (let i = 0; i < count; i++) out[i] *= scale;
    return out;
  }

  /** Data of all tasks of step k. */
  samples(k: number): TaskSamples[] {
    const { obsDim, actDim, steps, tasks, rollouts } = this.shape;
    const count = rollouts * steps;
    return Array.from({ length: tasks }, (_, task) => {
      this.#random.at(Purpose.TEST_DATA, k, task);
      return {
        count,
        obs: this.#normals(count * obsDim, 1),
        actions: this.#normals(count * actDim, 1),
        advantages: this.#normals(count, 1),
        oldMean: this.#normals(count * actDim, 0.1),
        oldLogStd: this.#normals(count * actDim, 0.01),
      };
    });
  }

  /** Input of the encoder, [M * slots, T, I]; `null` for ProMP. */
  sequences(): Float32Array | null {
    const { encoder, sampleCapacity } = this.spec;
    if (encoder === null) return null;
    this.#random.at(Purpose.TEST_DATA, SEQUENCES);
    return this.#normals(sampleCapacity * encoder.inputDim, 1);
  }

  /** The objective on a device, with data and parameters. */
  objective(device: Device): MetaObjective {
    const objective = new MetaObjective(device, this.spec);
    objective.setParams(this.params);
    for (let k = 0; k <= this.shape.innerSteps; k++) objective.setSamples(k, this.samples(k));
    const sequences = this.sequences();
    if (sequences !== null) {
      const { tasks, rollouts } = this.shape;
      objective.setSequences(sequences, new Uint32Array(tasks).fill(rollouts));
    }
    return objective;
  }

  /**
   * Writes data and parameters for a program in another language: raw little-endian float32 files
   * and `case.json`.
   */
  async write(folder: string): Promise<void> {
    const put = async (name: string, parts: readonly ArrayLike<number>[]) => {
      using file = await Deno.open(`${folder}/${name}.f32`, {
        ...{ write: true, create: true, truncate: true },
      });
      for (const part of parts) {
        const bytes = new Uint8Array(Float32Array.from(part).buffer);
        for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
      }
    };
    for (let k = 0; k <= this.shape.innerSteps; k++) {
      const tasks = this.samples(k);
      for (const name of ["obs", "actions", "advantages", "oldMean", "oldLogStd"] as const) {
        await put(`${name}${k}`, tasks.map((task) => task[name] as Float32Array));
      }
    }
    await put("policy", [this.params.policy]);
    if (this.params.encoder !== null) await put("encoder", [this.params.encoder]);
    const sequences = this.sequences();
    if (sequences !== null) await put("sequences", [sequences]);
    const header = { ...this.shape, algorithm: this.algorithm, ...this.coefficients };
    await Deno.writeTextFile(`${folder}/case.json`, JSON.stringify({ ...header, cells: 64 }));
  }
}
