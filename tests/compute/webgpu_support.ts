/**
 * Tests that need a WebGPU adapter. Without one they are ignored and their number is printed;
 * with METARL_REQUIRE_GPU=1 (the checks set it) they fail instead.
 */
import { probeAdapter } from "../../src/compute/webgpu/adapter.ts";
import { WebGpuDevice, type WebGpuOptions } from "../../src/compute/webgpu/webgpu_device.ts";
import { ReferenceDevice } from "../../src/compute/reference/reference_device.ts";
import { SOFTWARE_PROFILE, type TileProfile } from "../../src/compute/webgpu/profile.ts";
import { assertKernel, type KernelCase } from "./compare.ts";
import { lacks } from "../permissions.ts";

const adapter = await probeAdapter();
const required = !lacks("env") && Deno.env.get("METARL_REQUIRE_GPU") === "1";
let skipped = 0;

if (adapter === null) {
  addEventListener("unload", () => {
    if (!required) {
      console.log(`${skipped} GPU tests skipped: no WebGPU adapter was found`);
    }
  });
}

/** A test that runs on a WebGPU adapter. */
export function gpuTest(name: string, body: () => Promise<void>): void {
  const ignore = adapter === null && !required;
  if (ignore) skipped++;
  Deno.test(name, { ignore }, async () => {
    if (adapter === null) {
      throw new Error("METARL_REQUIRE_GPU=1, but there is no WebGPU adapter");
    }
    await body();
  });
}

/** Holds a device of the given profile against the reference in all cases. */
export async function compareOnGpu(
  cases: readonly KernelCase[],
  profile: TileProfile = SOFTWARE_PROFILE,
): Promise<void> {
  const reference = new ReferenceDevice();
  await withGpu(async (device) => {
    for (const kernelCase of cases) await assertKernel(device, reference, kernelCase);
  }, { profile });
}

/** Opens a device, hands it over and closes it. */
export async function withGpu(
  use: (device: WebGpuDevice) => Promise<void>,
  options: WebGpuOptions = {},
): Promise<void> {
  const device = await WebGpuDevice.create(options);
  try {
    await use(device);
  } finally {
    await device.close();
  }
}
