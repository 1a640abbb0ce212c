/**
 * Cases of the dynamics kernels and of `interpolate`, in the manner of compare.ts.
 *
 * What would make a comparison in float32 ill-posed is kept out of the data, not of the tolerance:
 *
 * - Training is a chain: every update starts from the rounding errors of the one before, relu's
 *   kinks and Adam's division by the root of the second moment enlarge them. Chains are at most
 *   thirty updates, with steps that change a parameter by about a thousandth: hundreds of
 *   tolerances, so that a wrong update is seen, and far from any instability.
 * - A rollout is a chain too: predicted changes are a tenth of the states' spread, as they are for
 *   a robot, which keeps the growth of an error over the horizon below ten.
 * - A penalty's threshold lies in the widest gap among the middle values of its column, as the
 *   float64 reference predicts them, so that no rounding moves a state across it.
 * - A column that was constant in the data has a std of 1e-10, as the published normalisation
 *   gives it. Its bounds hold it where it was: unbounded, float32 could not represent its changes.
 */
import type { Device, HostArray, Tensor } from "../../src/compute/device.ts";
import type {
  AdamFlavour,
  Command,
  DynamicsOptimizer,
  DynamicsRollout,
} from "../../src/compute/kernels.ts";
import { dynamicsLayout, type DynamicsSpec, dynamicsWidths } from "../../src/compute/layout.ts";
import { ReferenceDevice } from "../../src/compute/reference/reference_device.ts";
import type { KeyedRandom } from "../../src/util/prng.ts";
import type { StageReward } from "../../src/util/stage_reward.ts";
import {
  type CaseBuilder,
  filled,
  type KernelCase,
  networkParams,
  normals,
  tensorOf,
  testRandom,
  VALUE_TOLERANCE,
} from "./compare.ts";

/** The published model of the five-joint reacher: 12 state columns, 5 actions, 11 situations. */
export const REACHER: DynamicsSpec = {
  inputDim: 17,
  outputDim: 12,
  situations: 11,
  embeddingDim: 8,
  hiddenSizes: [70, 50],
  activation: "relu",
  outputLimit: 10,
};

/** The published model of the ant: 27 state columns, 8 actions. */
export const ANT: DynamicsSpec = {
  ...{ inputDim: 35, outputDim: 27, situations: 20, embeddingDim: 5 },
  ...{ hiddenSizes: [200, 200, 100], activation: "relu", outputLimit: 10 },
};

/** The published model of the sine example. */
export const SINE: DynamicsSpec = {
  ...{ inputDim: 1, outputDim: 1, situations: 10, embeddingDim: 5 },
  ...{ hiddenSizes: [20, 20, 20], activation: "tanh", outputLimit: null },
};

/**
 * Parameters [P] of a random model.
 *
 * @param outputScale factor of the last layer; outputs before tanh have about this spread
 */
function modelParams(random: KeyedRandom, spec: DynamicsSpec, outputScale: number): Float32Array {
  const layout = dynamicsLayout(spec);
  const params = networkParams(random, layout, 1);
  for (const { offset, size } of layout.entries.slice(-2)) {
    for (let i = offset; i < offset + size; i++) params[i] *= outputScale;
  }
  return params;
}

/** A model in the middle of the output's range, and one whose outputs have a spread of one. */
function outputScales({ outputLimit }: DynamicsSpec): { wide: number; unit: number } {
  return { wide: outputLimit === null ? 1 : 0.5, unit: outputLimit === null ? 1 : 1 / outputLimit };
}

/** Sizes of the kernels on rows. */
export interface DynamicsSizes {
  readonly spec: DynamicsSpec;
  /** N */
  readonly rows: number;
}

/** Rows with a random situation each; the last situation has none where there are several. */
function rowData(
  device: Device,
  random: KeyedRandom,
  { spec, rows }: DynamicsSizes,
  scale: number,
) {
  const params = modelParams(random, spec, scale);
  const situations = Array.from(
    { length: rows },
    () => spec.situations < 2 ? 0 : random.integer(spec.situations - 1),
  );
  return {
    params: tensorOf(device, "params", [params.length], params),
    inputs: filled(device, "inputs", [rows, spec.inputDim], normals(random, 1)),
    targets: filled(device, "targets", [rows, spec.outputDim], normals(random, 1)),
    situations: tensorOf(device, "situations", [rows], situations, "u32"),
  };
}

