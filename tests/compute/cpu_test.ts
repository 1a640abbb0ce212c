/**
 * The cpu backend against the float64 reference, and what is its own: threads, memory, errors.
 * Tests that start workers need permission to read the worker's module.
 */
import assert from "node:assert/strict";
import { CpuDevice } from "../../src/compute/cpu/cpu_device.ts";
import { CpuInstance } from "../../src/compute/cpu/cpu_instance.ts";
import type { SimdLevel } from "../../src/compute/cpu/kernel_module.ts";
import type { Device, HostArray, Tensor } from "../../src/compute/device.ts";
import type { Command, PolicyForward } from "../../src/compute/kernels.ts";
import { policyLayout, type PolicySpec } from "../../src/compute/layout.ts";
import { ReferenceDevice } from "../../src/compute/reference/reference_device.ts";
import { RunError } from "../../src/util/errors.ts";
import { lacks } from "../permissions.ts";
import { assertKernels, withDevice } from "./cpu_support.ts";
import {
  edgeCases,
  elementwiseCases,
  encoderBackwardCase,
  encoderForwardCase,
  innerStepPullbackCase,
  policyCases,
  policyForwardCase,
  randomCases,
  runCase,
  surrogateGradientCase,
  testRandom,
} from "./compare.ts";

const reference = new ReferenceDevice();
const SPEC: PolicySpec = {
  obsDim: 4,
  actDim: 2,
  hiddenSizes: [64, 64],
  activation: "tanh",
  learnStd: true,
  film: null,
};

function assertRunError(code: string, message: RegExp): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof RunError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}

for (const simd of ["relaxed", "plain"] satisfies SimdLevel[]) {
  Deno.test(`cpu (${simd}) computes every kernel as the reference does`, async () => {
    await withDevice({ threads: 1, simd }, async (device) => {
      await assertKernels(device, [...elementwiseCases(), ...edgeCases()]);
    });
  });
}

Deno.test("cpu computes every kernel at random sizes as the reference does", async () => {
  await withDevice({ threads: 1 }, (device) => assertKernels(device, randomCases(60)));
});

Deno.test({
  name: "CpuDevice gives the same bits with 1, 2 and 5 threads",
  ignore: lacks("read"),
  fn: async () => {
    const results: HostArray[][][] = [];
    // more chunks than threads, and of very different sizes
    const sizes = { spec: SPEC, counts: [2500, 100, 1030, 7], modulated: false };
    const cases = [...policyCases(sizes, { clipEps: 0.1 }), ...edgeCases(), ...randomCases(4, 2)];
    for (const threads of [1, 2, 5]) {
      await withDevice({ threads }, async (device) => {
        const arrays: HostArray[][] = [];
        for (const { build } of cases) {
          arrays.push((await runCase(device, build)).map(({ data }) => data));
        }
        results.push(arrays);
      });
    }
    assert.deepEqual(results[1], results[0]);
    assert.deepEqual(results[2], results[0]);
  },
});

Deno.test({
  name: "CpuDevice leaves the calling thread free while its threads work",
  ignore: lacks("read"),
  fn: async () => {
    await withDevice({ threads: 2 }, async (device) => {
      const commands = await heavyCommands(device);
      const running = device.submit(commands).then(() => "done");
      const tick = new Promise<string>((resolve) => setTimeout(() => resolve("tick"), 0));
      assert.equal(await Promise.race([running, tick]), "tick");
      await assert.rejects(
        () => device.submit(commands),
        assertRunError("device-busy", /await the last call first/),
      );
      assert.equal(await running, "done");
    });
  },
});

/** Observations or sequences of a command, and how many of their numbers are the first task's. */
function firstInput(command: Command): [Tensor, number] {
  switch (command.kernel) {
    case "encoder_forward":
    case "encoder_backward":
      return [command.sequences, command.sequences.size / command.numPaths.size];
    case "surrogate_gradient":
    case "inner_step_pullback":
      return [command.samples.obs, command.samples.maxSamplesPerTask * command.spec.obsDim];
    case "policy_forward":
      return [command.obs, command.maxSamplesPerTask * command.spec.obsDim];
    default:
      throw new TypeError(`${command.kernel} has no such input`);
  }
}

/** Work for some hundred milliseconds: one gradient, fifty times. */
async function heavyCommands(device: Device): Promise<Command[]> {
  const sizes = { spec: SPEC, counts: Array<number>(8).fill(500), modulated: false };
  const { commands } = await surrogateGradientCase(sizes)(device, testRandom(1));
  return Array<readonly Command[]>(50).fill(commands).flat();
}

