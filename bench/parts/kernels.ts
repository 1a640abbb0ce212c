/**
 * Every kernel in GFLOP/s on every device, beside the device's limit; those that only move memory
 * in GB/s, read and written.
 *
 * "per core" divides by the processor time of all threads instead of the time on the wall: it hardly
 * changes when other programs want the same cores. The share of the limit is that of one core, turn
 * by turn, also of a software adapter; on a GPU that of the whole device.
 */
import process from "node:process";
import { CpuDevice } from "../../src/compute/cpu/cpu_device.ts";
import { CpuInstance } from "../../src/compute/cpu/cpu_instance.ts";
import { kernelModule } from "../../src/compute/cpu/kernel_module.ts";
import type { Device } from "../../src/compute/device.ts";
import { policyLayout, type PolicySpec } from "../../src/compute/layout.ts";
import { describeAdapter } from "../../src/compute/webgpu/adapter.ts";
import { type KernelCase, kernelSuites } from "../kernel_cases.ts";
import { cpuLimit, webGpuLimit } from "../limits.ts";
import { type Effort, ratioOf, type Report, spreadOf, takeTurns } from "../results.ts";
import { openWebGpu, webGpuSubject } from "../devices.ts";

const PART = "kernels";

/** Processor time of this process, all threads together, in milliseconds. */
function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** How a device is measured. */
interface Measured {
  readonly device: Device;
  readonly subject: string;
  /** GFLOP/s of one core, or of a whole GPU. */
  readonly limit: () => Promise<number> | number;
  /** It computes on the processor's cores. */
  readonly onCores: boolean;
  readonly goals: { readonly perCore?: number; readonly total?: number; readonly share?: number };
}

async function measureKernel(
  { device, subject, limit, onCores, goals }: Measured,
  { name, kind, amount, command, result }: KernelCase,
  report: Report,
  effort: Effort,
): Promise<void> {
  const perCore: number[] = [];
  const run = async () => {
    const start = performance.now(), used = processorTime();
    await device.submit([command]);
    await device.read(result);
    const wall = performance.now() - start;
    perCore.push(amount / (processorTime() - used) / 1e6);
    return amount / wall / 1e6;
  };
  if (kind === "elements") {
    const { kernel } = await takeTurns({ kernel: run }, effort);
    report.figure(PART, name, subject, "GB/s", kernel);
    return;
  }
  const turns = await takeTurns({ kernel: run, limit }, effort);
  perCore.shift(); // the first call's
  report.figure(PART, name, subject, "GFLOP/s", turns.kernel);
  if (onCores) report.figure(PART, `${name}, per core`, subject, "GFLOP/s", perCore);
  const reached = onCores ? perCore : turns.kernel;
  report.ratio(PART, `${name}: ${subject} / limit`, ratioOf(reached, turns.limit), goals.share);
  if (goals.perCore !== undefined) {
    report.goal(PART, `${name}: ${subject}, per core`, spreadOf(perCore), goals.perCore);
  }
  if (goals.total !== undefined) {
    report.goal(PART, `${name}: ${subject}`, spreadOf(turns.kernel), goals.total);
  }
}

async function measureDevice(measured: Measured, report: Report, effort: Effort): Promise<void> {
  const { device, subject, limit, onCores } = measured;
  report.print(`  ${device.description}`);
  const limits = await takeTurns({ limit }, effort);
  const name = `multiply-adds on registers${onCores ? ", one core" : ""}`;
  report.figure(PART, name, subject, "GFLOP/s", limits.limit);
  for (const suite of kernelSuites(device, effort.quick)) {
    for (const kernel of suite.open()) await measureKernel(measured, kernel, report, effort);
    suite.close();
  }
  await device.close();
}

/** Time of one prepared call, as a sampling worker makes it for each control step. */
async function measureCall(rows: number, report: Report, effort: Effort): Promise<void> {
  const cpu = new CpuInstance();
  const spec: PolicySpec = {
    ...{ obsDim: 4, actDim: 2, hiddenSizes: [64, 64], learnStd: true, film: null },
    activation: "tanh",
  };
  const offsets = cpu.tensor("offsets", [2], "u32");
  cpu.view(offsets)[1] = rows;
  const run = cpu.prepare({
    kernel: "policy_forward",
    ...{ spec, modulation: null, maxSamplesPerTask: rows, offsets },
    params: cpu.tensor("params", [1, policyLayout(spec).size]),
    obs: cpu.tensor("obs", [rows, 4]),
    mean: cpu.tensor("mean", [rows, 2]),
  });
  const calls = 5000;
  const { call } = await takeTurns({
    call: () => {
      const start = performance.now();
      for (let i = 0; i < calls; i++) run();
      return 1000 * (performance.now() - start) / calls;
    },
  }, effort);
  report.figure(PART, `prepared policy_forward, ${rows} rows`, "cpu, in the thread", "us", call);
}

export async function benchKernels(report: Report, effort: Effort): Promise<void> {
  const best = kernelModule().simd;
  const cores = navigator.hardwareConcurrency;
  for (const simd of best === "relaxed" ? ["relaxed", "plain"] as const : ["plain"] as const) {
    for (const threads of simd === best ? [...new Set([1, cores])] : [cores]) {
      const device = await CpuDevice.create({ threads, simd });
      const subject = `cpu ${simd}, ${threads} thread${threads > 1 ? "s" : ""}`;
      const goals = simd === best ? { share: 0.5, perCore: 40 } : { share: 0.5 };
      const limit = cpuLimit(simd);
      await measureDevice({ device, subject, limit, onCores: true, goals }, report, effort);
    }
  }
  for (const rows of [1, 20]) await measureCall(rows, report, effort);
  const device = await openWebGpu(report, PART);
  if (device === null) return;
  const { isSoftware } = describeAdapter(device.gpuDevice.adapterInfo);
  const goals = isSoftware ? { total: 20 } : { share: 0.3 };
  const limit = webGpuLimit(device, isSoftware ? processorTime : undefined);
  const subject = webGpuSubject(device);
  await measureDevice({ device, subject, limit, onCores: isSoftware, goals }, report, effort);
}
