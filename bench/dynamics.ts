/**
 * The dynamics model of FAMLE at the published sizes, on every device found: one control step of
 * the planner, meta-training, selection, adaptation. Random data; what the numbers are changes no
 * time. Beside each figure what the original in PyTorch takes on a machine of the same kind (2
 * cores of an AMD EPYC, float32), and for the control step the same in tfjs operations on the
 * same GPU device.
 *
 * Operations are counted as multiply and add, for the network with its embedding as an input:
 * 1.17 GFLOP for the reacher's control step. "projected" is the median times the number of
 * repetitions that the published run makes. "cores" is the least processor time of all threads
 * together: it hardly changes when other programs want the same cores.
 *
 * `deno run -A bench/dynamics.ts [cpu|webgpu|tfjs]... [--seconds 2] [--json]`
 */
import process from "node:process";
import type { Tensor as TfjsTensor, Tensor2D } from "@tensorflow/tfjs";
import { CpuDevice } from "../src/compute/cpu/cpu_device.ts";
import type { Device, Tensor } from "../src/compute/device.ts";
import type { Command, DynamicsOptimizer } from "../src/compute/kernels.ts";
import { dynamicsLayout, type DynamicsSpec, dynamicsWidths } from "../src/compute/layout.ts";
import { probeAdapter } from "../src/compute/webgpu/adapter.ts";
import { WebGpuDevice } from "../src/compute/webgpu/webgpu_device.ts";
import { KeyedRandom, Purpose } from "../src/util/prng.ts";

const REACHER: DynamicsSpec = {
  ...{ inputDim: 17, outputDim: 12, situations: 11, embeddingDim: 8 },
  ...{ hiddenSizes: [70, 50], activation: "relu", outputLimit: 10 },
};
const ANT: DynamicsSpec = {
  ...{ inputDim: 35, outputDim: 27, situations: 20, embeddingDim: 5 },
  ...{ hiddenSizes: [200, 200, 100], activation: "relu", outputLimit: 10 },
};
const SINE: DynamicsSpec = {
  ...{ inputDim: 1, outputDim: 1, situations: 10, embeddingDim: 5 },
  ...{ hiddenSizes: [20, 20, 20], activation: "tanh", outputLimit: null },
};

interface Result {
  readonly name: string;
  readonly device: string;
  /** Milliseconds of one repetition: median, least, and the first one, preparation included. */
  readonly median: number;
  readonly least: number;
  readonly first: number;
  /** Processor time of one repetition, all threads together, milliseconds: the least. */
  readonly cores: number;
  readonly gflops: number | null;
  /** Seconds of the published run. */
  readonly projected: number | null;
  /** What PyTorch takes for the same: milliseconds, or seconds of the published run. */
  readonly pytorch: string;
}

/** A measurement on a device. */
interface Benchmark {
  readonly name: string;
  /** Does the work once and waits for its result. */
  readonly run: () => Promise<unknown>;
  readonly flops?: number;
  /** How often the published run does this. */
  readonly times?: number;
  readonly pytorch: string;
}

const flag = (name: string) => Deno.args.includes(name);
const budgetAt = Deno.args.indexOf("--seconds");
const budget = 1000 * Number(budgetAt < 0 ? 2 : Deno.args[budgetAt + 1]);