/** dynamics_forward on random rows of several situations. */
export function dynamicsForwardCase(sizes: DynamicsSizes): CaseBuilder {
  return (device, random) => {
    const { spec, rows } = sizes;
    const { params, inputs, situations } = rowData(
      ...[device, random, sizes, outputScales(spec).wide] as const,
    );
    const outputs = filled(device, "outputs", [rows, spec.outputDim], normals(random, 1));
    return Promise.resolve({
      commands: [{ kernel: "dynamics_forward", spec, params, inputs, situations, outputs }],
      outputs: [outputs],
      tolerance: VALUE_TOLERANCE,
    });
  };
}

/** dynamics_gradient on random rows of several situations. */
export function dynamicsGradientCase(sizes: DynamicsSizes): CaseBuilder {
  return (device, random) => {
    const { spec } = sizes;
    const data = rowData(device, random, sizes, outputScales(spec).wide);
    const gradParams = filled(device, "gradParams", data.params.shape, normals(random, 1));
    const loss = filled(device, "loss", [1], normals(random, 1));
    return Promise.resolve({
      commands: [{ kernel: "dynamics_gradient", spec, ...data, gradParams, loss }],
      outputs: [gradParams, loss],
      tolerance: VALUE_TOLERANCE,
    });
  };
}

/** dynamics_errors of all situations on random rows; the model needs embeddings. */
export function dynamicsErrorsCase(sizes: DynamicsSizes): CaseBuilder {
  return (device, random) => {
    const { spec } = sizes;
    const { params, inputs, targets } = rowData(device, random, sizes, outputScales(spec).unit);
    const errors = filled(device, "errors", [spec.situations], normals(random, 1));
    return Promise.resolve({
      commands: [{ kernel: "dynamics_errors", spec, params, inputs, targets, errors }],
      outputs: [errors],
      tolerance: VALUE_TOLERANCE,
    });
  };
}

/** Sizes of a training case. */
export interface TrainSizes extends DynamicsSizes {
  /** B */
  readonly batchSize: number;
  /** U */
  readonly updates: number;
  /** Adam where given, else SGD. */
  readonly adam?: {
    readonly flavour: AdamFlavour;
    /** From 1: fresh moments, all zero; later ones start with others. */
    readonly firstStep: number;
  };
}

/** dynamics_train on minibatches of random rows, some of which come more than once. */
export function dynamicsTrainCase(sizes: TrainSizes): CaseBuilder {
  return (device, random) => {
    const { spec, rows, batchSize, updates, adam } = sizes;
    const { params, inputs, targets } = rowData(device, random, sizes, outputScales(spec).unit);
    const order = Array.from({ length: updates * batchSize }, () => random.integer(rows));
    const losses = filled(device, "losses", [updates], normals(random, 1));
    const outputs = [params, losses];
    let optimizer: DynamicsOptimizer = {
      kind: "sgd",
      // the gradient is a sum over the minibatch and has the limit as a factor, twice
      lr: 0.01 / (batchSize * (spec.outputLimit ?? 1) ** 2),
    };
    if (adam !== undefined) {
      const fresh = adam.firstStep === 1;
      const m = filled(device, "m", params.shape, fresh ? () => 0 : normals(random, 0.1));
      const v = filled(device, "v", params.shape, fresh ? () => 0 : () => random.uniform());
      optimizer = {
        ...{ kind: "adam", lr: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, ...adam, m, v },
      };
      outputs.push(m, v);
    }
    return Promise.resolve({
      commands: [{
        ...{ kernel: "dynamics_train", spec, params, inputs, targets, batchSize, optimizer },
        // the last situation, which shows a wrong row of the table
        ...{ situation: Math.max(0, spec.situations - 1), losses },
        order: tensorOf(device, "order", [order.length], order, "u32"),
      }],
      outputs,
      tolerance: VALUE_TOLERANCE,
    });
  };
}

