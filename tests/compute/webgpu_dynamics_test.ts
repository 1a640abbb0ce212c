/**
 * The WGSL kernels of dynamics models against the float64 reference, and what is their own: cuts
 * by loop limits and by command buffers, repeatability, NaN, arguments that need no new kernel.
 */
import assert from "node:assert/strict";
import type { Command, DynamicsRollout } from "../../src/compute/kernels.ts";
import type { DynamicsSpec } from "../../src/compute/layout.ts";
import { ReferenceDevice } from "../../src/compute/reference/reference_device.ts";
import { DEFAULT_LIMITS, dumpDynamicsKernels } from "../../src/compute/webgpu/dump.ts";
import { packRollout } from "../../src/compute/webgpu/dynamics_packing.ts";
import { RolloutTile } from "../../src/compute/webgpu/dynamics_rollout.ts";
import { GPU_PROFILE, SOFTWARE_PROFILE } from "../../src/compute/webgpu/profile.ts";
import type { WebGpuDevice } from "../../src/compute/webgpu/webgpu_device.ts";
import { RunError } from "../../src/util/errors.ts";
import { assertKernel, type CaseBuilder, type KernelCase, runCase } from "./compare.ts";
import {
  dynamicsEdgeCases,
  dynamicsErrorsCase,
  dynamicsGradientCase,
  dynamicsPublishedCases,
  dynamicsRolloutCase,
  dynamicsRolloutKernelCase,
  dynamicsRowCases,
  dynamicsTrainCase,
  dynamicsTrainKernelCase,
  interpolateCase,
  REACHER,
  SINE,
} from "./dynamics_cases.ts";
import { compareOnGpu, gpuTest, withGpu } from "./webgpu_support.ts";

const ALL_PARTS = { linear: true, proximity: true, penalty: true };
const SMALL: DynamicsSpec = {
  ...{ inputDim: 5, outputDim: 3, situations: 3, embeddingDim: 2 },
  ...{ hiddenSizes: [7], activation: "tanh", outputLimit: null },
};
const reference = new ReferenceDevice();

/** The case with another command in place of its own. */
function changed<C extends Command>(
  build: CaseBuilder,
  change: (command: C) => Command,
): CaseBuilder {
  return async (device, random) => {
    const built = await build(device, random);
    return { ...built, commands: [change(built.commands[0] as C)] };
  };
}

gpuTest("dynamics kernels equal the reference", () => compareOnGpu(dynamicsEdgeCases()));

gpuTest(
  "dynamics kernels equal the reference on the published models",
  () => compareOnGpu(dynamicsPublishedCases()),
);

gpuTest("dynamics kernels shaped for GPUs equal the reference", () =>
  compareOnGpu([
    ...dynamicsRowCases({ spec: SMALL, rows: 67 }),
    ...dynamicsRowCases({ spec: REACHER, rows: 70 }),
    dynamicsTrainKernelCase({ spec: REACHER, rows: 50, batchSize: 33, updates: 3 }),
    dynamicsRolloutKernelCase({
      ...{ spec: REACHER, count: 50, horizon: 5, states: true, reward: ALL_PARTS },
    }),
  ], GPU_PROFILE));

gpuTest("chunks of several tiles add up", () =>
  compareOnGpu([
    ...dynamicsRowCases({ spec: SMALL, rows: 200 }),
    dynamicsTrainKernelCase({ spec: SMALL, rows: 90, batchSize: 80, updates: 3 }),
  ], { ...SOFTWARE_PROFILE, targetWorkgroups: 2 }));

gpuTest("a horizon that exceeds the loop limit is cut into launches", async () => {
  const sizes = { spec: SMALL, count: 67, horizon: 10, states: true, reward: ALL_PARTS };
  const kernelCase = dynamicsRolloutKernelCase(sizes);
  const { iterations, iterationsPerUnit } = new RolloutTile({
    ...{ packed: packRollout(SMALL), profile: SOFTWARE_PROFILE, limits: DEFAULT_LIMITS },
    ...{ reward: await rewardOf(kernelCase.build), states: true },
  }).kernel();
  const withLimit = (loopIterations: number, use: (device: WebGpuDevice) => Promise<void>) =>
    withGpu(use, { profile: SOFTWARE_PROFILE, limits: { loopIterations } });
  // steps 0-2, 3-5, 6-8 and 9
  await withLimit(
    iterations + 3 * iterationsPerUnit,
    (device) => assertKernel(device, reference, kernelCase),
  );
  await withLimit(iterations + iterationsPerUnit - 1, (device) =>
    assert.rejects(
      runCase(device, kernelCase.build),
      (error) => error instanceof RunError && error.code === "loop-limit",
    ));
});

