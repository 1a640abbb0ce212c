/**
 * The meta-objective of ProMP and of its modulated form (MMAML) and its exact gradient, on any
 * device. Rothfuss et al. 2019 (ProMP), Vuorio et al. 2019 (MMAML); exact formulas in
 * docs/algorithms.md, numbers in tests/golden.
 *
 * Per task i, from the shared parameters theta_0:
 *
 *     theta_k+1 = theta_k - innerLr * dS_k/dtheta_k                     k = 0 .. K-1
 *     loss      = mean_i clipped surrogate_i(theta_K) + 1/K sum_k klCoeff[k] mean_i KL_k,i
 *
 * Step 0 runs the plain network with the floor on log_std, later steps the modulated one without.
 * There is no tape: the adjoint of theta_K is pulled back through one inner step after the other
 * (`inner_step_pullback`), and what reaches the modulation on the way goes through the encoder.
 *
 * Axis letters as in `compute/layout.ts`; S is the capacity, `offsets` say how much is in use.
 */
import type { Device, HostArray, HostNumbers, Tensor } from "../compute/device.ts";
import type { Command, SampleTensors } from "../compute/kernels.ts";
import {
  encoderLayout,
  type EncoderSpec,
  modulationLayout,
  policyLayout,
  type PolicySpec,
} from "../compute/layout.ts";

/** Sizes and constants that stay the same for the life of an objective. */
export interface MetaObjectiveSpec {
  /** The policy that is trained. */
  readonly policy: PolicySpec;
  /** `null`: ProMP, nothing is modulated. */
  readonly encoder: EncoderSpec | null;
  /** M */
  readonly tasks: number;
  /** K, at least 1 */
  readonly innerSteps: number;
  /** Step size of the inner steps. */
  readonly innerLr: number;
  /** Floor of log_std, at step 0 only. */
  readonly minLogStd: number;
  /** Most samples that a step's batch can hold, all tasks together. */
  readonly sampleCapacity: number;
  /** Sequences per task and steps per sequence of the encoder's input. */
  readonly slots: number;
  /** Steps per sequence of the encoder's input. */
  readonly sequenceLength: number;
}

/** Constants that may change between iterations (annealing, adaptive KL, halved steps). */
export interface MetaCoefficients {
  /** `null`: the outer surrogate is not clipped. */
  readonly clipEps: number | null;
  /** [K] */
  readonly klCoeff: readonly number[];
  /** Step size of the inner steps, where it is another one than the spec's. */
  readonly innerLr?: number;
}

/** Outer optimiser: Adam in TensorFlow's form, as the original's. */
export interface OuterStep {
  /** Step size. */
  readonly lr: number;
  /** Counts from 1 over the whole training. */
  readonly step: number;
}

/** Host data of one task and adaptation step; the first `count` rows count. */
export interface TaskSamples {
  /** N */
  readonly count: number;
  /** [N, O] */
  readonly obs: HostNumbers;
  /** [N, A] */
  readonly actions: HostNumbers;
  /** [N] */
  readonly advantages: HostNumbers;
  /** [N, A] */
  readonly oldMean: HostNumbers;
  /** [N, A] */
  readonly oldLogStd: HostNumbers;
}

/** Values of the objective at the current parameters. */
export interface MetaValues {
  /** The meta-loss: outer surrogate plus KL penalty, mean over tasks. */
  readonly loss: number;
  /** [K][M] mean surrogate loss and mean KL of every inner step */
  readonly innerSurrogates: number[][];
  /** [K][M] mean KL of every inner step */
  readonly innerKls: number[][];
  /** [M] */
  readonly outerSurrogates: number[];
  /** [M] mean KL of the adapted policy to the one that sampled */
  readonly outerKls: number[];
}

/** Parameters of a policy and, for MMAML, of its encoder. */
export interface MetaParams {
  /** [P] */
  readonly policy: HostArray;
  /** [Q] */
  readonly encoder: HostArray | null;
}

const ADAM = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, flavour: "tensorflow" } as const;

/** Tensors of one trainable parameter vector. */
interface Trainable {
  readonly params: Tensor;
  readonly grad: Tensor;
  readonly m: Tensor;
  readonly v: Tensor;
}

/** What only MMAML has. */
interface Modulator {
  readonly spec: EncoderSpec;
  readonly trainable: Trainable;
  readonly sequences: Tensor;
  readonly numPaths: Tensor;
  readonly lastState: Tensor;
  readonly taskEmbedding: Tensor;
  readonly modulation: Tensor;
  readonly gradModulation: Tensor;
}

