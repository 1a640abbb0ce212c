/** The sinusoids: what is reported is what was predicted, and adapting fits the points seen. */
import assert from "node:assert/strict";
import { CpuDevice } from "../../src/compute/cpu/cpu_device.ts";
import { runSine } from "../../src/trainer/famle_sine.ts";

function meanSquare(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0) / a.length;
}

Deno.test("runSine() adapts to the points seen and reports the errors of its predictions", async () => {
  const device = await CpuDevice.create({ threads: 1 });
  try {
    const result = (await runSine(device, { seed: 1, tasks: 5, points: 3 }))!;
    const { test, observed, before, after, training } = result;
    assert.equal(training.length, 5);
    assert.equal(observed.x.length, 3);
    assert.equal(new Set(observed.x).size, 3);
    assert.equal(result.mseBefore, meanSquare(before, test.y));
    assert.equal(result.mseAfter, meanSquare(after, test.y));
    // 1000 steps of Adam on three points leave next to nothing of their error
    observed.x.forEach((x, i) => {
      const at = test.x.indexOf(x);
      assert.equal(observed.y[i], test.y[at]);
      assert.ok(Math.abs(after[at] - observed.y[i]) < 1e-3, `${after[at]} at ${x}`);
    });
    // and there was something to adapt
    const seen = (values: Float64Array) => observed.x.map((x) => values[test.x.indexOf(x)]);
    assert.ok(meanSquare(seen(before), observed.y) > 1e-4);
    assert.equal(device.liveTensors, 0);
  } finally {
    await device.close();
  }
});

Deno.test("runSine() stops where it is asked to", async () => {
  const device = await CpuDevice.create({ threads: 1 });
  try {
    const stop = AbortSignal.abort();
    assert.equal(await runSine(device, { seed: 1, tasks: 3, points: 3, stop }), null);
    assert.equal(device.liveTensors, 0);
  } finally {
    await device.close();
  }
});
