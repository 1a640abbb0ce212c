import assert from "node:assert/strict";
import { type Env, scaleAction } from "../../src/envs/env.ts";
import { loadEnv } from "../../src/envs/registry.ts";
import { type RolloutPolicy, type SampleJob, Sampler } from "../../src/rollout/sampler.ts";
import {
  createTrajectoryBatch,
  nonFiniteCount,
  packRollouts,
  sampleCount,
  type TrajectoryBatch,
  trajectoryBatchBytes,
  viewTrajectoryBatch,
} from "../../src/rollout/trajectory_batch.ts";
import { RunError } from "../../src/util/errors.ts";
import { exp } from "../../src/util/math.ts";
import { KeyedRandom, Purpose } from "../../src/util/prng.ts";
import { type Ending, FakeEnv } from "./fake_env.ts";

const E = 5;
const T = 7;

/** mean = 3 obs[0] - 2 per action, a policy that is easily computed twice. */
function linearPolicy(rollouts: number, obsDim: number, actDim: number): RolloutPolicy {
  const obs = new Float32Array(rollouts * obsDim);
  const mean = new Float32Array(rollouts * actDim);
  return {
    obs,
    mean,
    forward() {
      for (let i = 0; i < mean.length; i++) {
        mean[i] = 3 * obs[Math.floor(i / actDim) * obsDim] - 2;
      }
    },
  };
}

function batchFor(env: Env, rollouts: number, maxSteps: number): TrajectoryBatch {
  const { obsDim, actDim, rewardParts } = env.spec;
  return createTrajectoryBatch({
    rollouts,
    maxSteps,
    obsDim,
    actDim,
    rewardParts: rewardParts.length,
  });
}

async function pointSetup(rollouts = E, maxSteps = T) {
  const factory = await loadEnv("MetaPointEnvMomentumModes");
  const envs: Env[] = [];
  for (let e = 0; e < rollouts; e++) envs.push(await factory.createInstance());
  const job = (iteration: number, task: number, round: number): SampleJob => ({
    iteration,
    task,
    round,
    taskRow: [1 + task, -2],
    policy: linearPolicy(rollouts, 4, 2),
    logStd: [0.5, -1],
    batch: batchFor(envs[0], rollouts, maxSteps),
  });
  return { factory, envs, job };
}

function fakeJob(endings: readonly Ending[], maxSteps = 6) {
  const envs = endings.map((ending) => new FakeEnv(ending));
  const batch = batchFor(envs[0], envs.length, maxSteps);
  const policy = linearPolicy(envs.length, 2, 1);
  const sampler = new Sampler(envs, 1);
  const job = { iteration: 0, task: 0, round: 0, taskRow: [1], policy, logStd: [0], batch };
  return { sampler, job, batch };
}

/** All bytes of a batch, to compare them. */
const bytes = (batch: TrajectoryBatch) => new Uint8Array(batch.buffer).slice();

Deno.test("Sampler.sample() records what stepping every rollout by itself gives", async () => {
  const { factory, envs, job } = await pointSetup();
  const one = job(3, 2, 1);
  new Sampler(envs, 77).sample(one);
  const { batch } = one;
  const random = new KeyedRandom(77);
  const env = await factory.createInstance();
  env.setTask(one.taskRow);
  const std = [exp(0.5), exp(-1)];
  for (let e = 0; e < E; e++) {
    env.reset(random.at(Purpose.ENV_RESET, 3, 2, 1, e));
    let total = 0;
    for (let t = 0; t < T; t++) {
      const n = e * T + t;
      assert.deepEqual(batch.obs.slice(4 * n, 4 * n + 4), Float32Array.from(env.obs));
      random.at(Purpose.ACTION_NOISE, 3, 2, 1, e, t);
      const control = new Float64Array(2);
      for (let a = 0; a < 2; a++) {
        const mean = Math.fround(3 * Math.fround(env.obs[0]) - 2);
        const action = Math.fround(mean + std[a] * random.normal());
        assert.equal(batch.mean[2 * n + a], mean);
        assert.equal(batch.logStd[2 * n + a], [0.5, -1][a]);
        assert.equal(batch.actions[2 * n + a], action);
        control[a] = scaleAction(action, -0.1, 0.1);
      }
      env.step(control);
      assert.equal(batch.rewards[n], Math.fround(env.reward));
      total += env.reward;
    }
    assert.equal(batch.returns[e], total);
    assert.equal(batch.rewardPartSums[e], total);
    assert.deepEqual([batch.terminated[e], batch.truncated[e], batch.nonFinite[e]], [0, 1, 0]);
    assert.equal(batch.offsets[e], e * T);
  }
  assert.equal(sampleCount(batch), E * T);
});

