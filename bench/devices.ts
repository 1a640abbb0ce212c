/** Devices that may not be there. */
import { describeAdapter, probeAdapter } from "../src/compute/webgpu/adapter.ts";
import { WebGpuDevice } from "../src/compute/webgpu/webgpu_device.ts";
import type { Report } from "./results.ts";

/** The WebGPU device; `null`, and a line in the report, where there is none. */
export async function openWebGpu(report: Report, part: string): Promise<WebGpuDevice | null> {
  const adapter = await probeAdapter();
  if (adapter === null) {
    report.missing(part, "webgpu", "no adapter was found");
    return null;
  }
  if (adapter.isSoftware) {
    const { description, device } = adapter;
    const name = `${device} ${description}`.trim();
    report.missing(part, "GPU", `none was found, webgpu is the software driver ${name}`);
  }
  return await WebGpuDevice.create();
}

/** How a WebGPU device is called in the table. */
export function webGpuSubject(device: WebGpuDevice): string {
  const { isSoftware } = describeAdapter(device.gpuDevice.adapterInfo);
  return isSoftware ? "webgpu, software driver" : "webgpu";
}
