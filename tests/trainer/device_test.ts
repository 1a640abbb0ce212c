/** The same configuration on the CPU and on the GPU backend, and without an adapter. */
import assert from "node:assert/strict";
import { gpuTest } from "../compute/webgpu_support.ts";
import { lacks } from "../permissions.ts";
import { tinyConfig, train } from "./tiny.ts";

// Both backends compute in float32. After two iterations with four outer steps of Adam, whose
// first steps turn rounding noise in tiny gradients into full steps, returns differ by far less
// than a thousandth; losses are means of cancelling terms, so they are compared absolutely.
const RELATIVE = 1e-3;
const ABSOLUTE = 1e-3;

const workerTest = lacks("read") ? Deno.test.ignore : gpuTest;

for (const algorithm of ["mmaml", "promp"] as const) {
  workerTest(`${algorithm} gives the same numbers on webgpu and on cpu`, async () => {
    const rows = [];
    for (const device of ["cpu", "webgpu"]) {
      const { writer, notices } = await train(algorithm, tinyConfig({ device }));
      assert.match(writer.device, new RegExp(`^${device}: `));
      assert.match(notices[0], /as asked for$/);
      rows.push(writer.results());
    }
    const [cpu, webgpu] = rows;
    assert.equal(webgpu.length, 2);
    // Before any outer step all numbers come from the sampling workers: equal to the bit.
    assert.equal(webgpu[0]["Step_2-AverageReturn"], cpu[0]["Step_2-AverageReturn"]);
    for (const [i, row] of webgpu.entries()) {
      for (const [name, value] of Object.entries(row)) {
        const expected = cpu[i][name]!;
        const difference = Math.abs(value! - expected);
        assert(
          difference <= ABSOLUTE + RELATIVE * Math.abs(expected),
          `${name} of iteration ${i}: ${value} on webgpu, ${expected} on cpu`,
        );
      }
    }
    assert.notEqual(webgpu[1]["LossAfter"], 0);
  });
}

workerTest("device auto measures both devices and says what it took and why", async () => {
  const { notices } = await train("promp", tinyConfig({ n_itr: 1, device: "auto" }));
  assert.equal(notices.length, 1);
  assert.match(
    notices[0],
    /^device: (cpu|webgpu): .* because a gradient of 5 tasks takes [\d.]+ ms, and [\d.]+ ms on (cpu|webgpu): /,
  );
});
