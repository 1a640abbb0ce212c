/** Cpu devices for tests, and whole lists of cases on them. */
import assert from "node:assert/strict";
import { CpuDevice } from "../../src/compute/cpu/cpu_device.ts";
import { ReferenceDevice } from "../../src/compute/reference/reference_device.ts";
import { assertKernel, type KernelCase } from "./compare.ts";

const reference = new ReferenceDevice();

/** Runs `use` with a device that is closed afterwards. */
export async function withDevice(
  options: Parameters<typeof CpuDevice.create>[0],
  use: (device: CpuDevice) => void | Promise<void>,
): Promise<void> {
  const device = await CpuDevice.create(options);
  try {
    await use(device);
  } finally {
    await device.close();
  }
}

/** Fails where the cases do; also where they leave tensors behind. */
export async function assertKernels(
  device: CpuDevice,
  cases: readonly KernelCase[],
): Promise<void> {
  for (const one of cases) await assertKernel(device, reference, one);
  assert.equal(device.liveTensors, 0);
}
