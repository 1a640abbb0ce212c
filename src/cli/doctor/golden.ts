/** Kernels and physics against the golden numbers that are part of the program. */
import type { Device, HostArray, Tensor } from "../../compute/device.ts";
import type { Command, KernelName } from "../../compute/kernels.ts";
import { CpuDevice } from "../../compute/cpu/cpu_device.ts";
import { ReferenceDevice } from "../../compute/reference/reference_device.ts";
import { WebGpuDevice } from "../../compute/webgpu/webgpu_device.ts";
import type { Fixture } from "../../golden/fixture.ts";
import { type GoldenRow, runGolden } from "../../golden/run.ts";
import { messageOf } from "../../util/errors.ts";
import type { Finding } from "./finding.ts";

/** A device that also remembers which kernels it was asked for. */
export class RecordingDevice implements Device {
  readonly kind: Device["kind"];
  readonly description: string;
  readonly kernels = new Set<KernelName>();
  readonly #device: Device;

  constructor(device: Device) {
    this.#device = device;
    this.kind = device.kind;
    this.description = device.description;
  }

  tensor(label: string, shape: readonly number[], type?: Tensor["type"]): Tensor {
    return this.#device.tensor(label, shape, type);
  }

  write(tensor: Tensor, data: ArrayLike<number>, offset?: number): void {
    this.#device.write(tensor, data, offset);
  }

  submit(commands: readonly Command[]): Promise<void> {
    for (const { kernel } of commands) this.kernels.add(kernel);
    return this.#device.submit(commands);
  }

  read(tensor: Tensor): Promise<HostArray> {
    return this.#device.read(tensor);
  }

  free(tensor: Tensor): void {
    this.#device.free(tensor);
  }

  close(): Promise<void> {
    return this.#device.close();
  }
}

/** How much of its tolerance a row has used up. */
const strain = ({ error, tolerance }: GoldenRow) => error / tolerance;

function tell({ error, tolerance, fixture }: GoldenRow): string {
  return `error ${error.toExponential(1)} of ${tolerance.toExponential(0)} (${fixture})`;
}

/** One finding out of the rows of a device (or of the host). */
function judge(name: string, what: string, rows: readonly GoldenRow[], advice: string): Finding {
  const failed = rows.filter(({ status }) => status === "fail");
  const tensors = rows.reduce((sum, row) => sum + row.tensors, 0);
  const data = { rows };
  if (failed.length > 0) {
    const [first] = failed;
    const where = first.note === ""
      ? `${tell(first)}: ${first.tensor}`
      : `${first.fixture}: ${first.note}`;
    const detail = `${failed.length} of ${rows.length} golden files differ; ${where}`;
    return { status: "FAILED", name, detail, advice, data };
  }
  const worst = rows.reduce((a, b) => strain(b) > strain(a) ? b : a);
  const detail = `${what}, ${tensors} tensors; ${tell(worst)}`;
  return { status: "ok", name, detail, data };
}

const OPEN = {
  reference: () => Promise.resolve(new ReferenceDevice()),
  cpu: () => CpuDevice.create(),
  webgpu: () => WebGpuDevice.create(),
} as const satisfies Record<Device["kind"], () => Promise<Device>>;

/** What to do where a device computes something else. */
const ADVICE: Readonly<Record<Device["kind"], string>> = {
  reference: "this metarl or the runtime under it is broken: get it again, and report this line",
  cpu: "try another version of Deno (its SIMD decides), --device webgpu, and report this line",
  webgpu: "train with --device cpu, update the GPU's driver, and report this line",
};

/** Every kernel on one device. */
export async function checkKernels(
  kind: Device["kind"],
  fixtures: readonly Fixture[],
): Promise<Finding> {
  const name = `kernels on ${kind}`;
  const advice = ADVICE[kind];
  let device: RecordingDevice;
  try {
    device = new RecordingDevice(await OPEN[kind]());
  } catch (error) {
    return { status: "FAILED", name, detail: messageOf(error), advice };
  }
  try {
    const rows: GoldenRow[] = [];
    for await (const row of runGolden(fixtures, [device])) {
      if (row.backend === kind) rows.push(row);
    }
    const finding = judge(name, `${device.kernels.size} kernels`, rows, advice);
    const data = { ...finding.data, device: device.description, kernels: [...device.kernels] };
    return { ...finding, data };
  } finally {
    await device.close();
  }
}

/** Robots along their golden trajectories, the point mass, sample processing. */
export async function checkHost(fixtures: readonly Fixture[]): Promise<Finding[]> {
  const physics: GoldenRow[] = [];
  const others: GoldenRow[] = [];
  for await (const row of runGolden(fixtures, [])) {
    if (row.backend !== "host") continue;
    (row.fixture.startsWith("physics_") ? physics : others).push(row);
  }
  const advice = "MuJoCo or V8 computes something else here: try another version of Deno, and " +
    "report this line";
  return [
    judge("physics", `${physics.length} robots along golden trajectories`, physics, advice),
    judge("sampling", "point mass, returns and advantages", others, advice),
  ];
}
