/** One job by itself: what a worker writes for one task. */
import assert from "node:assert/strict";
import { liveHandles, mujocoBytes } from "../../src/envs/mujoco/runtime.ts";
import { loadEnv } from "../../src/envs/registry.ts";
import { initEncoder, initPolicy } from "../../src/nn/init.ts";
import { viewTrajectoryBatch } from "../../src/rollout/trajectory_batch.ts";
import { allocateMetaBatch } from "../../src/trainer/meta_batch.ts";
import { objectiveSpec } from "../../src/trainer/specs.ts";
import { TaskRunner } from "../../src/trainer/task_runner.ts";
import { KeyedRandom } from "../../src/util/prng.ts";
import { testNeeding } from "../permissions.ts";
import { tinyConfig } from "./tiny.ts";

const TASK = 2;

/** Runs task 2 of iteration 0 with MMAML. @param logStd of the shared parameters */
async function runJob(changes: Readonly<Record<string, unknown>>, logStd: number) {
  const config = tinyConfig(changes);
  const env = await loadEnv(config.env);
  const spec = objectiveSpec(config, "mmaml", env.spec);
  const memory = allocateMetaBatch(spec, env.spec);
  const random = new KeyedRandom(config.seed);
  memory.policy.set(initPolicy(random, spec.policy, 1));
  memory.policy.fill(logStd, memory.policy.length - env.spec.actDim);
  memory.encoder!.set(initEncoder(random, spec.encoder!));
  memory.tasks.set(env.sampleTasks(random, 0, spec.tasks).rows);
  const runner = await TaskRunner.create({
    algorithm: "mmaml",
    config,
    envVersion: env.spec.version,
    memory,
  });
  const report = runner.run(0, TASK);
  runner.close();
  const batches = memory.trajectories.map((step) => viewTrajectoryBatch(memory.sizes, step[TASK]));
  const size = memory.sequences!.length / spec.tasks;
  return {
    report,
    batches,
    sequences: memory.sequences!.subarray(TASK * size, (TASK + 1) * size),
    others: memory.sequences!.subarray(0, TASK * size),
    ...memory.sizes,
  };
}

/** Rows [observation, action, reward] of samples `first` .. `end`. */
function rows(
  { batches: [batch], obsDim, actDim }: Awaited<ReturnType<typeof runJob>>,
  first: number,
  end: number,
): number[] {
  return Array.from({ length: end - first }, (_, i) => first + i).flatMap((n) => [
    ...batch.obs.subarray(n * obsDim, (n + 1) * obsDim),
    ...batch.actions.subarray(n * actDim, (n + 1) * actDim),
    batch.rewards[n],
  ]);
}

Deno.test("the task encoder sees observation, action and reward of whole rollouts", async () => {
  const job = await runJob({}, 0);
  assert.deepEqual(Array.from(job.sequences), rows(job, 0, job.rollouts * job.maxSteps));
  assert(job.others.every((x) => x === 0), "other tasks' memory is left alone");
});

Deno.test("compat mmaml-rl cuts the first steps into sequences of 5, zeros in front", async () => {
  const job = await runJob({ compat: "mmaml-rl" }, 0);
  const width = job.obsDim + job.actDim + 1;
  for (let e = 0; e < job.rollouts; e++) {
    const sequence = job.sequences.subarray(
      e * job.maxSteps * width,
      (e + 1) * job.maxSteps * width,
    );
    const padding = (job.maxSteps - 5) * width;
    assert(sequence.subarray(0, padding).every((x) => x === 0));
    assert.deepEqual(Array.from(sequence.subarray(padding)), rows(job, 5 * e, 5 * e + 5));
  }
});

Deno.test("the floor of the standard deviation holds for what round 0 records, and no further", async () => {
  const job = await runJob({ min_std: 1 }, -0.5);
  const [first, second] = job.batches.map((batch) => Array.from(batch.logStd.subarray(0, 2)));
  assert.deepEqual(first, [0, 0]);
  // adapted by one small inner step, whose gradient at the floor is zero
  assert.deepEqual(second, [-0.5, -0.5]);
});

testNeeding("read")(
  "a report has what the worker holds of MuJoCo, which closing gives back",
  async () => {
    const before = { ...liveHandles };
    const { report: { held }, rollouts } = await runJob({ env: "HopperRandParamsEnv" }, 0);
    // one simulation a rollout, each with a model of its own, which the task scales; and the original
    assert.deepEqual([held.simulations, held.models], [
      before.simulations + rollouts,
      before.models + rollouts + 1,
    ]);
    assert.equal(liveHandles.simulations, before.simulations);
    assert.equal(held.mujocoBytes, mujocoBytes());
    assert.ok(held.mujocoBytes > 0 && held.mujocoBytes % 65536 === 0, `${held.mujocoBytes}`);
  },
);