/** Sizes of a planning case. */
export interface RolloutSizes {
  readonly spec: DynamicsSpec;
  /** L */
  readonly count: number;
  /** H */
  readonly horizon: number;
  /** Whether the predicted states are wanted. */
  readonly states: boolean;
  /** Parts of the reward. */
  readonly reward: {
    readonly linear: boolean;
    readonly proximity: boolean;
    readonly penalty: boolean;
  };
}

/** Spread and mean of a robot's columns: metres, degrees, radians per second, a constant. */
const COLUMNS: readonly (readonly [std: number, mean: number])[] = [
  [0.4, 0.9],
  [100, 12],
  [1.5, 0],
  [1e-10, 0.25],
  [55, -40],
  [0.3, -0.1],
];

/** The middle of the widest gap among the middle fifth of the numbers. */
function widestGap(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const from = Math.floor(0.4 * (sorted.length - 1)), to = Math.ceil(0.6 * (sorted.length - 1));
  let best = from;
  for (let i = from; i < to; i++) {
    if (sorted[i + 1] - sorted[i] > sorted[best + 1] - sorted[best]) best = i;
  }
  return (sorted[best] + (sorted[best + 1] ?? sorted[best] + 1)) / 2;
}

/** Content of the tensors that a rollout reads. */
interface RolloutArrays {
  readonly params: Float32Array;
  readonly normalizer: Float32Array;
  readonly state: Float32Array;
  readonly bounds: Float32Array;
  readonly sequences: Float32Array;
}

/** Puts a rollout on a device; all outputs start with garbage. */
function rolloutCommand(
  device: Device,
  { spec, count, horizon, states }: RolloutSizes,
  arrays: RolloutArrays,
  reward: StageReward,
): DynamicsRollout {
  const { inputDim, outputDim } = spec;
  const shapes = {
    params: [arrays.params.length],
    normalizer: [arrays.normalizer.length],
    state: [outputDim],
    bounds: [2, outputDim],
    sequences: [count, horizon, inputDim - outputDim],
  };
  const put = (name: keyof RolloutArrays) => tensorOf(device, name, shapes[name], arrays[name]);
  return {
    ...{ kernel: "dynamics_rollout", spec, horizon, reward, discount: 0.95 },
    situation: Math.max(0, spec.situations - 1),
    params: put("params"),
    normalizer: put("normalizer"),
    state: put("state"),
    bounds: put("bounds"),
    sequences: put("sequences"),
    returns: filled(device, "returns", [count], () => 7),
    states: states ? filled(device, "states", [horizon, count, outputDim], () => 7) : null,
  };
}

/** dynamics_rollout of random sequences with bounds that some of the states reach. */
export function dynamicsRolloutCase(sizes: RolloutSizes): CaseBuilder {
  return async (device, random) => {
    const { spec, count, horizon } = sizes;
    const { inputDim: X, outputDim: Z } = spec;
    const columnOf = (i: number) => i < Z ? COLUMNS[i % COLUMNS.length] : [0.6, 0.05] as const;
    const std = Array.from({ length: X }, (_, i) => columnOf(i)[0]);
    const mean = Array.from({ length: X }, (_, i) => columnOf(i)[1]);
    const state = Float32Array.from(
      { length: Z },
      // a constant column starts where it always was
      (_, z) => mean[z] + (std[z] < 1e-9 ? 0 : std[z] * random.normal()),
    );
    const reach = (z: number) => std[z] < 1e-9 ? 0 : 0.3 * std[z];
    const arrays: RolloutArrays = {
      params: modelParams(random, spec, outputScales(spec).unit),
      normalizer: Float32Array.from([
        ...[...mean, ...std],
        ...std.slice(0, Z).map((s) => (s < 1e-9 ? 0 : 0.01) * s * random.normal()),
        ...std.slice(0, Z).map((s) => s < 1e-9 ? s : 0.1 * s),
      ]),
      state,
      bounds: Float32Array.from([
        ...state.map((value, z) => value - reach(z)),
        ...state.map((value, z) => value + reach(z)),
      ]),
      sequences: Float32Array.from(
        { length: count * horizon * (X - Z) },
        () => random.uniformRange(-1, 1),
      ),
    };
    const parts: StageReward = {
      // two columns, the last one twice
      linear: sizes.reward.linear
        ? [0, Z - 1, Z - 1].map((column, i) => ({ column, weight: (i - 0.7) / std[column] }))
          .filter(({ column }) => std[column] > 1e-9)
        : [],
      proximity: sizes.reward.proximity ? proximityTo(state, std) : null,
      penalty: null,
    };
    const penalty = sizes.reward.penalty
      ? await penaltyOf(sizes, arrays, Math.min(1, Z - 1))
      : null;
    const command = rolloutCommand(device, sizes, arrays, { ...parts, penalty });
    const { returns, states } = command;
    return {
      commands: [command],
      outputs: states === null ? [returns] : [returns, states],
      tolerance: VALUE_TOLERANCE,
    };
  };
}