Deno.test("Sampler.sample() does not depend on what else was sampled, or by whom", async () => {
  const { envs, job } = await pointSetup();
  const places = [[0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]] as const;
  const first = new Sampler(envs, 1);
  const wanted = places.map(([i, m, k]) => {
    const one = job(i, m, k);
    first.sample(one);
    return bytes(one.batch);
  });
  const others = await pointSetup();
  const second = new Sampler(others.envs, 1);
  for (const at of [2, 3, 0, 1, 1]) {
    const [i, m, k] = places[at];
    const one = others.job(i, m, k);
    second.sample(one);
    assert.deepEqual(bytes(one.batch), wanted[at]);
  }
  for (let a = 0; a < places.length; a++) {
    for (let b = 0; b < a; b++) assert.notDeepEqual(wanted[a], wanted[b]);
  }
});

Deno.test("Sampler.sample() gives a rollout that does not depend on their number", async () => {
  const few = await pointSetup(2);
  const many = await pointSetup(6);
  const a = few.job(0, 0, 0);
  const b = many.job(0, 0, 0);
  new Sampler(few.envs, 1).sample(a);
  new Sampler(many.envs, 1).sample(b);
  assert.deepEqual(b.batch.actions.slice(0, 2 * T * 2), a.batch.actions);
});

Deno.test("Sampler.sample() packs rollouts that end early and keeps their ends apart", () => {
  const { sampler, job, batch } = fakeJob([
    { terminateAt: 2 },
    {},
    { terminateAt: 1 },
    { terminateAt: 6 }, // in the last step: terminated, not truncated
    { terminateAt: 4 },
  ]);
  sampler.sample(job);
  assert.deepEqual(Array.from(batch.offsets), [0, 2, 8, 9, 15, 19]);
  assert.deepEqual(Array.from(batch.terminated), [1, 0, 1, 1, 1]);
  assert.deepEqual(Array.from(batch.truncated), [0, 1, 0, 0, 0]);
  assert.equal(nonFiniteCount(batch), 0);
  for (let e = 0; e < 5; e++) {
    let total = 0;
    for (let n = batch.offsets[e]; n < batch.offsets[e + 1]; n++) {
      assert.equal(batch.obs[2 * n + 1], n - batch.offsets[e], "the step counter of its rollout");
      assert.equal(batch.mean[n], Math.fround(3 * batch.obs[2 * n] - 2));
      total += batch.rewards[n];
    }
    // float32 rewards against the float64 sum
    assert.ok(Math.abs(total - batch.returns[e]) < 1e-5);
    assert.ok(Math.abs(batch.rewardPartSums[2 * e] - 2 * batch.returns[e]) < 1e-12);
    assert.ok(Math.abs(batch.rewardPartSums[2 * e + 1] + batch.returns[e]) < 1e-12);
  }
  // a second job on the same batch starts clean
  const before = bytes(batch);
  sampler.sample(job);
  assert.deepEqual(bytes(batch).slice(0, 8 * 5), before.slice(0, 8 * 5), "returns");
  assert.deepEqual(Array.from(batch.offsets), [0, 2, 8, 9, 15, 19]);
});

Deno.test("Sampler.sample() asks the policy no more once all rollouts have ended", () => {
  const { sampler, job } = fakeJob([{ terminateAt: 2 }, { breakRewardAt: 3 }, { breakObsAt: 0 }]);
  let calls = 0;
  const policy = { ...job.policy, forward: () => void calls++ };
  sampler.sample({ ...job, policy });
  assert.equal(calls, 3);
});

Deno.test("Sampler.sample() ends a rollout before a number that is not finite, and counts it", () => {
  const { sampler, job, batch } = fakeJob([
    { breakObsAt: 3 },
    { breakRewardAt: 2 },
    { breakObsAt: 0 },
    {},
  ]);
  sampler.sample(job);
  assert.deepEqual(Array.from(batch.offsets), [0, 2, 3, 3, 9]);
  assert.deepEqual(Array.from(batch.nonFinite), [1, 1, 1, 0]);
  assert.deepEqual(Array.from(batch.truncated), [0, 0, 0, 1]);
  assert.equal(nonFiniteCount(batch), 3);
  for (let n = 0; n < sampleCount(batch); n++) {
    assert.ok(Number.isFinite(batch.rewards[n]) && Number.isFinite(batch.obs[2 * n]));
  }
  assert.ok(batch.returns.every(Number.isFinite));
});

