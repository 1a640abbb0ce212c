/**
 * Run by `soak.ts` in a process of its own: `soak_run.ts DEVICE ENV ITERATIONS EVERY FOLDER` trains
 * and prints an object of what it holds every EVERY iterations, and one of times at the end. Needs
 * `--v8-flags=--expose-gc`: what nobody holds any more is no growth.
 *
 * The clip range shrinks every iteration, and where episodes end at different times (the hopper
 * falls), so do sizes: coefficients and sizes of the kernels are other ones in each.
 */
import { WebGpuDevice } from "../../src/compute/webgpu/webgpu_device.ts";
import { CpuDevice } from "../../src/compute/cpu/cpu_device.ts";
import { RunDir } from "../../src/run/run_dir.ts";
import { trainMeta } from "../../src/trainer/meta_trainer.ts";
import { SamplerPool } from "../../src/trainer/sampler_pool.ts";
import type { WorkerMemory } from "../../src/trainer/sampler_protocol.ts";
import { PARAMS } from "../run/sample_run.ts";
import { tinyConfig } from "../trainer/tiny.ts";

const [device, env, iterations, every, folder] = Deno.args;

/** Devices that the trainer opens. */
const devices: (WebGpuDevice | CpuDevice)[] = [];
const { create: createWebGpu } = WebGpuDevice, { create: createCpu } = CpuDevice;
WebGpuDevice.create = async (options) => {
  const made = await createWebGpu.call(WebGpuDevice, options);
  devices.push(made);
  return made;
};
CpuDevice.create = async (options) => {
  const made = await createCpu.call(CpuDevice, options);
  devices.push(made);
  return made;
};

/** What the sampling workers held of MuJoCo at the end of the last jobs, the most by kind. */
let inWorkers: WorkerMemory = { models: 0, simulations: 0, mujocoBytes: 0 };
const { run: runPool } = SamplerPool.prototype;
SamplerPool.prototype.run = async function (...round) {
  const reports = await runPool.apply(this, round);
  const most = (pick: (held: WorkerMemory) => number) =>
    Math.max(...reports.map(({ held }) => pick(held)));
  inWorkers = {
    models: most(({ models }) => models),
    simulations: most(({ simulations }) => simulations),
    mujocoBytes: most(({ mujocoBytes }) => mujocoBytes),
  };
  return reports;
};

/** Resident size in MiB and number of threads. */
function processStatus(): { resident: number; threads: number } {
  const status = Deno.readTextFileSync("/proc/self/status");
  const number = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)![1]);
  return { resident: number("VmRSS") / 1024, threads: number("Threads") };
}

/** Processor time of all threads, in ticks of the kernel (10 ms). */
function processorTicks(): number {
  const fields = Deno.readTextFileSync("/proc/self/stat").split(") ")[1].split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

/** Ticks that the whole machine was busy, and all ticks of its processors. */
function machineTicks(): [busy: number, all: number] {
  const [line] = Deno.readTextFileSync("/proc/stat").split("\n");
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number);
  const all = ticks.reduce((sum, x) => sum + x, 0);
  // idle, and idle while waiting for a disk
  return [all - ticks[3] - ticks[4], all];
}

const { gc: collectGarbage } = globalThis as unknown as { gc(): void };

function held() {
  collectGarbage();
  const [opened] = devices;
  const buffers = opened instanceof WebGpuDevice
    ? opened.liveBuffers
    : { count: opened.liveTensors, bytes: opened.bytesUsed };
  return {
    ...processStatus(),
    heap: Deno.memoryUsage().heapUsed / 2 ** 20,
    files: [...Deno.readDirSync("/proc/self/fd")].length,
    buffers: buffers.count,
    bufferBytes: buffers.bytes,
    ...inWorkers,
  };
}

const config = tinyConfig({
  env,
  meta_batch_size: 3,
  rollouts_per_meta_task: 2,
  max_path_length: 30,
  anneal_factor: 0.9999,
  learning_rate: 1e-4,
  adaptive_inner_kl_penalty: true,
  target_inner_step: 1e-3,
  save_steps: 10,
  n_itr: Number(iterations),
  device,
});
const seconds: number[] = [];
const ticks: number[] = [];
const machine: [number, number][] = [];
using writer = await RunDir.create(folder, PARAMS);
await trainMeta({
  algorithm: "mmaml",
  config,
  writer,
  resume: null,
  init: null,
  workers: 2,
  stop: new AbortController().signal,
}, {
  onIteration({ iteration, seconds: taken }) {
    seconds.push(taken);
    ticks.push(processorTicks());
    machine.push(machineTicks());
    if ((iteration + 1) % Number(every) === 0) {
      console.log(JSON.stringify({ done: iteration + 1, ...held() }));
    }
  },
  onNotice: (line) => console.error(line),
});
console.log(JSON.stringify({ seconds, ticks, machine }));
