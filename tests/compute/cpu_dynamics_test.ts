/**
 * The dynamics kernels of the cpu backend against the float64 reference, and what is their own:
 * threads, splitting a training over commands, rows that must not touch each other.
 */
import assert from "node:assert/strict";
import { CpuInstance } from "../../src/compute/cpu/cpu_instance.ts";
import type { SimdLevel } from "../../src/compute/cpu/kernel_module.ts";
import type { Device, HostArray, Tensor } from "../../src/compute/device.ts";
import type { Command, DynamicsTrain } from "../../src/compute/kernels.ts";
import { RunError } from "../../src/util/errors.ts";
import { lacks } from "../permissions.ts";
import { assertKernels, withDevice } from "./cpu_support.ts";
import { type BuiltCase, type KernelCase, runCase, testRandom } from "./compare.ts";
import {
  ANT,
  dynamicsEdgeCases,
  dynamicsErrorsCase,
  dynamicsForwardCase,
  dynamicsGradientCase,
  dynamicsPublishedCases,
  dynamicsRolloutCase,
  dynamicsTrainCase,
  randomDynamicsCases,
  REACHER,
  SINE,
} from "./dynamics_cases.ts";

const REWARD = { linear: true, proximity: true, penalty: true };

for (const simd of ["relaxed", "plain"] satisfies SimdLevel[]) {
  for (const threads of [1, 2]) {
    Deno.test({
      name: `cpu (${simd}, ${threads} threads) computes the dynamics kernels as the reference does`,
      ignore: threads > 1 && lacks("read"),
      fn: () =>
        withDevice({ threads, simd }, (device) =>
          assertKernels(device, [
            ...dynamicsEdgeCases(),
            ...dynamicsPublishedCases(),
            ...randomDynamicsCases(15, threads),
          ])),
    });
  }
}

Deno.test("dynamics_gradient of more rows than its work items hold at first", async () => {
  await withDevice({ threads: 1 }, (device) =>
    assertKernels(device, [{
      name: "17,001 rows",
      kernel: "dynamics_gradient",
      build: dynamicsGradientCase({ spec: { ...SINE, hiddenSizes: [5] }, rows: 17_001 }),
    }]));
});

Deno.test({
  name: "CpuDevice gives the same bits of the dynamics kernels with 1, 2 and 5 threads",
  ignore: lacks("read"),
  fn: async () => {
    // more work items than threads, the last ones not full, and enough work to wake threads for
    const rows = { spec: REACHER, rows: 1501 };
    const builders = [
      dynamicsForwardCase(rows),
      dynamicsGradientCase(rows),
      dynamicsErrorsCase(rows),
      dynamicsTrainCase({ ...rows, batchSize: 32, updates: 20 }),
      dynamicsRolloutCase({ spec: REACHER, count: 431, horizon: 5, states: true, reward: REWARD }),
      ...[...dynamicsEdgeCases(), ...randomDynamicsCases(2, 5)].map(({ build }) => build),
    ];
    const results: HostArray[][][] = [];
    for (const threads of [1, 2, 5]) {
      await withDevice({ threads }, async (device) => {
        const arrays: HostArray[][] = [];
        for (const build of builders) {
          arrays.push((await runCase(device, build)).map(({ data }) => data));
        }
        results.push(arrays);
      });
    }
    assert.deepEqual(results[1], results[0]);
    assert.deepEqual(results[2], results[0]);
  },
});

/** `CpuInstance` behind the interface that cases are built with. */
function instanceDevice(cpu: CpuInstance): Device {
  return {
    kind: "cpu",
    description: "CpuInstance",
    tensor: (label, shape, type) => cpu.tensor(label, shape, type),
    write: (tensor, data, offset) => cpu.view(tensor).set(data, offset),
    submit: (commands) => {
      for (const command of commands) cpu.run(command);
      return Promise.resolve();
    },
    read: (tensor) => {
      const view = cpu.view(tensor);
      return Promise.resolve(
        view instanceof Uint32Array ? new Uint32Array(view) : new Float32Array(view),
      );
    },
    free: (tensor) => cpu.free(tensor),
    close: () => Promise.resolve(),
  };
}