gpuTest("a thousand updates are one command", () =>
  withGpu(async (device) => {
    // more launches than one command buffer holds
    const sizes = { spec: { ...SMALL, hiddenSizes: [3] }, rows: 40, batchSize: 8, updates: 1100 };
    const build = changed(dynamicsTrainCase(sizes), (command) => {
      assert.ok(command.kernel === "dynamics_train");
      return { ...command, optimizer: { kind: "sgd", lr: 1e-5 } };
    });
    await assertKernel(device, reference, { kernel: "dynamics_train", name: "long", build });
  }));

gpuTest(
  "a training command submitted again goes on from where it was",
  () =>
    withGpu(async (device) => {
      const sizes = { spec: SMALL, rows: 20, batchSize: 4, updates: 3 };
      const twice = (build: CaseBuilder): CaseBuilder => async (target, random) => {
        const built = await build(target, random);
        return { ...built, commands: [...built.commands, ...built.commands] };
      };
      const build = twice(dynamicsTrainCase(sizes));
      await assertKernel(device, reference, { kernel: "dynamics_train", name: "twice", build });
    }),
);

gpuTest("dynamics results are the same bits every time", () =>
  withGpu(async (device) => {
    for (
      const build of [
        dynamicsGradientCase({ spec: SMALL, rows: 500 }),
        dynamicsErrorsCase({ spec: SMALL, rows: 500 }),
        dynamicsTrainCase({ spec: SMALL, rows: 300, batchSize: 200, updates: 5 }),
      ]
    ) {
      assert.deepEqual(await runCase(device, build), await runCase(device, build));
    }
  }));

gpuTest(
  "other goals, weights and discounts need no new kernel; other columns do",
  () =>
    withGpu(async (device) => {
      const sizes = { spec: SMALL, count: 9, horizon: 3, states: false, reward: ALL_PARTS };
      const build = dynamicsRolloutCase(sizes);
      const run = async (change: (command: DynamicsRollout) => Command) => {
        const kernelCase = { kernel: "dynamics_rollout", name: "changed" } as const;
        await assertKernel(device, reference, { ...kernelCase, build: changed(build, change) });
        return device.compiledKernels;
      };
      const before = await run((command) => command);
      const { linear, proximity, penalty } = await rewardOf(build);
      const after = await run((command) => ({
        ...command,
        discount: 0.5,
        reward: {
          linear: linear.map(({ column, weight }) => ({ column, weight: 2 * weight })),
          proximity: { ...proximity!, weight: 3, goal: proximity!.goal.map((at) => at + 0.1) },
          penalty: { ...penalty!, amount: 4 },
        },
      }));
      assert.equal(after, before);
      const others = [
        { linear: linear.map(({ weight }) => ({ column: 1, weight })), proximity, penalty },
        { linear, proximity: { ...proximity!, columns: proximity!.columns.toReversed() }, penalty },
        { linear, proximity, penalty: { ...penalty!, column: 0, below: 1e9 } },
      ];
      for (const [at, reward] of others.entries()) {
        assert.equal(await run((command) => ({ ...command, reward })), before + 1 + at);
      }
    }),
);

/** The reward of a rollout case. */
async function rewardOf(build: CaseBuilder): Promise<DynamicsRollout["reward"]> {
  let found: DynamicsRollout["reward"] | undefined;
  await runCase(
    reference,
    changed<DynamicsRollout>(build, (command) => {
      found = command.reward;
      return command;
    }),
  );
  return found!;
}

