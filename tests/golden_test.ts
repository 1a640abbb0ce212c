/** All golden fixtures on every backend: what `deno task golden` prints, as a test. */
import assert from "node:assert/strict";
import { CpuDevice } from "../src/compute/cpu/cpu_device.ts";
import type { SimdLevel } from "../src/compute/cpu/kernel_module.ts";
import type { Device } from "../src/compute/device.ts";
import { ReferenceDevice } from "../src/compute/reference/reference_device.ts";
import { GPU_PROFILE, SOFTWARE_PROFILE } from "../src/compute/webgpu/profile.ts";
import { WebGpuDevice } from "../src/compute/webgpu/webgpu_device.ts";
import { type FixtureKind, readFixtures } from "../src/golden/fixture.ts";
import { runGolden } from "../src/golden/run.ts";
import { gpuTest } from "./compute/webgpu_support.ts";
import { lacks } from "./permissions.ts";

const DIRECTORY = new URL("golden", import.meta.url).pathname;

/** Fixtures for kernels; of the others, two for sampling and eight robots run on the host. */
const DEVICE_KINDS: readonly FixtureKind[] = ["adam", "distributions", "encoder", "famle", "meta"];
const COUNTS = { host: 10, device: 7 };

/** Fails with the rows that failed; a check that compared nothing fails too. */
async function assertGolden(device: Device, host = false): Promise<void> {
  try {
    const all = await readFixtures(DIRECTORY);
    const fixtures = host ? all : all.filter(({ kind }) => DEVICE_KINDS.includes(kind));
    const failed: string[] = [];
    let passed = 0;
    for await (const row of runGolden(fixtures, [device])) {
      if (row.status === "pass" && row.tensors > 0) passed++;
      else if (row.status !== "skip") {
        failed.push(`${row.fixture}: ${row.tensor} ${row.error} ${row.note}`);
      }
    }
    assert.deepEqual(failed, []);
    assert.equal(passed, COUNTS.device + (host ? COUNTS.host : 0));
  } finally {
    await device.close();
  }
}

const [fileTest, fileGpuTest] = lacks("read")
  ? [Deno.test.ignore, Deno.test.ignore]
  : [Deno.test, gpuTest];

fileTest(
  "golden fixtures hold on the reference backend and on the host",
  () => assertGolden(new ReferenceDevice(), true),
);
for (const simd of ["relaxed", "plain"] satisfies SimdLevel[]) {
  for (const threads of [1, 2]) {
    fileTest(
      `golden fixtures hold on the cpu backend (${simd}, ${threads} threads)`,
      async () => assertGolden(await CpuDevice.create({ threads, simd })),
    );
  }
}
for (const profile of [SOFTWARE_PROFILE, GPU_PROFILE]) {
  fileGpuTest(
    `golden fixtures hold on the webgpu backend, kernels for ${profile.name} adapters`,
    async () => assertGolden(await WebGpuDevice.create({ profile })),
  );
}

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
