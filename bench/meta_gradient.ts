/**
 * Seconds of one meta-gradient (all inner steps again, outer gradient, second order), 40 tasks x
 * 20 rollouts, hidden layers 64-64, GRU of 64 cells, on random data:
 *
 *     point  observation 4, action 2, 100 steps, K = 2
 *     ant    observation 29, action 8, 250 steps, K = 3
 *
 * `deno run -A bench/meta_gradient.ts [cpu|webgpu]...`: a table, and JSON with --json.
 */
import { MetaObjective, type MetaObjectiveSpec } from "../src/algos/meta_objective.ts";
import { CpuDevice } from "../src/compute/cpu/cpu_device.ts";
import type { Device } from "../src/compute/device.ts";
import { encoderLayout, modulationLayout, policyLayout } from "../src/compute/layout.ts";
import { probeAdapter } from "../src/compute/webgpu/adapter.ts";
import { WebGpuDevice } from "../src/compute/webgpu/webgpu_device.ts";
import { initEncoder, initPolicy } from "../src/nn/init.ts";
import { KeyedRandom, Purpose } from "../src/util/prng.ts";

const REPETITIONS = 7;
const TASKS = 40;
const ROLLOUTS = 20;
const CASES = [
  { name: "point", obsDim: 4, actDim: 2, steps: 100, innerSteps: 2, innerLr: 0.01 },
  { name: "ant", obsDim: 29, actDim: 8, steps: 250, innerSteps: 3, innerLr: 0.1 },
];

interface Result {
  readonly case: string;
  readonly algorithm: string;
  readonly device: string;
  /** Median, least and largest of the repetitions, seconds. */
  readonly median: number;
  readonly least: number;
  readonly largest: number;
  /** The first one, compilation and allocation included. */
  readonly first: number;
}

/** An objective with random data and initial parameters. */
function prepare(device: Device, shape: typeof CASES[number], modulated: boolean): MetaObjective {
  const { obsDim, actDim, steps, innerSteps, innerLr } = shape;
  const policy = {
    obsDim,
    actDim,
    hiddenSizes: [64, 64],
    activation: "tanh",
    learnStd: true,
    film: modulated ? { useBetas: false, shiftGammas: true } : null,
  } as const;
  const encoder = !modulated ? null : {
    inputDim: obsDim + actDim + 1,
    cellSize: 64,
    mlpAfterGru: true,
    mlpAfterPool: true,
    outputDim: modulationLayout(policy).size,
  };
  const perTask = ROLLOUTS * steps;
  const spec: MetaObjectiveSpec = {
    policy,
    encoder,
    tasks: TASKS,
    innerSteps,
    innerLr,
    minLogStd: -13.8,
    sampleCapacity: TASKS * perTask,
    slots: ROLLOUTS,
    sequenceLength: steps,
  };
  const objective = new MetaObjective(device, spec);
  const random = new KeyedRandom(1);
  objective.setParams({
    policy: initPolicy(random, policy, 1),
    encoder: encoder === null ? null : initEncoder(random, encoder),
  });
  random.at(Purpose.TEST_DATA);
  const normals = (count: number, scale: number) => {
    const out = new Float32Array(count);
    random.fillNormal(out);
    return out.map((x) => scale * x);
  };
  for (let k = 0; k <= innerSteps; k++) {
    objective.setSamples(
      k,
      Array.from({ length: TASKS }, () => ({
        count: perTask,
        obs: normals(perTask * obsDim, 1),
        actions: normals(perTask * actDim, 1),
        advantages: normals(perTask, 1),
        oldMean: normals(perTask * actDim, 0.1),
        oldLogStd: new Float32Array(perTask * actDim),
      })),
    );
  }
  if (encoder !== null) {
    objective.setSequences(
      normals(TASKS * perTask * encoder.inputDim, 1),
      new Uint32Array(TASKS).fill(ROLLOUTS),
    );
  }
  console.error(
    `${shape.name}: ${policyLayout(policy).size} policy parameters` +
      (encoder === null ? "" : `, ${encoderLayout(encoder).size} of the encoder`),
  );
  return objective;
}

async function measure(device: Device): Promise<Result[]> {
  const results: Result[] = [];
  for (const shape of CASES) {
    for (const algorithm of ["promp", "mmaml"]) {
      const objective = prepare(device, shape, algorithm === "mmaml");
      const coefficients = {
        clipEps: 0.1,
        klCoeff: new Array(shape.innerSteps).fill(5e-4),
      };
      const seconds: number[] = [];
      for (let repetition = 0; repetition <= REPETITIONS; repetition++) {
        const start = performance.now();
        await objective.gradient(coefficients);
        seconds.push((performance.now() - start) / 1000);
      }
      const [first, ...rest] = seconds;
      rest.sort((a, b) => a - b);
      results.push({
        case: shape.name,
        algorithm,
        device: device.description,
        median: rest[Math.floor(rest.length / 2)],
        least: rest[0],
        largest: rest[rest.length - 1],
        first,
      });
      objective.close();
    }
  }
  return results;
}

const wanted = Deno.args.filter((arg) => !arg.startsWith("--"));
const results: Result[] = [];
const present = await probeAdapter() === null ? ["cpu"] : ["cpu", "webgpu"];
for (const kind of wanted.length > 0 ? wanted : present) {
  const device = kind === "cpu" ? await CpuDevice.create() : await WebGpuDevice.create();
  console.error(device.description);
  results.push(...await measure(device));
  await device.close();
}
if (Deno.args.includes("--json")) {
  console.log(JSON.stringify(results, null, 2));
} else {
  console.log("case   algorithm  median s   least  largest    first  device");
  for (const r of results) {
    const numbers = [r.median, r.least, r.largest, r.first].map((s) => s.toFixed(3).padStart(8));
    console.log(`${r.case.padEnd(6)} ${r.algorithm.padEnd(10)}${numbers.join(" ")}  ${r.device}`);
  }
}