/** A bell around a point near the start, in those columns whose spread is about its own. */
function proximityTo(state: Float32Array, std: readonly number[]): StageReward["proximity"] {
  const columns = Array.from(state.keys()).filter((z) => std[z] > 1e-9 && std[z] < 2).slice(-3);
  return { weight: 1.5, columns, goal: columns.map((z) => state[z] + 0.2 * std[z]) };
}

/** A penalty that about half of the predicted states get, none of them by rounding. */
async function penaltyOf(
  sizes: RolloutSizes,
  arrays: RolloutArrays,
  column: number,
): Promise<StageReward["penalty"]> {
  const plain = new ReferenceDevice();
  const none: StageReward = { linear: [], proximity: null, penalty: null };
  const command = rolloutCommand(plain, { ...sizes, states: true }, arrays, none);
  await plain.submit([command]);
  const states: HostArray = await plain.read(command.states!);
  const Z = sizes.spec.outputDim;
  const values = Array.from({ length: states.length / Z }, (_, n) => states[n * Z + column]);
  // states at a bound are exact on every device, but the gap must not end there
  const [low, high] = [arrays.bounds[column], arrays.bounds[Z + column]];
  const inner = values.filter((value) => value > low && value < high);
  const below = Math.fround(inner.length > 1 ? widestGap(inner) : (low + high) / 2);
  return { column, below, amount: 0.75 };
}

/** interpolate to a tensor of its own and to either of its inputs. */
export function interpolateCase(count: number, factor: number): CaseBuilder {
  return (device, random) => {
    const draw = normals(random, 1);
    const made = (label: string): Tensor => filled(device, label, [count], draw);
    const from = made("from"), to = made("to"), out = made("out");
    const fromInPlace = made("fromInPlace"), toInPlace = made("toInPlace");
    const commands: Command[] = [
      { kernel: "interpolate", from, to, factor, out },
      { kernel: "interpolate", from: fromInPlace, to, factor, out: fromInPlace },
      { kernel: "interpolate", from, to: toInPlace, factor, out: toInPlace },
    ];
    return Promise.resolve({
      commands,
      outputs: [out, fromInPlace, toInPlace],
      tolerance: VALUE_TOLERANCE,
    });
  };
}

// ---- lists of cases ----

function modelName(spec: DynamicsSpec): string {
  const { situations, embeddingDim, activation, outputLimit } = spec;
  const [inputs, ...widths] = dynamicsWidths(spec);
  return `${inputs - embeddingDim}+${embeddingDim}-${widths.join("-")} ${activation}, ` +
    `${situations} situations` + (outputLimit === null ? "" : `, limit ${outputLimit}`);
}

/** The kernels on rows, on these sizes; `dynamics_errors` where the model has embeddings. */
export function dynamicsRowCases(sizes: DynamicsSizes): KernelCase[] {
  const name = `${modelName(sizes.spec)}, ${sizes.rows} rows`;
  const cases: KernelCase[] = [
    { kernel: "dynamics_forward", name, build: dynamicsForwardCase(sizes) },
    { kernel: "dynamics_gradient", name, build: dynamicsGradientCase(sizes) },
  ];
  if (sizes.spec.situations > 0) {
    cases.push({ kernel: "dynamics_errors", name, build: dynamicsErrorsCase(sizes) });
  }
  return cases;
}

