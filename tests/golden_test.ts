/** All golden fixtures on every backend: what `deno task golden` prints, as a test. */
import assert from "node:assert/strict";
import { CpuDevice } from "../src/compute/cpu/cpu_device.ts";
import type { Device } from "../src/compute/device.ts";
import { ReferenceDevice } from "../src/compute/reference/reference_device.ts";
import { WebGpuDevice } from "../src/compute/webgpu/webgpu_device.ts";
import { readFixtures } from "../src/golden/fixture.ts";
import { runGolden } from "../src/golden/run.ts";
import { gpuTest } from "./compute/webgpu_support.ts";
import { lacks } from "./permissions.ts";

const DIRECTORY = new URL("golden", import.meta.url).pathname;

/** Fails with the rows that failed; a check that compared nothing fails too. */
async function assertGolden(device: Device): Promise<void> {
  try {
    const fixtures = await readFixtures(DIRECTORY);
    const failed: string[] = [];
    let passed = 0;
    for await (const row of runGolden(fixtures, [device])) {
      if (row.status === "pass" && row.tensors > 0) passed++;
      else if (row.status !== "skip") {
        failed.push(`${row.fixture}: ${row.tensor} ${row.error} ${row.note}`);
      }
    }
    assert.deepEqual(failed, []);
    // seven files for kernels, two for sampling, eight robots
    assert.equal(passed, 17);
  } finally {
    await device.close();
  }
}

const [fileTest, fileGpuTest] = lacks("read")
  ? [Deno.test.ignore, Deno.test.ignore]
  : [Deno.test, gpuTest];

fileTest(
  "golden fixtures hold on the reference backend and on the host",
  () => assertGolden(new ReferenceDevice()),
);
fileTest(
  "golden fixtures hold on the cpu backend",
  async () => assertGolden(await CpuDevice.create({ threads: 1 })),
);
fileGpuTest(
  "golden fixtures hold on the webgpu backend",
  async () => assertGolden(await WebGpuDevice.create()),
);

fileTest("golden: a wrong number fails, with the tensor that is wrong", async () => {
  const fixtures = await readFixtures(DIRECTORY);
  const adam = structuredClone(fixtures.find(({ kind }) => kind === "adam")!);
  const { expected } = adam.content as { expected: { pytorch: number[][] } };
  expected.pytorch[2][1] *= 1 + 1e-6;
  for await (const row of runGolden([adam], [new ReferenceDevice()])) {
    assert.equal(row.status, "fail");
    assert.equal(row.tensor, "pytorch step 3");
  }
});
