/**
 * Run by `soak.ts` in a process of its own: `soak_run.ts DEVICE ITERATIONS FOLDER` trains and prints
 * an object of what it holds every 100 iterations, and one of times at the end. Needs
 * `--v8-flags=--expose-gc`: what nobody holds any more is no growth.
 *
 * Episodes end at different times and the clip range shrinks every iteration, so that sizes and
 * coefficients of the kernels are other ones in each.
 */
import { WebGpuDevice } from "../../src/compute/webgpu/webgpu_device.ts";
import { CpuDevice } from "../../src/compute/cpu/cpu_device.ts";
import { liveHandles } from "../../src/envs/mujoco/runtime.ts";
import { RunDir } from "../../src/run/run_dir.ts";
import { trainMeta } from "../../src/trainer/meta_trainer.ts";
import { PARAMS } from "../run/sample_run.ts";
import { tinyConfig } from "../trainer/tiny.ts";

const [device, iterations, folder] = Deno.args;

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
    simulations: liveHandles.simulations,
  };
}

const config = tinyConfig({
  env: "HopperRandParamsEnv",
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
    if ((iteration + 1) % 100 === 0) {
      console.log(JSON.stringify({ done: iteration + 1, ...held() }));
    }
  },
  onNotice: (line) => console.error(line),
});
console.log(JSON.stringify({ seconds, ticks, machine }));