/** dynamics_train on these sizes. */
export function dynamicsTrainKernelCase(sizes: TrainSizes): KernelCase {
  const { spec, rows, batchSize, updates, adam } = sizes;
  const optimizer = adam === undefined
    ? "sgd"
    : `adam as in ${adam.flavour} from step ${adam.firstStep}`;
  return {
    kernel: "dynamics_train",
    name: `${modelName(spec)}, ${updates} updates on ${batchSize} of ${rows} rows, ${optimizer}`,
    build: dynamicsTrainCase(sizes),
  };
}

/** dynamics_rollout on these sizes. */
export function dynamicsRolloutKernelCase(sizes: RolloutSizes): KernelCase {
  const { spec, count, horizon, states, reward } = sizes;
  const parts = (["linear", "proximity", "penalty"] as const).filter((part) => reward[part]);
  return {
    kernel: "dynamics_rollout",
    name: `${modelName(spec)}, ${count} sequences of ${horizon}${states ? ", states" : ""}, ` +
      `reward ${parts.join(", ") || "none"}`,
    build: dynamicsRolloutCase(sizes),
  };
}

const ALL_PARTS = { linear: true, proximity: true, penalty: true };
const SMALL: DynamicsSpec = {
  ...{ inputDim: 5, outputDim: 3, situations: 3, embeddingDim: 2 },
  ...{ hiddenSizes: [7], activation: "tanh", outputLimit: null },
};

/** Sizes that are easily got wrong: odd widths, one row, no embeddings, borders of tiles. */
export function dynamicsEdgeCases(): KernelCase[] {
  const odd: DynamicsSpec = { ...SMALL, hiddenSizes: [13, 5, 7], activation: "relu" };
  const plain = { ...SMALL, situations: 0, embeddingDim: 0 };
  const tiny: DynamicsSpec = {
    ...{ inputDim: 2, outputDim: 1, situations: 1, embeddingDim: 1 },
    ...{ hiddenSizes: [1], activation: "tanh", outputLimit: 0.5 },
  };
  const deep: DynamicsSpec = { ...odd, hiddenSizes: [9, 4, 12, 3], outputLimit: 10 };
  return [
    // 700: sums of several work items
    ...[1, 3, 64, 67, 700].flatMap((rows) => dynamicsRowCases({ spec: SMALL, rows })),
    ...dynamicsRowCases({ spec: odd, rows: 33 }),
    ...dynamicsRowCases({ spec: plain, rows: 130 }),
    ...dynamicsRowCases({ spec: { ...odd, situations: 0, embeddingDim: 0 }, rows: 5 }),
    ...dynamicsRowCases({ spec: tiny, rows: 2 }),
    ...dynamicsRowCases({ spec: deep, rows: 29 }),
    ...[
      { spec: SMALL, rows: 9, batchSize: 1, updates: 5 },
      { spec: odd, rows: 20, batchSize: 3, updates: 7 },
      { spec: plain, rows: 40, batchSize: 32, updates: 4 },
      { spec: tiny, rows: 1, batchSize: 1, updates: 1 },
      { spec: deep, rows: 70, batchSize: 67, updates: 3 },
      { spec: odd, rows: 300, batchSize: 130, updates: 2 },
      ...(["pytorch", "tensorflow"] as const).flatMap((flavour) => [
        { spec: odd, rows: 20, batchSize: 5, updates: 6, adam: { flavour, firstStep: 1 } },
        { spec: deep, rows: 20, batchSize: 4, updates: 3, adam: { flavour, firstStep: 12 } },
        { spec: plain, rows: 50, batchSize: 32, updates: 3, adam: { flavour, firstStep: 300 } },
      ]),
    ].map(dynamicsTrainKernelCase),
    ...[
      { spec: SMALL, count: 1, horizon: 1, states: true, reward: ALL_PARTS },
      { spec: SMALL, count: 67, horizon: 10, states: false, reward: ALL_PARTS },
      { spec: odd, count: 130, horizon: 3, states: true, reward: { ...ALL_PARTS, linear: false } },
      {
        ...{ spec: plain, count: 31, horizon: 20, states: false },
        reward: { linear: true, proximity: false, penalty: false },
      },
      {
        ...{ spec: { ...deep, inputDim: 8 }, count: 6, horizon: 5, states: false },
        reward: { linear: false, proximity: false, penalty: true },
      },
      {
        ...{ spec: tiny, count: 5, horizon: 4, states: true },
        reward: { linear: false, proximity: false, penalty: false },
      },
    ].map(dynamicsRolloutKernelCase),
    ...[1, 7, 8, 9001].map((count): KernelCase => ({
      kernel: "interpolate",
      name: `${count} numbers`,
      build: interpolateCase(count, count % 2 === 0 ? 1 : 0.37),
    })),
  ];
}