Deno.test("Sampler.brokenRollout() says where the first one broke, and its number", () => {
  const broken = (...endings: Ending[]) => {
    const { sampler, job, batch } = fakeJob(endings);
    sampler.sample(job);
    return sampler.brokenRollout(batch);
  };
  assert.equal(broken({}, { terminateAt: 2 }), null);
  assert.equal(broken({}, { breakObsAt: 3 }), "rollout 1, step 2: observation x is NaN");
  assert.equal(broken({ breakObsAt: 0 }, {}), "rollout 0, at its start: observation steps is NaN");
  assert.equal(
    broken({ breakRewardAt: 1 }, {}),
    "rollout 0, step 0: the reward is 1e+39, infinite as float32",
  );
  assert.equal(
    broken({ breakPartAt: 2 }, {}),
    "rollout 0, step 1: the reward's part minus is -Infinity",
  );
});

Deno.test("Sampler.sample() fails where nothing finite is left", () => {
  const { sampler, job } = fakeJob([{ breakObsAt: 0 }, { breakRewardAt: 1 }]);
  assert.throws(() => sampler.sample({ ...job, iteration: 4, task: 7, round: 2 }), (error) => {
    assert.ok(error instanceof RunError && error.code === "env-not-finite");
    assert.match(error.message, /iteration 4, task 7, round 2: FakeEnv/);
    return true;
  });
});

Deno.test("Sampler.sample() refuses actions that are not finite", () => {
  const { sampler, job } = fakeJob([{}, {}]);
  const policy = { ...job.policy, forward: () => void job.policy.mean.set([0, NaN]) };
  assert.throws(() => sampler.sample({ ...job, policy }), (error) => {
    assert.ok(error instanceof RunError && error.code === "policy-not-finite");
    assert.match(error.message, /action 0 of rollout 1, step 0 is NaN/);
    return true;
  });
});

Deno.test("Sampler.sample() records a floored log std but draws with the raw one", () => {
  const raw = fakeJob([{}, {}]);
  raw.sampler.sample({ ...raw.job, logStd: [-20] });
  const floored = fakeJob([{}, {}]);
  floored.sampler.sample({ ...floored.job, logStd: [-20], recordedLogStd: [-13.8155] });
  assert.deepEqual(floored.batch.actions, raw.batch.actions);
  assert.ok(floored.batch.logStd.every((value) => value === Math.fround(-13.8155)));
});

Deno.test("Sampler.sample() refuses buffers of other sizes", () => {
  const { sampler, job } = fakeJob([{}, {}]);
  assert.throws(() => sampler.sample({ ...job, logStd: [0, 0] }), RangeError);
  assert.throws(() => sampler.sample({ ...job, policy: linearPolicy(3, 2, 1) }), RangeError);
  const other = fakeJob([{}, {}, {}]);
  assert.throws(() => sampler.sample({ ...job, batch: other.batch }), RangeError);
});

Deno.test("viewTrajectoryBatch() sees the arrays of another view, which fill the buffer", () => {
  const sizes = { rollouts: 3, maxSteps: 5, obsDim: 3, actDim: 2, rewardParts: 2 };
  const batch = createTrajectoryBatch(sizes);
  const arrays = (from: TrajectoryBatch) =>
    Object.values(from).filter((value) => ArrayBuffer.isView(value));
  let covered = 0;
  for (const array of arrays(batch)) {
    covered += array.byteLength;
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength).fill(1 + covered % 250);
  }
  assert.equal(covered, trajectoryBatchBytes(sizes));
  // no array was overwritten by a later one, and the other view agrees
  const view = viewTrajectoryBatch(sizes, batch.buffer);
  let seen = 0;
  for (const array of arrays(view)) {
    seen += array.byteLength;
    const content = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    assert.ok(content.every((byte) => byte === 1 + seen % 250));
  }
});

Deno.test("packRollouts() keeps all rows of all arrays, in order", () => {
  const sizes = { rollouts: 4, maxSteps: 3, obsDim: 2, actDim: 1, rewardParts: 1 };
  const batch = createTrajectoryBatch(sizes);
  for (let row = 0; row < 12; row++) {
    batch.obs.set([row, row + 0.5], 2 * row);
    batch.actions[row] =
      batch.mean[row] =
      batch.logStd[row] =
      batch.rewards[row] =
        row;
  }
  packRollouts(batch, [3, 0, 2, 1]);
  assert.deepEqual(Array.from(batch.offsets), [0, 3, 3, 5, 6]);
  const kept = [0, 1, 2, 6, 7, 9];
  for (const array of [batch.actions, batch.mean, batch.logStd, batch.rewards]) {
    assert.deepEqual(Array.from(array.subarray(0, 6)), kept);
  }
  assert.deepEqual(Array.from(batch.obs.subarray(0, 12)), kept.flatMap((row) => [row, row + 0.5]));
});