function normals(count: number, scale: number, mean = 0): Float32Array {
  const random = new KeyedRandom(1).at(Purpose.TEST_DATA);
  const out = new Float32Array(count);
  random.fillNormal(out);
  return out.map((x) => mean + scale * x);
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

/** Operations of one row through the network, with the embedding as an input. */
function flopsPerRow(spec: DynamicsSpec): number {
  const widths = dynamicsWidths(spec);
  return 2 * widths.slice(1).reduce((sum, width, l) => sum + width * widths[l], 0);
}

/** What a control step reads, and how long its horizon is. */
interface PlanData {
  readonly spec: DynamicsSpec;
  readonly count: number;
  readonly horizon: number;
  readonly params: Float32Array;
  readonly normalizer: Float32Array;
  readonly state: Float32Array;
  readonly bounds: Float32Array;
  readonly sequences: Float32Array;
}

const DISCOUNT = 0.99;
const GOAL = [-0.3, 0.4];

function planData(spec: DynamicsSpec, count: number, horizon: number): PlanData {
  const { inputDim: X, outputDim: Z } = spec;
  const random = new KeyedRandom(2).at(Purpose.TEST_DATA);
  const ones = (n: number, value: number) => Array<number>(n).fill(value);
  return {
    ...{ spec, count, horizon, params: initialParams(spec) },
    normalizer: Float32Array.from([...ones(X, 0), ...ones(X, 1), ...ones(Z, 0), ...ones(Z, 0.1)]),
    state: normals(Z, 0.5),
    bounds: Float32Array.from([...ones(Z, -2), ...ones(Z, 2)]),
    sequences: Float32Array.from(
      { length: count * horizon * (X - Z) },
      () => random.uniformRange(-1, 1),
    ),
  };
}

/** New tensor with the given content. */
function put(
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

/** One control step: new sequences to the device, all of them played, returns read. */
function controlStep(name: string, device: Device, data: PlanData, pytorch: string): Benchmark {
  const { spec, count, horizon } = data;
  const { inputDim: X, outputDim: Z } = spec;
  const sequences = device.tensor("sequences", [count, horizon, X - Z]);
  const returns = device.tensor("returns", [count]);
  const command: Command = {
    ...{ kernel: "dynamics_rollout", spec, horizon, discount: DISCOUNT, situation: 0 },
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
  return {
    name,
    run: async () => {
      device.write(sequences, data.sequences);
      await device.submit([command]);
      return await device.read(returns);
    },
    flops: count * horizon * flopsPerRow(spec),
    pytorch,
  };
}

/** Training data and what goes with it. */
function trainData(
  device: Device,
  spec: DynamicsSpec,
  [rows, batchSize, updates]: readonly [number, number, number],
) {
  const random = new KeyedRandom(3).at(Purpose.TEST_DATA);
  const initial = initialParams(spec);
  const order = Uint32Array.from({ length: updates * batchSize }, () => random.integer(rows));
  return {
    initial: put(device, "initial", [initial.length], initial),
    params: put(device, "params", [initial.length], initial),
    inputs: put(device, "inputs", [rows, spec.inputDim], normals(rows * spec.inputDim, 1)),
    targets: put(device, "targets", [rows, spec.outputDim], normals(rows * spec.outputDim, 1)),
    order: device.tensor("order", [order.length], "u32"),
    losses: device.tensor("losses", [updates]),
    orderData: order,
  };
}

/** One iteration of Reptile: SGD updates from the current parameters, then a step to the result. */
function metaIteration(
  name: string,
  device: Device,
  spec: DynamicsSpec,
  sizes: readonly [rows: number, batchSize: number, updates: number],
  times: number,
  pytorch: string,
): Benchmark {
  const { initial: before, params, inputs, targets, order, losses, orderData } = trainData(
    ...[device, spec, sizes] as const,
  );
  const commands: Command[] = [
    { kernel: "interpolate", from: params, to: params, factor: 0, out: before },
    {
      ...{ kernel: "dynamics_train", spec, params, inputs, targets, order, losses },
      ...{ situation: 3, batchSize: sizes[1], optimizer: { kind: "sgd", lr: 1e-5 } },
    },
    { kernel: "interpolate", from: before, to: params, factor: 0.3, out: params },
  ];
  const products = flopsPerRow(spec);
  return {
    name,
    run: async () => {
      device.write(order, orderData);
      await device.submit(commands);
      return await device.read(losses);
    },
    flops: 3 * products * sizes[1] * sizes[2],
    times,
    pytorch,
  };
}

/** An adaptation: Adam from the meta-trained parameters and fresh moments. */
function adaptation(
  name: string,
  device: Device,
  spec: DynamicsSpec,
  sizes: readonly [rows: number, batchSize: number, updates: number],
  pytorch: string,
): Benchmark {
  const { initial, params, inputs, targets, order, losses, orderData } = trainData(
    ...[device, spec, sizes] as const,
  );
  const m = device.tensor("m", params.shape), v = device.tensor("v", params.shape);
  const optimizer: DynamicsOptimizer = {
    ...{ kind: "adam", lr: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, firstStep: 1, m, v },
    flavour: "pytorch",
  };
  const commands: Command[] = [
    { kernel: "interpolate", from: initial, to: initial, factor: 0, out: params },
    { kernel: "clear", out: m },
    { kernel: "clear", out: v },
    {
      ...{ kernel: "dynamics_train", spec, params, inputs, targets, order, losses },
      ...{ situation: 3, batchSize: sizes[1], optimizer },
    },
  ];
  return {
    name,
    run: async () => {
      device.write(order, orderData);
      await device.submit(commands);
      return await device.read(losses);
    },
    flops: 3 * flopsPerRow(spec) * sizes[1] * sizes[2],
    pytorch,
  };
}

/** The errors of all situations on the last rows. */
function selection(name: string, device: Device, spec: DynamicsSpec, rows: number): Benchmark {
  const { params, inputs, targets } = trainData(device, spec, [rows, 1, 1]);
  const errors = device.tensor("errors", [spec.situations]);
  const command: Command = {
    ...{ kernel: "dynamics_errors", spec, params, inputs, targets, errors },
  };
  return {
    name,
    run: async () => {
      await device.submit([command]);
      return await device.read(errors);
    },
    flops: rows * spec.situations * flopsPerRow(spec),
    pytorch: "2.4 ms",
  };
}

const reacherPlan = planData(REACHER, 10_000, 10);
const REACHER_STEP = "reacher: control step, 10,000 x 10";
const REACHER_STEP_PYTORCH = "38 ms (1 thread), 29 ms (2)";

/** All measurements of a device. */
function benchmarks(device: Device): Benchmark[] {
  return [
    controlStep(REACHER_STEP, device, reacherPlan, REACHER_STEP_PYTORCH),
    controlStep("ant: control step, 2,000 x 20", device, planData(ANT, 2000, 20), ""),
    metaIteration(
      ...["reacher: meta-iteration, 150 updates of 32", device, REACHER] as const,
      ...[[1000, 32, 150], 5000, "186 s"] as const,
    ),
    selection("reacher: errors of 11 situations, 500 rows", device, REACHER, 500),
    adaptation(
      ...["reacher: adaptation, 300 Adam updates of 32", device, REACHER] as const,
      ...[[500, 32, 300], "123 ms"] as const,
    ),
    metaIteration(
      ...["sine: meta-iteration, 100 updates of 95", device, SINE] as const,
      ...[[95, 95, 100], 1000, "33 s"] as const,
    ),
    adaptation(
      ...["sine: adaptation, 1000 Adam updates of 3", device, SINE] as const,
      ...[[3, 3, 1000], "1400 ms"] as const,
    ),
  ];
}

async function measure(description: string, benchmark: Benchmark): Promise<Result> {
  const { name, run, flops, times, pytorch } = benchmark;
  const milliseconds: number[] = [];
  let cores = Infinity;
  const end = performance.now() + budget;
  do {
    const start = performance.now(), used = process.cpuUsage();
    await run();
    milliseconds.push(performance.now() - start);
    const { user, system } = process.cpuUsage(used);
    cores = Math.min(cores, (user + system) / 1000);
  } while (milliseconds.length < 4 || performance.now() < end);
  const [first, ...rest] = milliseconds;
  rest.sort((a, b) => a - b);
  const median = rest[Math.floor(rest.length / 2)];
  return {
    ...{ name, device: description, median, least: rest[0], first, cores, pytorch },
    gflops: flops === undefined ? null : flops / median / 1e6,
    projected: times === undefined ? null : times * median / 1000,
  };
}

/** The reacher's control step in tfjs operations, on a GPU device that the kernels could share. */
async function measureTfjs(): Promise<Result> {
  const tf = await import("@tensorflow/tfjs");
  const { openTfjsKernels } = await import("../src/compute/tfjs/mod.ts");
  const kernels = await openTfjsKernels();
  const { spec, count, horizon, params, normalizer, state, bounds, sequences } = reacherPlan;
  const { inputDim: X, outputDim: Z, embeddingDim: E } = spec;
  const { entries } = dynamicsLayout(spec);
  const matrix = (data: Float32Array, from: number, rows: number, columns: number) =>
    tf.tensor2d(data.slice(from, from + rows * columns), [rows, columns]);
  const row = (data: Float32Array, from: number, size: number) => matrix(data, from, 1, size);
  const embedding: Tensor2D = tf.tile(row(params, 0, E), [count, 1]);
  const layers = dynamicsWidths(spec).slice(1).map((_, l) => {
    const w = entries[1 + 2 * l], b = entries[2 + 2 * l];
    return {
      w: matrix(params, w.offset, w.shape[0], w.shape[1]),
      b: tf.tensor1d(params.slice(b.offset, b.offset + b.size)),
    };
  });
  const [meanIn, stdIn] = [row(normalizer, 0, X), row(normalizer, X, X)];
  const [meanOut, stdOut] = [row(normalizer, 2 * X, Z), row(normalizer, 2 * X + Z, Z)];
  const [low, high] = [row(bounds, 0, Z), row(bounds, Z, Z)];
  const goal = tf.tensor2d(GOAL, [1, 2]);
  const start: Tensor2D = tf.tile(row(state, 0, Z), [count, 1]);
  const step = () =>
    tf.tidy(() => {
      const actions = tf.tensor3d(sequences, [count, horizon, X - Z]);
      let states = start;
      let returns: TfjsTensor = tf.zeros([count]);
      for (let h = 0; h < horizon; h++) {
        const action: Tensor2D = actions.slice([0, h, 0], [count, 1, X - Z]).as2D(count, X - Z);
        const input: Tensor2D = tf.concat([states, action], 1).sub(meanIn).div(stdIn);
        let x: Tensor2D = tf.concat([input, embedding], 1);
        layers.forEach(({ w, b }, l) => {
          const activation = l + 1 < layers.length ? "relu" : "linear";
          x = tf.fused.matMul({ a: x, b: w, bias: b, activation }).as2D(count, b.size);
        });
        const change: Tensor2D = x.tanh().mul(spec.outputLimit!).mul(stdOut).add(meanOut);
        states = tf.minimum(tf.maximum(states.add(change), low), high);
        const distance2 = states.slice([0, Z - 2], [count, 2]).squaredDifference(goal).sum(1);
        returns = returns.add(distance2.neg().exp().mul(DISCOUNT ** h));
      }
      return returns;
    });
  const run = async () => {
    const returns = step();
    const data = await returns.data();
    returns.dispose();
    return data;
  };
  try {
    await assertReturns(await run());
    return await measure(`tfjs operations, ${kernels.device.description}`, {
      ...{ name: REACHER_STEP, run, pytorch: REACHER_STEP_PYTORCH },
      flops: count * horizon * flopsPerRow(spec),
    });
  } finally {
    await kernels.close();
    tf.removeBackend("webgpu");
  }
}

/** Fails where the returns of the reacher's step are not those of the kernel. */
async function assertReturns(actual: ArrayLike<number>): Promise<void> {
  const device = await CpuDevice.create({ threads: 1 });
  const { run } = controlStep(REACHER_STEP, device, reacherPlan, "");
  const expected = await run() as Float32Array;
  await device.close();
  const error = expected.reduce((most, value, l) => Math.max(most, Math.abs(value - actual[l])), 0);
  if (!(error < 1e-4)) throw new Error(`the step in tfjs operations is off by ${error}`);
}

const wanted = Deno.args.filter((arg, i) =>
  !arg.startsWith("--") && Deno.args[i - 1] !== "--seconds"
);
const present = await probeAdapter() === null ? ["cpu"] : ["cpu", "webgpu", "tfjs"];
const kinds = wanted.length > 0 ? wanted : present;
const results: Result[] = [];

function report(result: Result): void {
  results.push(result);
  if (flag("--json")) return;
  const { name, median, least, first, cores, gflops, projected, pytorch } = result;
  const numbers = [median, least, first, cores].map((ms) => ms.toFixed(2).padStart(9));
  console.log(
    `${name.padEnd(46)}${numbers.join(" ")} ${gflops?.toFixed(1).padStart(8) ?? ""} ` +
      `${(projected === null ? "" : `${projected.toFixed(1)} s`).padStart(10)}   ${pytorch}`,
  );
}

function heading(description: string): void {
  if (flag("--json")) return;
  console.log(`\n${description}`);
  const columns = ["median ms", "least", "first", "cores"].map((text) => text.padStart(9));
  console.log(
    `${"".padEnd(46)}${columns.join(" ")} ${"GFLOP/s".padStart(8)} ${"projected".padStart(10)}` +
      "   PyTorch",
  );
}

async function measureDevice(device: Device): Promise<void> {
  heading(device.description);
  for (const benchmark of benchmarks(device)) {
    report(await measure(device.description, benchmark));
  }
  await device.close();
}

if (kinds.includes("cpu")) {
  for (const threads of [1, navigator.hardwareConcurrency]) {
    await measureDevice(await CpuDevice.create({ threads }));
  }
}
if (kinds.includes("webgpu")) await measureDevice(await WebGpuDevice.create());
if (kinds.includes("tfjs")) {
  const result = await measureTfjs();
  heading(result.device);
  report(result);
}
if (flag("--json")) console.log(JSON.stringify(results, null, 2));