/** policy_forward for one task of at most `rows` samples; all tensors zero, offsets too. */
function forwardCommand(device: CpuDevice | CpuInstance, rows: number): PolicyForward {
  return {
    kernel: "policy_forward",
    spec: SPEC,
    params: device.tensor("params", [1, policyLayout(SPEC).size]),
    modulation: null,
    obs: device.tensor("obs", [rows, SPEC.obsDim]),
    offsets: device.tensor("offsets", [2], "u32"),
    maxSamplesPerTask: rows,
    mean: device.tensor("mean", [rows, SPEC.actDim]),
  };
}

for (const threads of [1, 2]) {
  Deno.test({
    name: `CpuDevice.submit() names kernel and sizes where a kernel fails, ${threads} threads`,
    ignore: threads > 1 && lacks("read"),
    fn: async () => {
      await withDevice({ threads }, async (device) => {
        const commands = threads > 1 ? await heavyCommands(device) : [];
        const broken = forwardCommand(device, 20);
        // far outside of the memory, and without samples in between
        device.write(broken.offsets, [2 ** 27, 2 ** 27 + 20]);
        await assert.rejects(
          device.submit([...commands, broken, ...commands]),
          assertRunError("kernel-failed", /policy_forward \(.*obs \[20,4\].* failed: .*bounds/),
        );
        // and goes on working
        const { build } = elementwiseCases()[0];
        assert.deepEqual(await runCase(device, build), await runCase(device, build));
      });
    },
  });
}

Deno.test("CpuDevice keeps NaN visible", async () => {
  await withDevice({ threads: 1 }, async (device) => {
    const sizes = { spec: SPEC, counts: [9], modulated: false };
    for (const name of ["obs", "actions", "advantages", "oldMean", "oldLogStd"] as const) {
      const [grad] = await runCase(device, async (target, random) => {
        const built = await surrogateGradientCase(sizes, { clipEps: 0.1 })(target, random);
        const [command] = built.commands;
        assert.ok(command.kernel === "surrogate_gradient");
        target.write(command.samples[name], [NaN]);
        return built;
      });
      assert.ok(grad.data.some(Number.isNaN), name);
    }
  });
});

Deno.test("CpuDevice keeps a task's NaN out of other tasks and of later commands", async () => {
  const policy = { spec: SPEC, counts: [64, 5], modulated: false };
  const encoder = {
    spec: { inputDim: 3, cellSize: 8, mlpAfterGru: true, mlpAfterPool: false, outputDim: 4 },
    ...{ slots: 6, steps: 7, paths: [6, 6] },
  };
  const large = { ...encoder, spec: { ...encoder.spec, cellSize: 64 }, slots: 8, paths: [8] };
  const builders = [
    policyForwardCase(policy),
    surrogateGradientCase(policy),
    innerStepPullbackCase(policy),
    encoderForwardCase(encoder),
    encoderBackwardCase(encoder),
  ];
  await withDevice({ threads: 1 }, async (device) => {
    for (const build of builders) {
      const clean = await runCase(device, build);
      for (const { label, data } of clean) assert.ok(data.every(Number.isFinite), label);
      const dirty = await runCase(device, async (target, random) => {
        const built = await build(target, random);
        // the first task's whole input
        const [input, size] = firstInput(built.commands[0]);
        target.write(input, new Float32Array(size).fill(NaN));
        return built;
      });
      for (const [i, { label, data }] of dirty.entries()) {
        assert.ok(Number.isNaN(data[0]), label);
        if (label === "encoder gradParams") continue; // one gradient of all tasks
        const second = label === "mean" ? 64 * SPEC.actDim : data.length / 2;
        assert.deepEqual(data.subarray(second), clean[i].data.subarray(second), label);
      }
      // scratch memory full of NaN changes nothing either
      await runCase(device, async (target, random) => {
        const built = await encoderBackwardCase(large)(target, random);
        const [command] = built.commands;
        assert.ok(command.kernel === "encoder_backward");
        for (const input of [command.params, command.sequences]) {
          target.write(input, new Float32Array(input.size).fill(NaN));
        }
        return built;
      });
      assert.deepEqual(await runCase(device, build), clean);
    }
  });
});

Deno.test("CpuDevice.submit() refuses tensors that do not fit the contract", async () => {
  await withDevice({ threads: 1 }, async (device) => {
    const command = forwardCommand(device, 20);
    const cases: [Partial<PolicyForward>, string, RegExp][] = [
      [{ mean: device.tensor("mean", [20, 3]) }, "kernel-arguments", /mean is f32 \[20,3\]/],
      [{ params: device.tensor("p", [1, 7]) }, "kernel-arguments", /wanted f32 \[1,4612\]/],
      [{ offsets: device.tensor("o", [2]) }, "kernel-arguments", /f32 \[2\], wanted u32 \[2\]/],
      [{ modulation: command.mean }, "kernel-arguments", /policy without FiLM/],
      [{ obs: reference.tensor("obs", [20, 4]) }, "foreign-tensor", /obs \[20,4\]/],
    ];
    for (const [change, code, message] of cases) {
      await assert.rejects(
        device.submit([{ ...command, ...change }]),
        assertRunError(code, message),
      );
    }
    await device.submit([command]);
    device.free(command.obs);
    const freed = assertRunError("freed-tensor", /obs \[20,4\]: it was freed before/);
    await assert.rejects(device.submit([command]), freed);
    assert.throws(() => device.free(command.obs), freed);
    assert.throws(
      () => device.write(command.mean, [1, 2], 39),
      assertRunError("tensor-range", /2 numbers at 39 of mean \[20,2\]: it has 40/),
    );
  });
});

Deno.test("CpuDevice.tensor() fails with sizes where memory is short, and frees all of it", async () => {
  await withDevice({ threads: 1, maxBytes: 2 ** 20 }, (device) => {
    const before = device.bytesUsed;
    const small = device.tensor("small", [1000]);
    assert.throws(
      () => device.tensor("obs", [2000, 200]),
      assertRunError("out-of-memory", /1\.5 MiB for obs \[2000,200\]/),
    );
    assert.equal(device.liveTensors, 1);
    device.free(small);
    assert.equal(device.liveTensors, 0);
    assert.equal(device.bytesUsed, before);
  });
});

Deno.test("CpuDevice.close() ends what runs and refuses what follows", async () => {
  const device = await CpuDevice.create({ threads: lacks("read") ? 1 : 2 });
  const commands = await heavyCommands(device);
  const outcome = device.submit(commands).then(() => "done", (error: RunError) => error.code);
  await device.close();
  // one thread is done before it can be closed
  assert.equal(await outcome, device.threads === 1 ? "done" : "device-closed");
  const closed = assertRunError("device-closed", /closed before/);
  await assert.rejects(device.submit(commands), closed);
});

Deno.test("CpuDevice.tensor() is zero where freed memory is used again", async () => {
  await withDevice({ threads: 1 }, async (device) => {
    const used = device.tensor("used", [5]);
    device.view(used).fill(7);
    device.free(used);
    assert.deepEqual(await device.read(device.tensor("new", [5])), new Float32Array(5));
  });
});

Deno.test("CpuInstance.prepare() runs a command again on new data, like the device", async () => {
  const cpu = new CpuInstance();
  const command = forwardCommand(cpu, 20);
  const run = cpu.prepare(command);
  cpu.view(command.offsets)[1] = 20;
  // scratch memory and the memory itself grow after the first command was prepared
  const large = { ...SPEC, hiddenSizes: [300, 300] };
  cpu.prepare({
    ...command,
    spec: large,
    params: cpu.tensor("large", [1, policyLayout(large).size]),
  })();
  cpu.tensor("more", [2 ** 20]);
  for (const seed of [1, 2]) {
    const build = policyForwardCase({ spec: SPEC, counts: [20], modulated: false });
    await withDevice({ threads: 1 }, async (device) => {
      const [expected] = await runCase(device, async (target, random) => {
        const built = await build(target, random);
        const [from] = built.commands;
        assert.ok(from.kernel === "policy_forward");
        cpu.view(command.params).set(await target.read(from.params));
        cpu.view(command.obs).set(await target.read(from.obs));
        return built;
      }, seed);
      run();
      assert.deepEqual(new Float32Array(cpu.view(command.mean)), expected.data);
    });
  }
});

Deno.test("CpuInstance.prepare() checks the command at once", () => {
  const cpu = new CpuInstance();
  const command = { ...forwardCommand(cpu, 20), mean: cpu.tensor("mean", [19, 2]) };
  assert.throws(
    () => cpu.prepare(command),
    assertRunError("kernel-arguments", /Cannot run policy_forward: mean is f32 \[19,2\]/),
  );
});
