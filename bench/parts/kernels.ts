/**
 * Every kernel in GFLOP/s on every device, beside the device's limit; those that only move memory
 * in GB/s, read and written.
 *
 * "per core" divides by the processor time of all threads instead of the time on the wall: it hardly
 * changes when other programs want the same cores. The share of the limit is that of one core, turn
 * by turn, also of a software adapter; on a GPU that of the whole device.
 */
import { CpuDevice } from "../../src/compute/cpu/cpu_device.ts";
import { CpuInstance } from "../../src/compute/cpu/cpu_instance.ts";
import { kernelModule } from "../../src/compute/cpu/kernel_module.ts";
import { policyLayout, type PolicySpec } from "../../src/compute/layout.ts";
import { type KernelCase, kernelSuites } from "../kernel_cases.ts";
import { cpuLimit, webGpuLimit } from "../limits.ts";
import { processorTime, timed } from "../clock.ts";
import { openWebGpu, type Subject } from "../devices.ts";
import { type Choice, type Effort, ratioOf, type Report, spreadOf, takeTurns } from "../results.ts";

const PART = "kernels";

/** How a device is measured. */
interface Measured extends Subject {
  /** GFLOP/s of one core, or of a whole GPU. */
  readonly limit: () => Promise<number> | number;
  readonly goals: { readonly perCore?: number; readonly total?: number; readonly share?: number };
}

async function measureKernel(
  { device, subject, limit, onCores, goals }: Measured,
  { name, kind, amount, command, result }: KernelCase,
  report: Report,
  effort: Effort,
): Promise<void> {
  const kernel = timed(async () => {
    await device.submit([command]);
    await device.read(result);
  });
  if (kind === "elements") {
    const took = (await takeTurns({ kernel }, effort)).kernel;
    report.figure(PART, name, subject, "GB/s", took.map(({ ms }) => amount / ms / 1e6));
    return;
  }
  const turns = await takeTurns({ kernel, limit }, effort);
  const speed = turns.kernel.map(({ ms }) => amount / ms / 1e6);
  const perCore = turns.kernel.map(({ processorMs }) => amount / processorMs / 1e6);
  report.figure(PART, name, subject, "GFLOP/s", speed);
  if (onCores) report.figure(PART, name, `${subject}, per core`, "GFLOP/s", perCore);
  const share = ratioOf(onCores ? perCore : speed, turns.limit);
  const { share: goal } = goals;
  report.ratio(PART, name, `${subject} / limit`, share, goal === undefined ? {} : { goal });
  if (goals.perCore !== undefined) {
    report.goal(PART, name, `${subject}, per core`, spreadOf(perCore), goals.perCore);
  }
  if (goals.total !== undefined) {
    report.goal(PART, name, subject, spreadOf(speed), goals.total);
  }
}

async function measureDevice(
  measured: Measured,
  report: Report,
  effort: Effort,
  { wants }: Choice,
): Promise<void> {
  const { device, subject, limit, onCores } = measured;
  report.print(`  ${device.description}`);
  const name = `multiply-adds on registers${onCores ? ", one core" : ""}`;
  if (wants(name)) {
    const limits = await takeTurns({ limit }, effort);
    report.figure(PART, name, subject, "GFLOP/s", limits.limit);
  }
  for (const suite of kernelSuites(device, effort.quick)) {
    for (const kernel of suite.open()) {
      if (wants(kernel.name)) await measureKernel(measured, kernel, report, effort);
    }
    suite.close();
  }
  await device.close();
}

/** Time of one prepared call, as a sampling worker makes it for each control step. */
async function measureCall(
  rows: number,
  report: Report,
  effort: Effort,
  { wants }: Choice,
): Promise<void> {
  const name = `prepared policy_forward, ${rows} rows`;
  if (!wants(name)) return;
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
  report.figure(PART, name, "cpu, in the thread", "us", call);
}

export async function benchKernels(
  report: Report,
  effort: Effort,
  choice: Choice,
): Promise<void> {
  const best = kernelModule().simd;
  const cores = navigator.hardwareConcurrency;
  for (const simd of best === "relaxed" ? ["relaxed", "plain"] as const : ["plain"] as const) {
    for (const threads of simd === best ? [...new Set([1, cores])] : [cores]) {
      const device = await CpuDevice.create({ threads, simd });
      const subject = `cpu ${simd}, ${threads} thread${threads > 1 ? "s" : ""}`;
      const goals = simd === best ? { share: 0.5, perCore: 40 } : { share: 0.5 };
      const limit = cpuLimit(simd);
      const measured = { device, subject, limit, onCores: true, goals };
      await measureDevice(measured, report, effort, choice);
    }
  }
  for (const rows of [1, 20]) await measureCall(rows, report, effort, choice);
  const webgpu = await openWebGpu(report, PART);
  if (webgpu === null) return;
  const { device, onCores } = webgpu;
  const goals = onCores ? { total: 20 } : { share: 0.3 };
  const limit = webGpuLimit(device, onCores ? processorTime : undefined);
  await measureDevice({ ...webgpu, limit, goals }, report, effort, choice);
}