gpuTest(
  "NaN in an action or a row stays visible and away from others",
  () =>
    withGpu(async (device) => {
      const sizes = { spec: SMALL, count: 9, horizon: 3, states: false, reward: ALL_PARTS };
      const [{ data: returns }] = await runCase(device, async (target, random) => {
        const built = await dynamicsRolloutCase(sizes)(target, random);
        const [command] = built.commands;
        assert.ok(command.kernel === "dynamics_rollout");
        // the second action column of the second step of sequence 4
        target.write(command.sequences, [NaN], (4 * 3 + 1) * 2 + 1);
        return built;
      });
      assert.deepEqual(
        Array.from(returns, Number.isNaN),
        Array.from({ length: 9 }, (_, l) => l === 4),
      );
      for (const name of ["inputs", "targets"] as const) {
        const [gradient, loss] = await runCase(device, async (target, random) => {
          const built = await dynamicsGradientCase({ spec: SMALL, rows: 5 })(target, random);
          const [command] = built.commands;
          assert.ok(command.kernel === "dynamics_gradient");
          target.write(command[name], [NaN]);
          return built;
        });
        assert.ok(Number.isNaN(loss.data[0]), name);
        assert.ok(gradient.data.some(Number.isNaN), name);
      }
    }),
);

gpuTest("nothing to do is no error", () =>
  withGpu(async (device) => {
    const none: DynamicsSpec = { ...SMALL, situations: 0, embeddingDim: 0 };
    const reward = { linear: true, proximity: false, penalty: false };
    const cases: KernelCase[] = [
      {
        kernel: "dynamics_errors",
        name: "none",
        build: dynamicsErrorsCase({ spec: none, rows: 3 }),
      },
      ...dynamicsRowCases({ spec: SMALL, rows: 0 }),
      dynamicsTrainKernelCase({ spec: SMALL, rows: 3, batchSize: 2, updates: 0 }),
      dynamicsRolloutKernelCase({ spec: SMALL, count: 0, horizon: 3, states: true, reward }),
      dynamicsRolloutKernelCase({ spec: SMALL, count: 3, horizon: 0, states: true, reward }),
      { kernel: "interpolate", name: "none", build: interpolateCase(0, 0.5) },
    ];
    for (const kernelCase of cases) await assertKernel(device, reference, kernelCase);
    const same = device.tensor("same", [2]);
    device.write(same, [1, 2]);
    await device.submit([{ kernel: "interpolate", from: same, to: same, factor: 0.5, out: same }]);
    assert.deepEqual([...await device.read(same)], [1, 2]);
  }));

gpuTest(
  "models that do not fit the workgroup memory are refused with their sizes",
  () =>
    withGpu(async (device) => {
      const wide = { ...SMALL, hiddenSizes: [5000] };
      const sizes = { spec: wide, count: 1, horizon: 1, states: false, reward: ALL_PARTS };
      for (
        const build of [
          dynamicsGradientCase({ spec: wide, rows: 1 }),
          dynamicsRolloutCase(sizes),
        ]
      ) {
        await assert.rejects(runCase(device, build), (error) => {
          assert.ok(error instanceof RunError && error.code === "workgroup-memory");
          assert.ok(error.message.includes("5+2-5000-3"), error.message);
          assert.ok(!error.message.includes("\n"), "one line");
          return true;
        });
      }
    }),
);

Deno.test("dumpDynamicsKernels() gives every kernel's text with a header that says what it does", () => {
  for (const profile of [GPU_PROFILE, SOFTWARE_PROFILE]) {
    for (const spec of [REACHER, { ...SINE, situations: 0, embeddingDim: 0 }]) {
      const dump = dumpDynamicsKernels(spec, profile);
      const names = dump.map(({ name }) => name);
      assert.equal(new Set(names).size, names.length);
      for (const part of ["forward", "gradient", "train_gradient", "train_adam", "rollout"]) {
        assert.ok(names.includes(`dynamics_${part}`), part);
      }
      assert.equal(names.includes("dynamics_errors"), spec.situations > 0);
      for (const { name, wgsl } of dump) {
        assert.match(wgsl, /^\/\/ \w+: .*\n\/\/ \S.*\n/, name);
        assert.equal(wgsl.split("{").length, wgsl.split("}").length, name);
      }
    }
  }
});