/** The published models, at fewer rows and updates than they are used with. */
export function dynamicsPublishedCases(): KernelCase[] {
  return [
    ...dynamicsRowCases({ spec: REACHER, rows: 150 }),
    ...dynamicsRowCases({ spec: ANT, rows: 37 }),
    ...dynamicsRowCases({ spec: SINE, rows: 97 }),
    ...[
      { spec: REACHER, rows: 200, batchSize: 32, updates: 30 },
      { spec: SINE, rows: 100, batchSize: 97, updates: 20 },
      { spec: ANT, rows: 150, batchSize: 128, updates: 3 },
      {
        ...{ spec: REACHER, rows: 90, batchSize: 32, updates: 20 },
        adam: { flavour: "pytorch" as const, firstStep: 1 },
      },
      {
        ...{ spec: SINE, rows: 3, batchSize: 3, updates: 20 },
        adam: { flavour: "pytorch" as const, firstStep: 1 },
      },
    ].map(dynamicsTrainKernelCase),
    ...[
      { spec: REACHER, count: 600, horizon: 10, states: true, reward: ALL_PARTS },
      { spec: ANT, count: 70, horizon: 20, states: false, reward: ALL_PARTS },
    ].map(dynamicsRolloutKernelCase),
  ];
}

/** Random sizes of a model: 1 to 3 hidden layers, odd widths, with and without embeddings. */
export function randomDynamicsSpec(random: KeyedRandom): DynamicsSpec {
  const widths = [5, 7, 13, 70, 50, 1 + random.integer(12), 1 + random.integer(40)];
  const embedded = random.integer(4) > 0;
  const outputDim = 1 + random.integer(14);
  return {
    inputDim: outputDim + 1 + random.integer(9),
    outputDim,
    situations: embedded ? 1 + random.integer(9) : 0,
    embeddingDim: embedded ? 1 + random.integer(9) : 0,
    hiddenSizes: Array.from(
      { length: 1 + random.integer(3) },
      () => widths[random.integer(widths.length)],
    ),
    activation: random.integer(2) === 0 ? "tanh" : "relu",
    outputLimit: random.integer(2) === 0 ? null : 10,
  };
}

/** `count` random sizes of models, all dynamics kernels on each. */
export function randomDynamicsCases(count: number, seed = 1): KernelCase[] {
  const random = testRandom(seed);
  const batches = [1, 3, 32, 128, 1 + random.integer(50)];
  const coin = () => random.integer(2) === 0;
  const cases: KernelCase[] = [];
  for (let i = 0; i < count; i++) {
    const spec = randomDynamicsSpec(random);
    const rows = 1 + random.integer(150);
    const flavour = coin() ? "pytorch" : "tensorflow";
    const batchSize = batches[random.integer(batches.length)];
    const updates = 1 + random.integer(8);
    cases.push(
      ...dynamicsRowCases({ spec, rows }),
      dynamicsTrainKernelCase({ spec, rows, batchSize, updates }),
      dynamicsTrainKernelCase({
        ...{ spec, rows, batchSize, updates },
        adam: { flavour, firstStep: coin() ? 1 : 2 + random.integer(50) },
      }),
      dynamicsRolloutKernelCase({
        ...{ spec, count: 1 + random.integer(200), horizon: 1 + random.integer(12) },
        states: coin(),
        reward: { linear: coin(), proximity: coin(), penalty: coin() },
      }),
    );
  }
  return cases;
}
