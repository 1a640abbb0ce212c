/** Devices that may not be there. */
import { type AdapterDescription, probeAdapter } from "../src/compute/webgpu/adapter.ts";
import type { Device } from "../src/compute/device.ts";
import { WebGpuDevice } from "../src/compute/webgpu/webgpu_device.ts";
import type { Report } from "./results.ts";

/** A device that takes part. */
export interface Subject<D extends Device = Device> {
  readonly device: D;
  /** What it is called in the table. */
  readonly subject: string;
  /** It computes on the processor's cores. */
  readonly onCores: boolean;
}

/** What an adapter is called; some drivers have a number in place of the device's name. */
export function adapterName({ description, device }: AdapterDescription): string {
  return description || device || "adapter without a name";
}

/** The WebGPU device; `null`, and a line in the report, where there is none. */
export async function openWebGpu(
  report: Report,
  part: string,
): Promise<Subject<WebGpuDevice> | null> {
  const adapter = await probeAdapter();
  if (adapter === null) {
    report.missing(part, "webgpu", "no adapter was found");
    return null;
  }
  const { isSoftware } = adapter;
  if (isSoftware) {
    report.missing(part, "GPU", `none, webgpu is the software driver ${adapterName(adapter)}`);
  }
  return {
    device: await WebGpuDevice.create(),
    subject: isSoftware ? "webgpu, software driver" : "webgpu",
    onCores: isSoftware,
  };
}
