/** Tests of src/rollout/replay.ts on MuJoCo, where most could differ: contacts, warm starts. */
import assert from "node:assert/strict";
import { loadEnv } from "../../src/envs/registry.ts";
import { replayRollout } from "../../src/rollout/replay.ts";
import { Sampler } from "../../src/rollout/sampler.ts";
import { createTrajectoryBatch } from "../../src/rollout/trajectory_batch.ts";
import { KeyedRandom } from "../../src/util/prng.ts";

const SEED = 5;

Deno.test("replayRollout() repeats every observation and reward of a recorded rollout", async () => {
  const factory = await loadEnv("AntRandGoalModeEnv");
  const { obsDim, actDim, rewardParts } = factory.spec;
  const envs = [await factory.createInstance(), await factory.createInstance()];
  const sizes = { rollouts: 2, maxSteps: 40, obsDim, actDim, rewardParts: rewardParts.length };
  const batch = createTrajectoryBatch(sizes);
  const { rows } = factory.sampleTasks(new KeyedRandom(SEED), 7, 1);
  const key = { iteration: 7, task: 0, round: 1, taskRow: rows };
  const sampler = new Sampler(envs, SEED);
  sampler.sample({
    ...key,
    policy: {
      obs: new Float32Array(2 * obsDim),
      mean: new Float32Array(2 * actDim),
      forward: () => {},
    },
    // noise of 5, half of what reaches the actuators' bounds: the ant hits the floor
    logStd: new Float64Array(actDim).fill(Math.log(5)),
    batch,
  });

  for (let rollout = 0; rollout < 2; rollout++) {
    // the second one in an environment that has done something else before
    const env = envs[rollout];
    let checked = 0;
    const steps = replayRollout(env, { ...key, batch, rollout }, new KeyedRandom(SEED), (t) => {
      const row = batch.offsets[rollout] + t;
      if (t < sizes.maxSteps) {
        const recorded = batch.obs.subarray(row * obsDim, (row + 1) * obsDim);
        assert.deepEqual(Float32Array.from(env.obs), Float32Array.from(recorded));
      }
      if (t > 0) assert.equal(Math.fround(env.reward), batch.rewards[row - 1]);
      checked++;
    });
    assert.deepEqual([steps, checked], [40, 41]);
  }
  assert.notDeepEqual(
    batch.obs.slice(0, obsDim),
    batch.obs.slice(40 * obsDim, 41 * obsDim),
    "the two rollouts start differently",
  );
  for (const env of envs) env.close();
});
