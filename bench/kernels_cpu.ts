/**
 * Speed of the cpu backend's kernels, in GFLOP/s, beside the machine's limit: a loop of
 * multiply-adds on registers, in WASM, in the same run.
 *
 *     deno run --allow-read bench/kernels_cpu.ts [--plain] [--quick]
 *
 * Operations counted (multiply and add are two), per sample of an O-H-H-A policy:
 * forward 2 (OH + HH + HA); gradient 2 (2 OH + 3 HH + 3 HA): forward, weights' and activations'
 * gradients, none for the input; pullback 2 (3 OH + 8 HH + 8 HA): both forward and both backward
 * passes. Per step of a GRU sequence: forward 2 * 3C (I + C); backward 2 * 3C (2I + 3C) with the
 * recomputed forward. tanh, exp, packing and pooling are work that is not counted.
 *
 * "per core" divides by the processor time of all threads instead of the time on the wall: it
 * hardly changes when other programs want the same cores.
 */
import process from "node:process";
import { CpuDevice } from "../src/compute/cpu/cpu_device.ts";
import { CpuInstance } from "../src/compute/cpu/cpu_instance.ts";
import { CpuMemory } from "../src/compute/cpu/cpu_memory.ts";
import { kernelModule, type SimdLevel } from "../src/compute/cpu/kernel_module.ts";
import type { Device, Tensor } from "../src/compute/device.ts";
import type { Command } from "../src/compute/kernels.ts";
import { encoderLayout, modulationLayout, policyLayout } from "../src/compute/layout.ts";
import { KeyedRandom, Purpose } from "../src/util/prng.ts";

const quick = Deno.args.includes("--quick");
const simd: SimdLevel | undefined = Deno.args.includes("--plain") ? "plain" : undefined;

/** A kernel at one size: the command and the operations that it stands for. */
interface Benchmark {
  readonly name: string;
  readonly flops: number;
  readonly command: Command;
}

function random(device: Device, label: string, shape: readonly number[], scale: number): Tensor {
  const generator = new KeyedRandom(1).at(Purpose.TEST_DATA);
  const tensor = device.tensor(label, shape);
  device.write(
    tensor,
    Float32Array.from({ length: tensor.size }, () => scale * generator.normal()),
  );
  return tensor;
}

function policyBenchmarks(
  device: Device,
  name: string,
  [tasks, count, O, H, A]: readonly number[],
): Benchmark[] {
  const film = { useBetas: false, shiftGammas: true };
  const base = {
    obsDim: O,
    actDim: A,
    hiddenSizes: [H, H],
    activation: "tanh",
    learnStd: true,
  } as const;
  const spec = { ...base, film };
  const S = tasks * count, P = policyLayout(spec).size, D = modulationLayout(spec).size;
  const params = random(device, "params", [tasks, P], 0.1);
  const modulation = random(device, "modulation", [tasks, D], 0.1);
  const offsets = device.tensor("offsets", [tasks + 1], "u32");
  device.write(offsets, Array.from({ length: tasks + 1 }, (_, m) => m * count));
  const samples = {
    obs: random(device, "obs", [S, O], 1),
    actions: random(device, "actions", [S, A], 1),
    advantages: random(device, "advantages", [S], 1),
    oldMean: random(device, "oldMean", [S, A], 0.1),
    oldLogStd: random(device, "oldLogStd", [S, A], 0.1),
    offsets,
    maxSamplesPerTask: count,
  };
  const out = {
    mean: device.tensor("mean", [S, A]),
    gradParams: device.tensor("gradParams", [tasks, P]),
    gradModulation: device.tensor("gradModulation", [tasks, D]),
    stats: device.tensor("stats", [tasks, 2]),
    adjointOut: device.tensor("adjointOut", [tasks, P]),
  };
  const products = O * H + H * H + H * A;
  const floor = { minLogStd: -13 };
  const forward = (modulation: Tensor | null): Command => ({
    ...{ kernel: "policy_forward", spec, params, modulation, obs: samples.obs, offsets },
    ...{ maxSamplesPerTask: count, mean: out.mean },
  });
  const gradient = (modulation: Tensor | null): Command => ({
    ...{ kernel: "surrogate_gradient", spec, params, modulation, samples, clipEps: null },
    ...{ ...floor, gradParams: out.gradParams, stats: out.stats },
    gradModulation: modulation === null ? null : out.gradModulation,
  });
  const pullback = (modulation: Tensor | null): Command => ({
    ...{ kernel: "inner_step_pullback", spec, params, modulation, samples, ...floor },
    ...{ innerLr: 0.1, klScale: 5e-4, adjointIn: params, adjointOut: out.adjointOut },
    gradModulation: modulation === null ? null : out.gradModulation,
  });
  const gradientFlops = 2 * S * (3 * products - O * H);
  const pullbackFlops = 2 * S * (8 * products - 5 * O * H);
  return [
    { name: `policy_forward ${name}`, flops: 2 * S * products, command: forward(null) },
    { name: `surrogate_gradient ${name}`, flops: gradientFlops, command: gradient(null) },
    { name: `  modulated`, flops: gradientFlops, command: gradient(modulation) },
    { name: `inner_step_pullback ${name}`, flops: pullbackFlops, command: pullback(null) },
    { name: `  modulated`, flops: pullbackFlops, command: pullback(modulation) },
  ];
}

