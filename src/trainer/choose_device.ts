/**
 * Which device the learner runs on. `auto` measures the kernel that training spends its time in,
 * at the shapes of the run, on the CPU and on a GPU, and says what it took and why.
 */
import type { MetaObjectiveSpec } from "../algos/meta_objective.ts";
import { CpuDevice } from "../compute/cpu/cpu_device.ts";
import type { Device, Tensor } from "../compute/device.ts";
import { policyLayout } from "../compute/layout.ts";
import { probeAdapter } from "../compute/webgpu/adapter.ts";
import type { RunConfig } from "../config/schema.ts";

/** Tasks that are measured; enough to fill a GPU of a laptop, few enough to be quick. */
const MEASURED_TASKS = 8;
const REPETITIONS = 3;

async function openWebGpu(): Promise<Device> {
  const { WebGpuDevice } = await import("../compute/webgpu/webgpu_device.ts");
  return await WebGpuDevice.create();
}

/** Median seconds of one surrogate gradient for some of the run's tasks, compilation left out. */
export async function measureDevice(device: Device, spec: MetaObjectiveSpec): Promise<number> {
  const tasks = Math.min(spec.tasks, MEASURED_TASKS);
  const perTask = spec.slots * spec.sequenceLength;
  const samples = tasks * perTask;
  const { obsDim, actDim } = spec.policy;
  const size = policyLayout(spec.policy).size;
  const owned: Tensor[] = [];
  const tensor = (label: string, shape: number[], type?: "u32") => {
    const made = device.tensor(label, shape, type);
    owned.push(made);
    return made;
  };
  try {
    const offsets = tensor("offsets", [tasks + 1], "u32");
    device.write(offsets, Array.from({ length: tasks + 1 }, (_, m) => m * perTask));
    const stats = tensor("stats", [tasks, 2]);
    const commands = [{
      kernel: "surrogate_gradient",
      spec: spec.policy,
      params: tensor("params", [tasks, size]),
      modulation: null,
      samples: {
        obs: tensor("obs", [samples, obsDim]),
        actions: tensor("actions", [samples, actDim]),
        advantages: tensor("advantages", [samples]),
        oldMean: tensor("old mean", [samples, actDim]),
        oldLogStd: tensor("old log std", [samples, actDim]),
        offsets,
        maxSamplesPerTask: perTask,
      },
      clipEps: null,
      minLogStd: null,
      gradParams: tensor("gradient", [tasks, size]),
      gradModulation: null,
      stats,
    }] as const;
    const seconds: number[] = [];
    for (let repetition = 0; repetition <= REPETITIONS; repetition++) {
      const start = performance.now();
      await device.submit(commands);
      await device.read(stats);
      seconds.push((performance.now() - start) / 1000);
    }
    // The first one compiles.
    return seconds.slice(1).sort((a, b) => a - b)[Math.floor(REPETITIONS / 2)];
  } finally {
    for (const made of owned) device.free(made);
  }
}

/** What `auto` compares devices by. */
export interface DeviceMeasure {
  /** What is measured, as the subject of a sentence: "a gradient of 8 tasks". */
  readonly what: string;
  /** Seconds that it takes on a device, compilation left out. */
  measure(device: Device): Promise<number>;
}

/** The faster of two devices; the other one is closed. `notice` gets a line that says why. */
export async function takeFaster(
  devices: readonly [Device, Device],
  { what, measure }: DeviceMeasure,
  notice: (line: string) => void,
): Promise<Device> {
  const times = [await measure(devices[0]), await measure(devices[1])];
  const [taken, other] = times[0] <= times[1] ? devices : [devices[1], devices[0]];
  const milliseconds = (seconds: number) => `${(1000 * seconds).toFixed(1)} ms`;
  notice(
    `device: ${taken.description}, because ${what} takes ${milliseconds(Math.min(...times))}, ` +
      `and ${milliseconds(Math.max(...times))} on ${other.description}`,
  );
  await other.close();
  return taken;
}

/**
 * Opens the device that was asked for. With `auto` a GPU that is software is not measured: it runs
 * on the same cores as the cpu backend, several times as slow, and compiles for seconds.
 *
 * @param threads of the `cpu` device; changes no result
 * @param notice receives one line that says what was taken and why
 * @throws RunError `no-adapter` where `webgpu` was asked for and there is none
 */
export async function chooseDeviceFor(
  choice: RunConfig["device"],
  measure: DeviceMeasure,
  threads: number,
  notice: (line: string) => void,
): Promise<Device> {
  if (choice !== "auto") {
    const device = choice === "cpu" ? await CpuDevice.create({ threads }) : await openWebGpu();
    notice(`device: ${device.description}, as asked for`);
    return device;
  }
  const [adapter, cpu] = await Promise.all([probeAdapter(), CpuDevice.create({ threads })]);
  if (adapter === null || adapter.isSoftware) {
    const why = adapter === null ? "there is no WebGPU adapter" : "the WebGPU adapter is software";
    notice(`device: ${cpu.description}, because ${why}`);
    return cpu;
  }
  return await takeFaster([cpu, await openWebGpu()], measure, notice);
}

/** The device of a run of ProMP or MMAML, see {@link chooseDeviceFor}. */
export function chooseDevice(
  choice: RunConfig["device"],
  spec: MetaObjectiveSpec,
  threads: number,
  notice: (line: string) => void,
): Promise<Device> {
  const what = `a gradient of ${Math.min(spec.tasks, MEASURED_TASKS)} tasks`;
  const measure = (device: Device) => measureDevice(device, spec);
  return chooseDeviceFor(choice, { what, measure }, threads, notice);
}