Deno.test("CpuInstance computes the dynamics kernels as CpuDevice does", async () => {
  const instance = instanceDevice(new CpuInstance());
  await withDevice({ threads: 1 }, async (device) => {
    for (const { name, build } of randomDynamicsCases(4, 9)) {
      assert.deepEqual(await runCase(instance, build), await runCase(device, build), name);
    }
  });
});

/** The case's only command, which must be a training. */
function trainOf({ commands: [command] }: BuiltCase): DynamicsTrain {
  assert.ok(command.kernel === "dynamics_train");
  return command;
}

for (const optimizer of ["sgd", "adam"] as const) {
  Deno.test(`dynamics_train (${optimizer}) in two commands gives the bits of one`, async () => {
    const build = dynamicsTrainCase({
      ...{ spec: REACHER, rows: 40, batchSize: 8, updates: 9 },
      ...(optimizer === "adam" ? { adam: { flavour: "pytorch", firstStep: 4 } } : {}),
    });
    await withDevice({ threads: 1 }, async (device) => {
      const whole = await runCase(device, build);
      const split = await runCase(device, async (target, random) => {
        const built = await build(target, random);
        const command = trainOf(built);
        const order = await target.read(command.order);
        let done = 0;
        const commands = [4, 5].map((updates): DynamicsTrain => {
          const part = {
            order: target.tensor("order", [updates * 8], "u32"),
            losses: target.tensor("losses", [updates]),
          };
          target.write(part.order, order.subarray(done * 8, (done + updates) * 8));
          const { optimizer } = command;
          const first = done;
          done += updates;
          return {
            ...command,
            ...part,
            optimizer: optimizer.kind === "sgd"
              ? optimizer
              : { ...optimizer, firstStep: optimizer.firstStep + first },
          };
        });
        const outputs = built.outputs.filter(({ label }) => label !== "losses");
        return { ...built, commands, outputs };
      });
      assert.ok(split.length >= 1);
      assert.deepEqual(split, whole.filter(({ label }) => label !== "losses"));
    });
  });
}

Deno.test({
  name: "CpuDevice leaves the calling thread free during a long dynamics_train",
  ignore: lacks("read"),
  fn: async () => {
    await withDevice({ threads: 2 }, async (device) => {
      const sizes = { spec: REACHER, rows: 100, batchSize: 32, updates: 2000 };
      const { commands } = await dynamicsTrainCase(sizes)(device, testRandom(1));
      const running = device.submit(commands).then(() => "done");
      const tick = new Promise<string>((resolve) => setTimeout(() => resolve("tick"), 0));
      assert.equal(await Promise.race([running, tick]), "tick");
      assert.equal(await running, "done");
    });
  },
});

/** A case whose `inputs` (or `sequences`) get NaN in their first `count` numbers. */
function withNaN(
  build: KernelCase["build"],
  name: "inputs" | "sequences" | "params",
  count: number,
): KernelCase["build"] {
  return async (device, random) => {
    const built = await build(device, random);
    const tensor = (built.commands[0] as Command & { readonly [key in typeof name]: Tensor })[name];
    device.write(tensor, new Float32Array(count).fill(NaN));
    return built;
  };
}