function encoderBenchmarks(
  device: Device,
  [tasks, slots, T, I, C]: readonly number[],
): Benchmark[] {
  const spec = {
    ...{ inputDim: I, cellSize: C, outputDim: 2 * C },
    ...{ mlpAfterGru: true, mlpAfterPool: true },
  };
  const R = tasks * slots;
  const params = random(device, "params", [encoderLayout(spec).size], 0.1);
  const sequences = random(device, "sequences", [R, T, I], 1);
  const numPaths = device.tensor("numPaths", [tasks], "u32");
  device.write(numPaths, Array(tasks).fill(slots));
  const args = { spec, params, sequences, slots, numPaths };
  const modulation = device.tensor("modulation", [tasks, 2 * C]);
  const steps = 2 * R * T * 3 * C;
  return [
    {
      name: `encoder_forward ${R} x ${T} x ${I}`,
      flops: steps * (I + C),
      command: {
        ...{ kernel: "encoder_forward", ...args, modulation },
        lastState: device.tensor("lastState", [R, C]),
        taskEmbedding: device.tensor("taskEmbedding", [tasks, C]),
      },
    },
    {
      name: `encoder_backward ${R} x ${T} x ${I}`,
      flops: steps * (2 * I + 3 * C),
      command: {
        ...{ kernel: "encoder_backward", ...args, gradModulation: modulation, scale: 1 },
        gradParams: device.tensor("gradParams", [params.size]),
      },
    },
  ];
}

function elementBenchmarks(device: Device, tasks: number, P: number): Benchmark[] {
  const params = random(device, "params", [tasks, P], 1);
  const grad = random(device, "grad", [tasks, P], 1);
  const out = device.tensor("out", [tasks, P]);
  const row = device.tensor("row", [P]);
  return [
    {
      name: `sgd_step [${tasks}, ${P}]`,
      flops: 2 * tasks * P,
      command: { kernel: "sgd_step", params, grad, lr: 0.1, out },
    },
    {
      name: `sum_rows [${tasks}, ${P}]`,
      flops: tasks * P,
      command: { kernel: "sum_rows", rows: params, scale: 1, out: row },
    },
  ];
}

/** GFLOP/s of a multiply-add loop on registers, one thread: the best of some runs. */
function limit(): number {
  const { exports } = new CpuMemory(kernelModule(simd));
  // many short calls: a running WASM function is not replaced by its optimised version
  const rounds = 1e4;
  let best = Infinity;
  for (let i = 0; i < 2000; i++) {
    const start = performance.now();
    exports.multiply_add_limit(rounds, 0);
    best = Math.min(best, performance.now() - start);
  }
  return 128 * rounds / best / 1e6;
}

/** Processor time of this process, all threads together, in milliseconds. */
function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Best wall-clock and best processor time of a command in milliseconds. */
async function time(device: Device, command: Command): Promise<{ wall: number; cores: number }> {
  let wall = Infinity, cores = Infinity;
  const budget = performance.now() + (quick ? 300 : 1500);
  for (let i = 0; i < 4 || performance.now() < budget; i++) {
    const start = performance.now(), used = processorTime();
    await device.submit([command]);
    wall = Math.min(wall, performance.now() - start);
    cores = Math.min(cores, processorTime() - used);
  }
  return { wall, cores };
}

async function benchmarkDevice(threads: number): Promise<void> {
  const device = await CpuDevice.create({ threads, simd });
  const peak = limit();
  console.log(`\n${device.description}; limit ${peak.toFixed(1)} GFLOP/s per thread`);
  const benchmarks = [
    ...policyBenchmarks(device, "point 40 x 2000, 4-64-64-2", [40, 2000, 4, 64, 2]),
    ...policyBenchmarks(device, "ant 40 x 5000, 29-64-64-8", [40, 5000, 29, 64, 8]),
    ...encoderBenchmarks(device, [40, 20, 100, 7, 64]),
    ...encoderBenchmarks(device, [40, 20, 250, 38, 64]),
    ...elementBenchmarks(device, 400, 4612),
  ];
  console.log(
    `${"".padEnd(48)} ${"wall".padStart(12)} ${"GFLOP/s".padStart(8)} ` +
      `${"per core".padStart(9)} ${"of limit".padStart(9)}`,
  );
  for (const { name, flops, command } of benchmarks) {
    const { wall, cores } = await time(device, command);
    const perCore = flops / cores / 1e6;
    console.log(
      `${name.padEnd(48)} ${wall.toFixed(3).padStart(9)} ms ` +
        `${(flops / wall / 1e6).toFixed(1).padStart(8)} ${perCore.toFixed(1).padStart(9)} ` +
        `${(100 * perCore / peak).toFixed(0).padStart(7)} %`,
    );
  }
  await device.close();
}

/** Time of one prepared call, as a sampling worker makes it: 20 rows through the point policy. */
function benchmarkCall(rows: number): void {
  const cpu = new CpuInstance({ simd });
  const spec = {
    ...{ obsDim: 4, actDim: 2, hiddenSizes: [64, 64], activation: "tanh" as const, learnStd: true },
    film: null,
  };
  const offsets = cpu.tensor("offsets", [2], "u32");
  cpu.view(offsets)[1] = rows;
  const run = cpu.prepare({
    ...{ kernel: "policy_forward", spec, modulation: null, maxSamplesPerTask: rows, offsets },
    params: cpu.tensor("params", [1, policyLayout(spec).size]),
    obs: cpu.tensor("obs", [rows, 4]),
    mean: cpu.tensor("mean", [rows, 2]),
  });
  const calls = 20000;
  let best = Infinity;
  for (let i = 0; i < 6; i++) {
    const start = performance.now();
    for (let call = 0; call < calls; call++) run();
    best = Math.min(best, performance.now() - start);
  }
  console.log(
    `prepared policy_forward, ${rows} rows: ${(1000 * best / calls).toFixed(2)} us a call`,
  );
}

for (const rows of [1, 20]) benchmarkCall(rows);
for (const threads of [1, 2]) await benchmarkDevice(threads);
