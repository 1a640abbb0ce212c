/**
 * Holds a device against the float64 reference: builders of seeded random cases for every kernel
 * of the table, and one helper that runs a case on both and measures the difference. Any backend
 * can use it; a case is a function of the device, and draws the same numbers for both.
 *
 * All inputs are float32 numbers (the reference gets the rounded ones), so that what is measured
 * is the arithmetic of the device alone. Data are like those of training: actions drawn from the
 * old distribution, the current policy close to it, so that ratios stay near 1.
 *
 * Measure: max |difference| / max |expected| per tensor. Tolerances (tests/golden): 1e-5 for
 * values and first derivatives, where a float32 run of the original is within 2e-7 and sums of
 * some thousand terms cost a few more digits; 1e-4 for pullbacks, whose terms cancel.
 */
import assert from "node:assert/strict";
import type { Device, HostArray, Tensor } from "../../src/compute/device.ts";
import type { Command, KernelName, SampleTensors } from "../../src/compute/kernels.ts";
import {
  encoderLayout,
  type EncoderSpec,
  type Layout,
  modulationLayout,
  policyLayout,
  type PolicySpec,
} from "../../src/compute/layout.ts";
import { ReferenceDevice } from "../../src/compute/reference/reference_device.ts";
import { KeyedRandom, Purpose } from "../../src/util/prng.ts";

/** Tolerance of values and first derivatives. */
export const VALUE_TOLERANCE = 1e-5;
/** Tolerance of second derivatives. */
export const PULLBACK_TOLERANCE = 1e-4;

/** A case on one device: what to run and what to look at. */
export interface BuiltCase {
  readonly commands: readonly Command[];
  readonly outputs: readonly Tensor[];
  readonly tolerance: number;
}

/** Puts a case on a device, drawing all numbers from `random`. */
export type CaseBuilder = (device: Device, random: KeyedRandom) => Promise<BuiltCase>;

/** A case with the name that its test gets. */
export interface KernelCase {
  readonly name: string;
  readonly kernel: KernelName;
  readonly build: CaseBuilder;
}

/** How far an output tensor is from the reference. */
export interface Difference {
  readonly label: string;
  /** max |difference| / max |expected|; NaN where any number is not finite. */
  readonly error: number;
  readonly tolerance: number;
}

/** max |actual - expected| / max |expected|; the plain maximum where all expected are 0. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  assert.equal(actual.length, expected.length);
  let difference = 0, scale = 0;
  for (let i = 0; i < expected.length; i++) {
    const distance = Math.abs(actual[i] - expected[i]);
    if (Number.isNaN(distance)) return NaN;
    difference = Math.max(difference, distance);
    scale = Math.max(scale, Math.abs(expected[i]));
  }
  return scale === 0 ? difference : difference / scale;
}

/** Content of the case's outputs after a run on the device; frees all tensors of the case. */
export async function runCase(
  device: Device,
  build: CaseBuilder,
  seed = 1,
): Promise<{ label: string; data: HostArray; tolerance: number }[]> {
  const tracked = trackTensors(device);
  try {
    const { commands, outputs, tolerance } = await build(tracked.device, testRandom(seed));
    await device.submit(commands);
    const results = [];
    for (const output of outputs) {
      results.push({ label: output.label, data: await device.read(output), tolerance });
    }
    return results;
  } finally {
    for (const tensor of tracked.tensors) device.free(tensor);
  }
}

