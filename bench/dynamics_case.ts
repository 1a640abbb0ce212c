/**
 * The work of FAMLE at the published sizes on random data: a control step of the planner, an
 * iteration of meta-training (Reptile), an adaptation, the errors of all situations. As numbers,
 * for peers, and as commands on a device.
 *
 * Operations are counted as multiply and add, for the network with its embedding as an input.
 */
import type { Device, Tensor } from "../src/compute/device.ts";
import type { Command, DynamicsOptimizer } from "../src/compute/kernels.ts";
import { dynamicsLayout, type DynamicsSpec, dynamicsWidths } from "../src/compute/layout.ts";
import { KeyedRandom, Purpose } from "../src/util/prng.ts";

export { ANT, REACHER, SINE } from "../tests/compute/dynamics_cases.ts";

export const DISCOUNT = 0.99;
export const GOAL = [-0.3, 0.4];
export const SITUATION = 3;
export const REPTILE_STEP = 0.3;
export const ADAM = { lr: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;

/** Operations of one row through the network. */
export function flopsPerRow(spec: DynamicsSpec): number {
  const widths = dynamicsWidths(spec);
  return 2 * widths.slice(1).reduce((sum, width, l) => sum + width * widths[l], 0);
}

function normals(count: number, scale: number): Float32Array {
  const out = new Float32Array(count);
  new KeyedRandom(1).at(Purpose.TEST_DATA).fillNormal(out);
  return out.map((x) => scale * x);
}

/** Weights ~ N(0, 1/inputs), embeddings ~ N(0, 1), no biases. */
function initialParams(spec: DynamicsSpec): Float32Array {
  const layout = dynamicsLayout(spec);
  const params = new Float32Array(layout.size);
  for (const { name, shape, offset, size } of layout.entries) {
    if (shape.length < 2) continue;
    params.set(normals(size, name === "embeddings" ? 1 : 1 / Math.sqrt(shape[0])), offset);
  }
  return params;
}

/** What a control step reads. */
export interface PlanData {
  readonly spec: DynamicsSpec;
  /** Candidate sequences, and their length. */
  readonly count: number;
  readonly horizon: number;
  readonly params: Float32Array;
  readonly normalizer: Float32Array;
  readonly state: Float32Array;
  readonly bounds: Float32Array;
  /** [count, horizon, actions] */
  readonly sequences: Float32Array;
}

export function planData(spec: DynamicsSpec, count: number, horizon: number): PlanData {
  const { inputDim: X, outputDim: Z } = spec;
  const random = new KeyedRandom(2).at(Purpose.TEST_DATA);
  const times = (n: number, value: number) => Array<number>(n).fill(value);
  return {
    ...{ spec, count, horizon, params: initialParams(spec) },
    normalizer: Float32Array.from([
      ...times(X, 0),
      ...times(X, 1),
      ...times(Z, 0),
      ...times(Z, 0.1),
    ]),
    state: normals(Z, 0.5),
    bounds: Float32Array.from([...times(Z, -2), ...times(Z, 2)]),
    sequences: Float32Array.from(
      { length: count * horizon * (X - Z) },
      () => random.uniformRange(-1, 1),
    ),
  };
}

/** What a training reads. */
export interface TrainData {
  readonly spec: DynamicsSpec;
  readonly rows: number;
  readonly batchSize: number;
  readonly updates: number;
  /** SGD with a Reptile step behind it, or Adam from the same parameters every time. */
  readonly kind: "reptile" | "adapt";
  readonly params: Float32Array;
  readonly inputs: Float32Array;
  readonly targets: Float32Array;
  /** [updates * batchSize] */
  readonly order: Uint32Array;
}

/** Step size of SGD: small, so that weeks of repetitions would not diverge. */
export const SGD_LR = 1e-5;

export function trainData(
  kind: TrainData["kind"],
  spec: DynamicsSpec,
  [rows, batchSize, updates]: readonly [rows: number, batchSize: number, updates: number],
): TrainData {
  const random = new KeyedRandom(3).at(Purpose.TEST_DATA);
  return {
    ...{ kind, spec, rows, batchSize, updates, params: initialParams(spec) },
    order: Uint32Array.from({ length: updates * batchSize }, () => random.integer(rows)),
    inputs: normals(rows * spec.inputDim, 1),
    targets: normals(rows * spec.outputDim, 1),
  };
}

/** Work on a device: does it once and gives its result. */
export type Work = () => Promise<ArrayLike<number>>;

function put(
  device: Device,
  label: string,
  shape: readonly number[],
  data: ArrayLike<number>,
): Tensor {
  const tensor = device.tensor(label, shape);
  device.write(tensor, data);
  return tensor;
}

/** One control step: new sequences to the device, all of them played, returns read. */
export function controlStep(device: Device, data: PlanData): Work {
  const { spec, count, horizon } = data;
  const { inputDim: X, outputDim: Z } = spec;
  const sequences = device.tensor("sequences", [count, horizon, X - Z]);
  const returns = device.tensor("returns", [count]);
  const command: Command = {
    kernel: "dynamics_rollout",
    ...{ spec, horizon, discount: DISCOUNT, situation: SITUATION },
    ...{ sequences, returns, states: null },
    params: put(device, "params", [data.params.length], data.params),
    normalizer: put(device, "normalizer", [2 * (X + Z)], data.normalizer),
    state: put(device, "state", [Z], data.state),
    bounds: put(device, "bounds", [2, Z], data.bounds),
    reward: {
      ...{ linear: [], penalty: null },
      proximity: { weight: 1, columns: [Z - 2, Z - 1], goal: GOAL },
    },
  };
  return async () => {
    device.write(sequences, data.sequences);
    await device.submit([command]);
    return await device.read(returns);
  };
}

/** One iteration of Reptile from where the last one ended, or one adaptation. Gives the losses. */
export function training(device: Device, data: TrainData): Work {
  const { spec, rows, batchSize, updates, kind } = data;
  const initial = put(device, "initial", [data.params.length], data.params);
  const params = put(device, "params", [data.params.length], data.params);
  const inputs = put(device, "inputs", [rows, spec.inputDim], data.inputs);
  const targets = put(device, "targets", [rows, spec.outputDim], data.targets);
  const order = device.tensor("order", [updates * batchSize], "u32");
  const losses = device.tensor("losses", [updates]);
  const m = device.tensor("m", params.shape), v = device.tensor("v", params.shape);
  const optimizer: DynamicsOptimizer = kind === "reptile"
    ? { kind: "sgd", lr: SGD_LR }
    : { kind: "adam", ...ADAM, firstStep: 1, m, v, flavour: "pytorch" };
  const train: Command = {
    kernel: "dynamics_train",
    ...{ spec, params, inputs, targets, order, losses, batchSize, optimizer },
    situation: SITUATION,
  };
  const commands: Command[] = kind === "reptile"
    ? [
      { kernel: "interpolate", from: params, to: params, factor: 0, out: initial },
      train,
      { kernel: "interpolate", from: initial, to: params, factor: REPTILE_STEP, out: params },
    ]
    : [
      { kernel: "interpolate", from: initial, to: initial, factor: 0, out: params },
      { kernel: "clear", out: m },
      { kernel: "clear", out: v },
      train,
    ];
  return async () => {
    device.write(order, data.order);
    await device.submit(commands);
    return await device.read(losses);
  };
}

/** The errors of all situations on all rows. */
export function situationErrors(device: Device, data: TrainData): Work {
  const { spec, rows } = data;
  const errors = device.tensor("errors", [spec.situations]);
  const command: Command = {
    kernel: "dynamics_errors",
    ...{ spec, errors },
    params: put(device, "params", [data.params.length], data.params),
    inputs: put(device, "inputs", [rows, spec.inputDim], data.inputs),
    targets: put(device, "targets", [rows, spec.outputDim], data.targets),
  };
  return async () => {
    await device.submit([command]);
    return await device.read(errors);
  };
}

/** Writes a case for a program in another language: raw little-endian files and `case.json`. */
export async function writeCase(folder: string, data: PlanData | TrainData): Promise<void> {
  const numbers: Record<string, unknown> = {
    ...{ discount: DISCOUNT, goal: GOAL, situation: SITUATION, reptileStep: REPTILE_STEP },
    ...{ sgdLr: SGD_LR, adam: ADAM },
  };
  for (const [name, value] of Object.entries(data)) {
    if (value instanceof Float32Array || value instanceof Uint32Array) {
      const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
      await Deno.writeFile(`${folder}/${name}.bin`, bytes);
    } else {
      numbers[name] = value;
    }
  }
  await Deno.writeTextFile(`${folder}/case.json`, JSON.stringify(numbers));
}