Deno.test("CpuDevice keeps the NaN of a row out of other rows, and visible in sums", async () => {
  const rows = { spec: REACHER, rows: 70 };
  const { inputDim: X, outputDim: Y } = REACHER;
  const plan = { spec: REACHER, count: 70, horizon: 3, states: true, reward: REWARD };
  await withDevice({ threads: 1 }, async (device) => {
    const forward = dynamicsForwardCase(rows);
    const [clean] = await runCase(device, forward);
    const [dirty] = await runCase(device, withNaN(forward, "inputs", X));
    assert.ok(dirty.data.subarray(0, Y).every(Number.isNaN));
    assert.deepEqual(dirty.data.subarray(Y), clean.data.subarray(Y));

    const rollout = dynamicsRolloutCase(plan);
    const [returns] = await runCase(device, rollout);
    const actions = 3 * (X - Y);
    const [others] = await runCase(device, withNaN(rollout, "sequences", actions));
    assert.deepEqual(others.data.subarray(1), returns.data.subarray(1));

    for (const build of [dynamicsGradientCase(rows), dynamicsErrorsCase(rows)]) {
      const outputs = await runCase(device, withNaN(build, "inputs", 1));
      assert.ok(outputs.some(({ data }) => data.every(Number.isNaN)));
    }
    const train = dynamicsTrainCase({ ...rows, batchSize: 70, updates: 2 });
    const [, losses] = await runCase(device, withNaN(train, "inputs", X * 70));
    assert.ok(losses.data.every(Number.isNaN));
  });
});

Deno.test("dynamics kernels do not read what earlier commands left in scratch memory", async () => {
  // widths with padding that no kernel writes; of relu, NaN there would not be seen
  const builders = (["relu", "tanh"] as const).flatMap((activation) => {
    const small = { ...REACHER, hiddenSizes: [7, 13, 17], embeddingDim: 3, activation };
    const rows = { spec: small, rows: 37 };
    return [
      dynamicsForwardCase(rows),
      dynamicsGradientCase(rows),
      dynamicsErrorsCase(rows),
      dynamicsTrainCase({ ...rows, batchSize: 5, updates: 2 }),
      dynamicsTrainCase({
        ...{ ...rows, batchSize: 5, updates: 2 },
        adam: { flavour: "pytorch", firstStep: 1 },
      }),
      dynamicsRolloutCase({ spec: small, count: 37, horizon: 3, states: true, reward: REWARD }),
    ];
  });
  const poison = dynamicsGradientCase({ spec: ANT, rows: 300 });
  await withDevice({ threads: 1 }, async (device) => {
    for (const build of builders) {
      const clean = await runCase(device, build);
      for (const { label, data } of clean) assert.ok(data.every(Number.isFinite), label);
      await runCase(device, async (target, random) => {
        const built = await poison(target, random);
        const [command] = built.commands;
        assert.ok(command.kernel === "dynamics_gradient");
        target.write(command.params, new Float32Array(command.params.size).fill(NaN));
        target.write(command.inputs, new Float32Array(command.inputs.size).fill(NaN));
        return built;
      });
      assert.deepEqual(await runCase(device, build), clean);
    }
  });
});

Deno.test("dynamics_rollout refuses a reward with more terms than its arguments hold", async () => {
  await withDevice({ threads: 1 }, async (device) => {
    const sizes = { spec: REACHER, count: 1, horizon: 1, states: false, reward: REWARD };
    const { commands: [command] } = await dynamicsRolloutCase(sizes)(device, testRandom(1));
    assert.ok(command.kernel === "dynamics_rollout");
    const linear = (count: number) => Array(count).fill({ column: 1, weight: 0.5 });
    const rewardOf = (count: number) => ({ linear: linear(count), proximity: null, penalty: null });
    await assert.rejects(
      device.submit([{ ...command, reward: rewardOf(97) }]),
      (error: unknown) =>
        error instanceof RunError && error.code === "kernel-arguments" &&
        /reward has 97 terms, at most 96/.test(error.message),
    );
    // as many as fit: the sum of all
    await device.submit([{ ...command, reward: rewardOf(96) }]);
    const [many] = await device.read(command.returns);
    await device.submit([{ ...command, reward: rewardOf(1) }]);
    const [one] = await device.read(command.returns);
    assert.ok(one !== 0);
    assert.ok(Math.abs(many - 96 * one) <= 1e-5 * Math.abs(many));
  });
});
