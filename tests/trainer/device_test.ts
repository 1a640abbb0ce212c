/** The same configuration on the CPU and on the GPU backend, and without an adapter. */
import assert from "node:assert/strict";
import type { Device } from "../../src/compute/device.ts";
import { ReferenceDevice } from "../../src/compute/reference/reference_device.ts";
import { probeAdapter } from "../../src/compute/webgpu/adapter.ts";
import { takeFaster } from "../../src/trainer/choose_device.ts";
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

workerTest("device auto does not measure a GPU that is software", async () => {
  const { notices } = await train("promp", tinyConfig({ n_itr: 1, device: "auto" }));
  assert.equal(notices.length, 1);
  const expected = (await probeAdapter())!.isSoftware
    ? /^device: cpu: .*, because the WebGPU adapter is software$/
    : /^device: (cpu|webgpu): .*, because a gradient of 5 tasks takes [\d.]+ ms, and [\d.]+ ms on /;
  assert.match(notices[0], expected);
});

Deno.test("takeFaster() says what it took and why, and closes the other device", async () => {
  const named = (name: string, seconds: number, closed: string[]) => {
    const device = new ReferenceDevice();
    return {
      seconds,
      device: Object.assign(device, {
        ...{ description: name, close: () => Promise.resolve(void closed.push(name)) },
      }),
    };
  };
  for (const [first, second, taken] of [[0.001, 0.0025, "one"], [3, 2, "two"]] as const) {
    const closed: string[] = [], notices: string[] = [];
    const both = [named("one", first, closed), named("two", second, closed)];
    const measure = (device: Device) =>
      Promise.resolve(both.find((each) => each.device === device)!.seconds);
    const devices = [both[0].device, both[1].device] as const;
    const device = await takeFaster(devices, { what: "a test", measure }, (line) => {
      notices.push(line);
    });
    assert.equal(device.description, taken);
    assert.deepEqual(closed, [taken === "one" ? "two" : "one"]);
    if (taken === "two") continue;
    assert.deepEqual(notices, ["device: one, because a test takes 1.0 ms, and 2.5 ms on two"]);
  }
});