/** A device like the given one, with a list of the tensors made through it. */
function trackTensors(device: Device): { device: Device; tensors: Tensor[] } {
  const tensors: Tensor[] = [];
  const tensor: Device["tensor"] = (label, shape, type) => {
    const made = device.tensor(label, shape, type);
    tensors.push(made);
    return made;
  };
  const tracking = new Proxy(device, {
    get(target, key) {
      if (key === "tensor") return tensor;
      const value = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { device: tracking, tensors };
}

/** Generator of test data. */
export function testRandom(seed: number): KeyedRandom {
  return new KeyedRandom(seed).at(Purpose.TEST_DATA);
}

/** Runs a case on the device and on the reference. */
export async function compareKernel(
  device: Device,
  reference: Device,
  build: CaseBuilder,
  seed = 1,
): Promise<Difference[]> {
  const expected = await runCase(reference, build, seed);
  const actual = await runCase(device, build, seed);
  return actual.map(({ label, data, tolerance }, i) => ({
    label,
    error: relativeError(data, expected[i].data),
    tolerance,
  }));
}

/** Fails where an output of the case is off by more than its tolerance. */
export async function assertKernel(
  device: Device,
  reference: Device,
  { name, build }: KernelCase,
  seed = 1,
): Promise<void> {
  for (const { label, error, tolerance } of await compareKernel(device, reference, build, seed)) {
    assert.ok(
      error <= tolerance,
      `${name}: ${label} has relative error ${error}, tolerance ${tolerance}`,
    );
  }
}

// ---- data ----

/** New tensor with `value()` in every place, rounded to float32. */
export function filled(
  device: Device,
  label: string,
  shape: readonly number[],
  value: () => number,
): Tensor {
  const tensor = device.tensor(label, shape);
  device.write(tensor, Float32Array.from({ length: tensor.size }, value));
  return tensor;
}

/** Standard normal numbers times `scale` plus `mean`. */
export function normals(random: KeyedRandom, scale: number, mean = 0): () => number {
  return () => mean + scale * random.normal();
}

/** Sizes of a policy case. */
export interface PolicySizes {
  readonly spec: PolicySpec;
  /** Samples of each task; their number is the number of tasks. */
  readonly counts: readonly number[];
  readonly modulated: boolean;
}

/**
 * Parameters [M, P] of random networks: weights ~ N(0, 1/inputs), embeddings ~ N(0, 1), small
 * biases and log stds.
 */
export function networkParams(
  random: KeyedRandom,
  layout: Layout,
  tasks: number,
): Float32Array {
  const data = new Float32Array(tasks * layout.size);
  for (let m = 0; m < tasks; m++) {
    for (const { name, shape, offset, size } of layout.entries) {
      const matrix = name === "embeddings" ? 1 : 1 / Math.sqrt(shape[0]);
      const scale = shape.length === 2 ? matrix : 0.2;
      const mean = name === "log_std" ? -0.5 : 0;
      for (let i = 0; i < size; i++) {
        data[m * layout.size + offset + i] = mean + scale * random.normal();
      }
    }
  }
  return data;
}

/** New tensor of the given content. */
export function tensorOf(
  device: Device,
  label: string,
  shape: readonly number[],
  data: ArrayLike<number>,
  type: "f32" | "u32" = "f32",
): Tensor {
  const tensor = device.tensor(label, shape, type);
  device.write(tensor, data);
  return tensor;
}

/** Running sums of the counts, from 0. */
function offsetsOf(counts: readonly number[]): number[] {
  const offsets = [0];
  for (const count of counts) offsets.push(offsets.at(-1)! + count);
  return offsets;
}

/** Everything that the policy kernels read. */
interface PolicyData {
  readonly params: Tensor;
  readonly modulation: Tensor | null;
  readonly samples: SampleTensors;
}

/**
 * Random networks and the samples of nearby ones: old mean = current mean plus a tenth of a
 * standard deviation, as after an optimiser's step.
 */
async function policyData(
  device: Device,
  random: KeyedRandom,
  sizes: PolicySizes,
): Promise<PolicyData> {
  const { spec, counts, modulated } = sizes;
  const { obsDim, actDim } = spec;
  const tasks = counts.length;
  const layout = policyLayout(spec);
  const modulationSize = modulationLayout(spec).size;
  const offsets = offsetsOf(counts);
  const samples = offsets[tasks];
  const maxSamplesPerTask = Math.max(...counts);
  const data = {
    params: networkParams(random, layout, tasks),
    modulation: Float32Array.from({ length: tasks * modulationSize }, normals(random, 0.5)),
    obs: Float32Array.from({ length: samples * obsDim }, normals(random, 1)),
  };
  // the current means, in float64
  const plain = new ReferenceDevice();
  const mean = plain.tensor("mean", [samples, actDim]);
  await plain.submit([{
    kernel: "policy_forward",
    spec,
    params: tensorOf(plain, "params", [tasks, layout.size], data.params),
    modulation: modulated
      ? tensorOf(plain, "modulation", [tasks, modulationSize], data.modulation)
      : null,
    obs: tensorOf(plain, "obs", [samples, obsDim], data.obs),
    offsets: tensorOf(plain, "offsets", [tasks + 1], offsets, "u32"),
    maxSamplesPerTask,
    mean,
  }]);
  const currentMean = await plain.read(mean);
  const actions = new Float32Array(samples * actDim);
  const oldMean = new Float32Array(samples * actDim);
  const oldLogStd = new Float32Array(samples * actDim);
  for (let m = 0; m < tasks; m++) {
    for (let s = offsets[m]; s < offsets[m + 1]; s++) {
      for (let a = 0; a < actDim; a++) {
        const at = s * actDim + a;
        const logStd = data.params[(m + 1) * layout.size - actDim + a];
        oldLogStd[at] = logStd + 0.05 * random.normal();
        oldMean[at] = currentMean[at] + 0.1 * Math.exp(logStd) * random.normal();
        actions[at] = oldMean[at] + Math.exp(oldLogStd[at]) * random.normal();
      }
    }
  }
  return {
    params: tensorOf(device, "params", [tasks, layout.size], data.params),
    modulation: modulated
      ? tensorOf(device, "modulation", [tasks, modulationSize], data.modulation)
      : null,
    samples: {
      obs: tensorOf(device, "obs", [samples, obsDim], data.obs),
      actions: tensorOf(device, "actions", [samples, actDim], actions),
      advantages: filled(device, "advantages", [samples], normals(random, 1)),
      oldMean: tensorOf(device, "oldMean", [samples, actDim], oldMean),
      oldLogStd: tensorOf(device, "oldLogStd", [samples, actDim], oldLogStd),
      offsets: tensorOf(device, "offsets", [tasks + 1], offsets, "u32"),
      maxSamplesPerTask,
    },
  };
}

/** policy_forward on random networks. */
export function policyForwardCase(sizes: PolicySizes): CaseBuilder {
  return async (device, random) => {
    const { params, modulation, samples } = await policyData(device, random, sizes);
    const { obs, offsets, maxSamplesPerTask } = samples;
    const { spec } = sizes;
    const mean = device.tensor("mean", [obs.shape[0], spec.actDim]);
    return {
      commands: [{
        ...{ kernel: "policy_forward", spec, params, modulation },
        ...{ obs, offsets, maxSamplesPerTask, mean },
      }],
      outputs: [mean],
      tolerance: VALUE_TOLERANCE,
    };
  };
}

/** Options of the two gradient kernels. */
export interface GradientOptions {
  /** `null`: not clipped. */
  readonly clipEps?: number | null;
  /** `null`: no floor. The cases' log stds are around -0.5, with deviation 0.2. */
  readonly minLogStd?: number | null;
}

/** surrogate_gradient on random networks; all outputs start with garbage. */
export function surrogateGradientCase(
  sizes: PolicySizes,
  { clipEps = null, minLogStd = null }: GradientOptions = {},
): CaseBuilder {
  return async (device, random) => {
    const { params, modulation, samples } = await policyData(device, random, sizes);
    const { spec, modulated, counts } = sizes;
    const garbage = normals(random, 1);
    const gradParams = filled(device, "gradParams", params.shape, garbage);
    const gradModulation = modulated
      ? filled(device, "gradModulation", modulation!.shape, garbage)
      : null;
    const stats = filled(device, "stats", [counts.length, 2], garbage);
    return {
      commands: [{
        ...{ kernel: "surrogate_gradient", spec, params, modulation, samples },
        ...{ clipEps, minLogStd, gradParams, gradModulation, stats },
      }],
      outputs: [gradParams, stats, ...(gradModulation === null ? [] : [gradModulation])],
      tolerance: VALUE_TOLERANCE,
    };
  };
}

/** inner_step_pullback on random networks; gradModulation starts with other numbers. */
export function innerStepPullbackCase(
  sizes: PolicySizes,
  { minLogStd = null }: GradientOptions = {},
): CaseBuilder {
  return async (device, random) => {
    const { params, modulation, samples } = await policyData(device, random, sizes);
    const { spec, modulated } = sizes;
    // as large as the step, so that the Hessian's part is not drowned by the adjoint itself
    const adjointIn = filled(device, "adjointIn", params.shape, normals(random, 0.1));
    const adjointOut = filled(device, "adjointOut", params.shape, normals(random, 1));
    const gradModulation = modulated
      ? filled(device, "gradModulation", modulation!.shape, normals(random, 0.1))
      : null;
    return {
      commands: [{
        ...{ kernel: "inner_step_pullback", spec, params, modulation, samples, minLogStd },
        ...{ innerLr: 2, klScale: 5, adjointIn, adjointOut, gradModulation },
      }],
      outputs: [adjointOut, ...(gradModulation === null ? [] : [gradModulation])],
      tolerance: PULLBACK_TOLERANCE,
    };
  };
}

/** Sizes of an encoder case. */
export interface EncoderSizes {
  readonly spec: EncoderSpec;
  readonly slots: number;
  readonly steps: number;
  /** True number of paths of each task; their number is the number of tasks. */
  readonly paths: readonly number[];
}

/** Random encoder and sequences of random lengths, zero rows in front; missing paths all zero. */
function encoderData(device: Device, random: KeyedRandom, sizes: EncoderSizes) {
  const { spec, slots, steps, paths } = sizes;
  const { inputDim } = spec;
  const layout = encoderLayout(spec);
  const sequences = new Float32Array(paths.length * slots * steps * inputDim);
  for (let m = 0; m < paths.length; m++) {
    for (let slot = 0; slot < paths[m]; slot++) {
      const padding = random.integer(steps);
      const from = ((m * slots + slot) * steps + padding) * inputDim;
      const to = (m * slots + slot + 1) * steps * inputDim;
      // twice the usual spread: some gates leave the linear range of the hard sigmoid
      for (let i = from; i < to; i++) sequences[i] = 2 * random.normal();
    }
  }
  return {
    spec,
    slots,
    params: tensorOf(device, "params", [layout.size], networkParams(random, layout, 1)),
    sequences: tensorOf(
      device,
      "sequences",
      [paths.length * slots, steps, inputDim],
      sequences,
    ),
    numPaths: tensorOf(device, "numPaths", [paths.length], paths, "u32"),
  };
}

/** encoder_forward on random sequences. */
export function encoderForwardCase(sizes: EncoderSizes): CaseBuilder {
  return (device, random) => {
    const args = encoderData(device, random, sizes);
    const { cellSize, outputDim } = sizes.spec;
    const tasks = sizes.paths.length;
    const lastState = device.tensor("lastState", [tasks * sizes.slots, cellSize]);
    const taskEmbedding = device.tensor("taskEmbedding", [tasks, cellSize]);
    const modulation = device.tensor("modulation", [tasks, outputDim]);
    return Promise.resolve({
      commands: [{ kernel: "encoder_forward", ...args, lastState, taskEmbedding, modulation }],
      outputs: [lastState, taskEmbedding, modulation],
      tolerance: VALUE_TOLERANCE,
    });
  };
}

/** encoder_backward on random sequences. */
export function encoderBackwardCase(sizes: EncoderSizes): CaseBuilder {
  return (device, random) => {
    const args = encoderData(device, random, sizes);
    const shape = [sizes.paths.length, sizes.spec.outputDim];
    const gradModulation = filled(device, "gradModulation", shape, normals(random, 1));
    const { shape: layout } = args.params;
    const gradParams = filled(device, "encoder gradParams", layout, normals(random, 1));
    return Promise.resolve({
      commands: [{ kernel: "encoder_backward", ...args, gradModulation, scale: 0.3, gradParams }],
      outputs: [gradParams],
      tolerance: VALUE_TOLERANCE,
    });
  };
}

/** The kernels on single elements, one after the other, on [rows, count] numbers. */
export function elementwiseCase(rows: number, count: number): CaseBuilder {
  return (device, random) => {
    const draw = normals(random, 1);
    const row = filled(device, "row", [count], draw);
    const many = filled(device, "broadcast", [rows, count], draw);
    const grad = filled(device, "grad", [rows, count], draw);
    const stepped = filled(device, "stepped", [rows, count], draw);
    const inPlace = filled(device, "steppedInPlace", [rows, count], draw);
    const sum = filled(device, "sum", [count], draw);
    const cleared = filled(device, "cleared", [rows, count], draw);
    return Promise.resolve({
      commands: [
        { kernel: "broadcast_row", row, out: many },
        { kernel: "sgd_step", params: many, grad, lr: 0.3, out: stepped },
        { kernel: "sgd_step", params: inPlace, grad, lr: 0.3, out: inPlace },
        { kernel: "sum_rows", rows: stepped, scale: 0.2, out: sum },
        { kernel: "clear", out: cleared },
      ],
      outputs: [many, stepped, inPlace, sum, cleared],
      tolerance: VALUE_TOLERANCE,
    });
  };
}

/** Three Adam steps from non-zero moments. */
export function adamCase(count: number, flavour: "tensorflow" | "pytorch"): CaseBuilder {
  return (device, random) => {
    const draw = normals(random, 1);
    const params = filled(device, "params", [count], draw);
    const grad = filled(device, "grad", [count], draw);
    const m = filled(device, "m", [count], normals(random, 0.1));
    const v = filled(device, "v", [count], () => 0.01 * random.uniform());
    const commands: Command[] = [1, 2, 3].map((step) => ({
      ...{ kernel: "adam", params, grad, m, v, lr: 0.02, beta1: 0.9, beta2: 0.999 },
      ...{ epsilon: 1e-8, step, flavour },
    }));
    return Promise.resolve({ commands, outputs: [params, m, v], tolerance: VALUE_TOLERANCE });
  };
}

// ---- lists of cases ----

const FILM = [
  null,
  ...[false, true].flatMap((useBetas) =>
    [false, true].map((shiftGammas) => ({ useBetas, shiftGammas }))
  ),
];

/** Random sizes of a policy: 0 to 4 hidden layers, all kinds of modulation, ragged tasks. */
export function randomPolicySizes(random: KeyedRandom): PolicySizes {
  const width = () => 1 + random.integer(random.integer(4) === 0 ? 70 : 12);
  const film = FILM[random.integer(FILM.length)];
  const spec: PolicySpec = {
    obsDim: 1 + random.integer(20),
    actDim: 1 + random.integer(9),
    hiddenSizes: Array.from({ length: random.integer(5) }, width),
    activation: random.integer(2) === 0 ? "tanh" : "relu",
    learnStd: random.integer(4) > 0,
    film,
  };
  const counts = Array.from({ length: 1 + random.integer(4) }, () => random.integer(90));
  if (Math.max(...counts) === 0) counts[0] = 1;
  return { spec, counts, modulated: film !== null && random.integer(4) !== 0 };
}

/** Random sizes of an encoder. */
export function randomEncoderSizes(random: KeyedRandom): EncoderSizes {
  const slots = 1 + random.integer(9);
  return {
    spec: {
      inputDim: 1 + random.integer(12),
      cellSize: 1 + random.integer(20),
      mlpAfterGru: random.integer(2) === 0,
      mlpAfterPool: random.integer(2) === 0,
      outputDim: 1 + random.integer(30),
    },
    slots,
    steps: 1 + random.integer(40),
    paths: Array.from({ length: 1 + random.integer(4) }, () => 1 + random.integer(slots)),
  };
}

function policyName({ spec, counts, modulated }: PolicySizes): string {
  const film = spec.film === null ? "plain" : [
    modulated ? "film" : "unused film",
    ...(spec.film.useBetas ? ["betas"] : []),
    ...(spec.film.shiftGammas ? ["shifted"] : []),
  ].join(" ");
  const widths = [spec.obsDim, ...spec.hiddenSizes, spec.actDim].join("-");
  return `${widths} ${spec.activation} ${film}, samples ${counts}`;
}

function encoderName({ spec, slots, steps, paths }: EncoderSizes): string {
  const mlps = `${spec.mlpAfterGru ? " gru mlp" : ""}${spec.mlpAfterPool ? " pool mlp" : ""}`;
  return `${spec.inputDim}-${spec.cellSize}-${spec.outputDim}${mlps}, ${steps} steps, ` +
    `paths ${paths} of ${slots}`;
}

/** All policy kernels on these sizes. */
export function policyCases(sizes: PolicySizes, options: GradientOptions = {}): KernelCase[] {
  const name = policyName(sizes);
  const clip = (options.clipEps ?? null) === null ? "" : `, clip ${options.clipEps}`;
  const floor = (options.minLogStd ?? null) === null ? "" : ", floor";
  return [
    { kernel: "policy_forward", name, build: policyForwardCase(sizes) },
    {
      kernel: "surrogate_gradient",
      name: name + clip + floor,
      build: surrogateGradientCase(sizes, options),
    },
    {
      kernel: "inner_step_pullback",
      name: name + floor,
      build: innerStepPullbackCase(sizes, options),
    },
  ];
}

/** Both encoder kernels on these sizes. */
export function encoderCases(sizes: EncoderSizes): KernelCase[] {
  const name = encoderName(sizes);
  return [
    { kernel: "encoder_forward", name, build: encoderForwardCase(sizes) },
    { kernel: "encoder_backward", name, build: encoderBackwardCase(sizes) },
  ];
}

/** The kernels on single elements. */
export function elementwiseCases(): KernelCase[] {
  return [
    ...[[1, 1], [3, 5], [4, 8], [7, 9001]].map(([rows, count]): KernelCase => ({
      kernel: "sgd_step",
      name: `and its like, [${rows}, ${count}]`,
      build: elementwiseCase(rows, count),
    })),
    ...(["tensorflow", "pytorch"] as const).map((flavour): KernelCase => ({
      kernel: "adam",
      name: `${flavour}, 9001 parameters`,
      build: adamCase(9001, flavour),
    })),
  ];
}

const POINT: PolicySpec = {
  obsDim: 4,
  actDim: 2,
  hiddenSizes: [64, 64],
  activation: "tanh",
  learnStd: true,
  film: { useBetas: false, shiftGammas: true },
};

/** Sizes that are easily got wrong: the published ones, extremes, empty and single samples. */
export function edgeCases(): KernelCase[] {
  const film = { useBetas: true, shiftGammas: false };
  const encoder: EncoderSpec = {
    inputDim: 7,
    cellSize: 64,
    mlpAfterGru: true,
    mlpAfterPool: true,
    outputDim: 128,
  };
  return [
    ...policyCases({ spec: POINT, counts: [100, 80, 1], modulated: false }, { minLogStd: -0.4 }),
    ...policyCases({ spec: POINT, counts: [100, 0, 33], modulated: true }, { clipEps: 0.1 }),
    ...policyCases({
      spec: { ...POINT, obsDim: 29, actDim: 8, film },
      counts: [65, 70],
      modulated: true,
    }, { clipEps: 0.2, minLogStd: -0.5 }),
    ...policyCases({
      spec: { ...POINT, hiddenSizes: [], film: null, obsDim: 1, actDim: 1 },
      counts: [1, 5],
      modulated: false,
    }),
    ...policyCases({
      spec: { ...POINT, hiddenSizes: [1, 5, 200, 3], activation: "relu", film },
      counts: [40, 0, 7],
      modulated: true,
    }),
    ...policyCases({
      spec: { ...POINT, hiddenSizes: [8] },
      counts: [2500, 1024, 1025],
      modulated: true,
    }),
    ...encoderCases({ spec: encoder, slots: 20, steps: 50, paths: [20, 13] }),
    ...encoderCases({
      spec: { ...encoder, inputDim: 1, cellSize: 1, outputDim: 1 },
      slots: 1,
      steps: 1,
      paths: [1],
    }),
  ];
}

/** `count` random sizes of policies and of encoders, all their kernels. */
export function randomCases(count: number, seed = 1): KernelCase[] {
  const random = testRandom(seed);
  const cases: KernelCase[] = [];
  for (let i = 0; i < count; i++) {
    cases.push(
      ...policyCases(randomPolicySizes(random), {
        clipEps: random.integer(2) === 0 ? 0.1 : null,
        minLogStd: random.integer(2) === 0 ? -0.5 : null,
      }),
      ...encoderCases(randomEncoderSizes(random)),
    );
  }
  return cases;
}