/** The objective on one device; owns its tensors until {@link close}. */
export class MetaObjective {
  readonly #tensors: Tensor[] = [];
  readonly #policy: Trainable;
  readonly #modulator: Modulator | null;
  /** [K+1] samples of every step */
  readonly #samples: SampleTensors[] = [];
  /** [K+1] tensors [M, P]: parameters before each inner step, and the adapted ones */
  readonly #taskParams: Tensor[] = [];
  /** [K+1] tensors [M, 2] */
  readonly #stats: Tensor[] = [];
  readonly #innerGrad: Tensor;
  readonly #adjoints: readonly [Tensor, Tensor];
  #commands: { key: string; evaluate: Command[]; differentiate: Command[] } | null = null;

  /** Allocates everything on the device. @throws RangeError where sizes do not fit. */
  constructor(readonly device: Device, readonly spec: MetaObjectiveSpec) {
    const { policy, encoder, tasks, innerSteps, sampleCapacity } = spec;
    if (innerSteps < 1) {
      throw new RangeError(`Cannot build a meta-objective: innerSteps is ${innerSteps}, below 1`);
    }
    const paramCount = policyLayout(policy).size;
    this.#policy = this.#trainable("policy", paramCount);
    for (let k = 0; k <= innerSteps; k++) {
      this.#samples.push({
        obs: this.#tensor(`obs ${k}`, [sampleCapacity, policy.obsDim]),
        actions: this.#tensor(`actions ${k}`, [sampleCapacity, policy.actDim]),
        advantages: this.#tensor(`advantages ${k}`, [sampleCapacity]),
        oldMean: this.#tensor(`old mean ${k}`, [sampleCapacity, policy.actDim]),
        oldLogStd: this.#tensor(`old log std ${k}`, [sampleCapacity, policy.actDim]),
        offsets: this.#tensor(`offsets ${k}`, [tasks + 1], "u32"),
        maxSamplesPerTask: 0,
      });
      this.#taskParams.push(this.#tensor(`task params ${k}`, [tasks, paramCount]));
      this.#stats.push(this.#tensor(`stats ${k}`, [tasks, 2]));
    }
    this.#innerGrad = this.#tensor("inner gradient", [tasks, paramCount]);
    this.#adjoints = [
      this.#tensor("adjoint a", [tasks, paramCount]),
      this.#tensor("adjoint b", [tasks, paramCount]),
    ];
    this.#modulator = encoder === null ? null : this.#createModulator(encoder);
  }

  #tensor(label: string, shape: number[], type?: "u32"): Tensor {
    const tensor = this.device.tensor(label, shape, type);
    this.#tensors.push(tensor);
    return tensor;
  }

  #trainable(label: string, size: number): Trainable {
    return {
      params: this.#tensor(`${label} params`, [size]),
      grad: this.#tensor(`${label} gradient`, [size]),
      m: this.#tensor(`${label} first moment`, [size]),
      v: this.#tensor(`${label} second moment`, [size]),
    };
  }

  #createModulator(spec: EncoderSpec): Modulator {
    const { tasks, slots, sequenceLength, policy } = this.spec;
    const size = modulationLayout(policy).size;
    if (size !== spec.outputDim || size === 0) {
      throw new RangeError(
        `Cannot modulate: the encoder gives ${spec.outputDim} numbers, the policy takes ${size}`,
      );
    }
    const sequences = tasks * slots;
    return {
      spec,
      trainable: this.#trainable("encoder", encoderLayout(spec).size),
      sequences: this.#tensor("sequences", [sequences, sequenceLength, spec.inputDim]),
      numPaths: this.#tensor("paths per task", [tasks], "u32"),
      lastState: this.#tensor("last GRU state", [sequences, spec.cellSize]),
      taskEmbedding: this.#tensor("task embedding", [tasks, spec.cellSize]),
      modulation: this.#tensor("modulation", [tasks, size]),
      gradModulation: this.#tensor("modulation gradient", [tasks, size]),
    };
  }

  /** Sets theta and, for MMAML, the encoder's parameters. */
  setParams(params: MetaParams): void {
    this.device.write(this.#policy.params, params.policy);
    if (this.#modulator !== null) {
      if (params.encoder === null) throw new TypeError("Cannot set parameters: no encoder given");
      this.device.write(this.#modulator.trainable.params, params.encoder);
    }
  }

  /** Current parameters. */
  async params(): Promise<MetaParams> {
    return await this.#readBoth("params");
  }

  /** Gradient of the loss as of the last {@link gradient} or {@link step}. */
  async gradients(): Promise<MetaParams> {
    return await this.#readBoth("grad");
  }

  /** Adam's moments: first and second, of the policy and of the encoder. */
  async moments(): Promise<{ m: MetaParams; v: MetaParams }> {
    return { m: await this.#readBoth("m"), v: await this.#readBoth("v") };
  }

  /** Restores Adam's moments. */
  setMoments(moments: { m: MetaParams; v: MetaParams }): void {
    for (const name of ["m", "v"] as const) {
      this.device.write(this.#policy[name], moments[name].policy);
      const encoder = moments[name].encoder;
      if (this.#modulator !== null && encoder !== null) {
        this.device.write(this.#modulator.trainable[name], encoder);
      }
    }
  }

  async #readBoth(name: keyof Trainable): Promise<MetaParams> {
    return {
      policy: await this.device.read(this.#policy[name]),
      encoder: this.#modulator === null
        ? null
        : await this.device.read(this.#modulator.trainable[name]),
    };
  }

  /** Loads the samples of step k (0 .. K), task by task. */
  setSamples(k: number, tasks: readonly TaskSamples[]): void {
    const tensors = this.#samples[k];
    const { sampleCapacity, policy } = this.spec;
    const offsets = new Uint32Array(this.spec.tasks + 1);
    tasks.forEach(({ count }, m) => offsets[m + 1] = offsets[m] + count);
    if (tasks.length !== this.spec.tasks || offsets[tasks.length] > sampleCapacity) {
      throw new RangeError(
        `Cannot load step ${k}: ${tasks.length} tasks with ${offsets[tasks.length]} samples, ` +
          `room for ${this.spec.tasks} with ${sampleCapacity}`,
      );
    }
    const widths = {
      obs: policy.obsDim,
      actions: policy.actDim,
      advantages: 1,
      oldMean: policy.actDim,
      oldLogStd: policy.actDim,
    };
    for (const [name, width] of Object.entries(widths) as [keyof typeof widths, number][]) {
      tasks.forEach((task, m) =>
        this.device.write(
          tensors[name],
          task[name].subarray(0, task.count * width),
          offsets[m] * width,
        )
      );
    }
    this.device.write(tensors.offsets, offsets);
    const longest = Math.max(...tasks.map(({ count }) => count));
    if (longest !== tensors.maxSamplesPerTask) {
      this.#samples[k] = { ...tensors, maxSamplesPerTask: longest };
      this.#commands = null;
    }
  }

  /** Loads the encoder's input: [M * slots, T, I] and the number of paths of each task [M]. */
  setSequences(sequences: ArrayLike<number>, numPaths: ArrayLike<number>): void {
    if (this.#modulator === null) throw new TypeError("Cannot load sequences: there is no encoder");
    this.device.write(this.#modulator.sequences, sequences);
    this.device.write(this.#modulator.numPaths, numPaths);
  }

  /** Values at the current parameters, no gradient. */
  async evaluate(coefficients: MetaCoefficients): Promise<MetaValues> {
    await this.device.submit(this.#plan(coefficients).evaluate);
    return await this.#values(coefficients);
  }

  /** Values and gradient (see {@link gradients}) at the current parameters. */
  async gradient(coefficients: MetaCoefficients): Promise<MetaValues> {
    const { evaluate, differentiate } = this.#plan(coefficients);
    await this.device.submit([...evaluate, ...differentiate]);
    return await this.#values(coefficients);
  }

  /** One outer step: values before it and its gradient, then Adam on all parameters. */
  async step(coefficients: MetaCoefficients, outer: OuterStep): Promise<MetaValues> {
    const { evaluate, differentiate } = this.#plan(coefficients);
    const trainables = [this.#policy];
    if (this.#modulator !== null) trainables.push(this.#modulator.trainable);
    await this.device.submit([
      ...evaluate,
      ...differentiate,
      ...trainables.map((t) => ({ kernel: "adam", ...t, ...ADAM, ...outer }) as const),
    ]);
    return await this.#values(coefficients);
  }

  /** Parameters of all tasks after k inner steps, [M, P], as of the last evaluation. */
  async adaptedParams(k: number): Promise<HostArray> {
    return await this.device.read(this.#taskParams[k]);
  }

  /** Last GRU states [R, C], task embeddings [M, C] and modulation [M, D]; `null` for ProMP. */
  async encoding(): Promise<
    { lastState: HostArray; taskEmbedding: HostArray; modulation: HostArray } | null
  > {
    if (this.#modulator === null) return null;
    return {
      lastState: await this.device.read(this.#modulator.lastState),
      taskEmbedding: await this.device.read(this.#modulator.taskEmbedding),
      modulation: await this.device.read(this.#modulator.modulation),
    };
  }

  /** Frees all tensors; the device stays open. */
  close(): void {
    for (const tensor of this.#tensors.splice(0)) this.device.free(tensor);
  }

  async #values({ klCoeff }: MetaCoefficients): Promise<MetaValues> {
    const { tasks, innerSteps } = this.spec;
    const stats: HostArray[] = [];
    for (const tensor of this.#stats) stats.push(await this.device.read(tensor));
    const column = (k: number, at: number) =>
      Array.from({ length: tasks }, (_, m) => stats[k][2 * m + at]);
    const mean = (numbers: number[]) => numbers.reduce((sum, x) => sum + x, 0) / tasks;
    const steps = [...stats.keys()].slice(0, innerSteps);
    const innerKls = steps.map((k) => column(k, 1));
    const outerSurrogates = column(innerSteps, 0);
    const penalty = steps.reduce((sum, k) => sum + klCoeff[k] * mean(innerKls[k]), 0) / innerSteps;
    return {
      loss: mean(outerSurrogates) + penalty,
      innerSurrogates: steps.map((k) => column(k, 0)),
      innerKls,
      outerSurrogates,
      outerKls: column(innerSteps, 1),
    };
  }

  /** The command lists; the same objects as long as nothing that they hold has changed. */
  #plan({ clipEps, klCoeff, innerLr = this.spec.innerLr }: MetaCoefficients) {
    const key = JSON.stringify([clipEps, klCoeff, innerLr]);
    if (this.#commands?.key === key) return this.#commands;
    const { policy, innerSteps, tasks } = this.spec;
    const modulator = this.#modulator;
    const params = (k: number) => ({
      spec: policy,
      params: this.#taskParams[k],
      modulation: k === 0 ? null : modulator?.modulation ?? null,
      samples: this.#samples[k],
      minLogStd: k === 0 ? this.spec.minLogStd : null,
    });
    const gradModulation = modulator?.gradModulation ?? null;

    const evaluate: Command[] = [];
    if (modulator !== null) {
      evaluate.push({
        kernel: "encoder_forward",
        spec: modulator.spec,
        params: modulator.trainable.params,
        sequences: modulator.sequences,
        slots: this.spec.slots,
        numPaths: modulator.numPaths,
        lastState: modulator.lastState,
        taskEmbedding: modulator.taskEmbedding,
        modulation: modulator.modulation,
      });
    }
    evaluate.push({
      kernel: "broadcast_row",
      row: this.#policy.params,
      out: this.#taskParams[0],
    });
    for (let k = 0; k < innerSteps; k++) {
      evaluate.push({
        kernel: "surrogate_gradient",
        ...params(k),
        clipEps: null,
        gradParams: this.#innerGrad,
        gradModulation: null,
        stats: this.#stats[k],
      }, {
        kernel: "sgd_step",
        params: this.#taskParams[k],
        grad: this.#innerGrad,
        lr: innerLr,
        out: this.#taskParams[k + 1],
      });
    }
    let [adjoint, spare] = this.#adjoints;
    evaluate.push({
      kernel: "surrogate_gradient",
      ...params(innerSteps),
      clipEps,
      gradParams: adjoint,
      gradModulation,
      stats: this.#stats[innerSteps],
    });

    const differentiate: Command[] = [];
    for (let k = innerSteps - 1; k >= 0; k--) {
      differentiate.push({
        kernel: "inner_step_pullback",
        ...params(k),
        innerLr,
        klScale: klCoeff[k] / innerSteps,
        adjointIn: adjoint,
        adjointOut: spare,
        gradModulation: k === 0 ? null : gradModulation,
      });
      [adjoint, spare] = [spare, adjoint];
    }
    differentiate.push({
      kernel: "sum_rows",
      rows: adjoint,
      scale: 1 / tasks,
      out: this.#policy.grad,
    });
    if (modulator !== null) {
      differentiate.push({
        kernel: "encoder_backward",
        spec: modulator.spec,
        params: modulator.trainable.params,
        sequences: modulator.sequences,
        slots: this.spec.slots,
        numPaths: modulator.numPaths,
        gradModulation: modulator.gradModulation,
        scale: 1 / tasks,
        gradParams: modulator.trainable.grad,
      });
    }
    this.#commands = { key, evaluate, differentiate };
    return this.#commands;
  }
}
