import assert from "node:assert/strict";
import { FamleAnt } from "../../../src/envs/famle/famle_ant.ts";
import { stageRewards } from "../../../src/util/stage_reward.ts";
import { famle, near, randomAction, startOf } from "./helpers.ts";

const HEALTHY = [1, 1, 1, 1, 1, 1, 1, 1, 0];

/** A simulator at the start of an episode of the task. */
async function open(row: readonly number[] = HEALTHY): Promise<FamleAnt> {
  const env = await (await famle("famle_ant")).createInstance();
  assert.ok(env instanceof FamleAnt);
  env.setTask(row);
  env.reset(startOf());
  return env;
}

type Matrix = readonly (readonly number[])[];

/** Rotation matrix of a unit quaternion. */
function matrix([w, x, y, z]: ArrayLike<number> & Iterable<number>): Matrix {
  return [
    [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
    [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
    [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
  ];
}

/** Turned about the world's z by an angle. */
function turned(angle: number, m: Matrix): Matrix {
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  return [
    m[0].map((_, j) => c * m[0][j] - s * m[1][j]),
    m[0].map((_, j) => s * m[0][j] + c * m[1][j]),
    m[2],
  ];
}

Deno.test("the ant's observation is the state, the reward its forward velocity", async () => {
  const env = await open();
  const names = env.spec.observation.map(({ name }) => name);
  const joints = [1, 2, 3, 4].flatMap((leg) => [`hip_${leg}`, `ankle_${leg}`]);
  assert.deepEqual(names, [
    ...["root_z", "root_qw", "root_qx", "root_qy", "root_qz", ...joints],
    ...["root_vx", "root_vy", "root_vz", "root_wx", "root_wy", "root_wz"],
    ...joints.map((joint) => `${joint}_velocity`),
  ]);
  assert.equal(env.frameSkip * env.sim.timestep, 0.05);
  assert.equal(env.spec.maxSteps, 1000);
  for (let t = 0; t < 50; t++) {
    assert.deepEqual(Array.from(env.obs), [...env.sim.qpos.slice(2), ...env.sim.qvel]);
    env.step(randomAction(8, t));
    assert.equal(env.reward, env.obs[13]);
    assert.equal(env.rewardParts[0], env.sim.qvel[0]);
    assert.notEqual(env.reward, 0);
  }
  env.close();
});

Deno.test("a yaw offset turns the orientation as read, and nothing else", async () => {
  const healthy = await open();
  const offsets = [1 / 12, 0.5, 11 / 12, -0.3];
  const faulty = await Promise.all(offsets.map((offset) => open([...HEALTHY.slice(0, 8), offset])));
  for (let t = 0; t <= 100; t++) {
    faulty.forEach((env, i) => {
      assert.deepEqual(env.sim.qpos, healthy.sim.qpos);
      assert.deepEqual(env.sim.qvel, healthy.sim.qvel);
      assert.equal(env.obs[0], healthy.obs[0]);
      assert.deepEqual(env.obs.slice(5), healthy.obs.slice(5));
      assert.equal(env.reward, healthy.reward);
      const reading = env.obs.slice(1, 5);
      near(Math.hypot(...reading), 1, 1e-12);
      const wanted = turned(2 * Math.PI * offsets[i], matrix(healthy.obs.slice(1, 5)));
      matrix(reading).forEach((row, r) => {
        row.forEach((value, c) => near(value, wanted[r][c], 1e-12, `offset ${offsets[i]}:`));
      });
    });
    const before = faulty.map((env) => env.obs.slice(1, 5));
    for (const env of [healthy, ...faulty]) env.step(randomAction(8, t));
    // a reading that jumped to -q would be 2 away
    faulty.forEach((env, i) => {
      const way = before[i].map((part, k) => env.obs[1 + k] - part);
      assert.ok(Math.hypot(...way) < 1, `step ${t}`);
    });
  }
  for (const env of [healthy, ...faulty]) env.close();
});

Deno.test("a damaged motor gives its factor of the torque", async () => {
  const row = [1, 0, 1, 1, -1, 1, 0.5, 1, 0];
  const env = await open(row);
  env.step(new Float64Array(8).fill(1));
  // motors in the order hip_4, ankle_4, hip_1 ...; degrees of freedom hip_1 ... behind the root's 6
  const dofs = env.spec.action.map(({ name }) => {
    return env.spec.observation.findIndex((other) => other.name === `${name}_velocity`) - 13;
  });
  dofs.forEach((dof, motor) => assert.equal(env.sim.qfrcActuator[dof], 150 * row[motor]));
  const healthy = await open();
  env.reset(startOf());
  for (let t = 0; t < 30; t++) {
    const action = randomAction(8, t);
    env.step(action);
    healthy.step(action.map((value, i) => value * row[i]));
    assert.deepEqual(env.obs, healthy.obs);
  }
  // repaired on the way
  env.setDamage(HEALTHY);
  for (let t = 0; t < 10; t++) {
    for (const simulator of [env, healthy]) simulator.step(randomAction(8, t));
    assert.deepEqual(env.obs, healthy.obs);
  }
  env.close();
  healthy.close();
});

Deno.test("setDamage() turns the reading from the next step on", async () => {
  const env = await open();
  const healthy = await open();
  env.setDamage([...HEALTHY.slice(0, 8), 0.25]);
  assert.deepEqual(env.obs, healthy.obs);
  for (const simulator of [env, healthy]) simulator.step(randomAction(8, 0));
  const [w, x, y, z] = healthy.obs.slice(1, 5);
  const h = Math.SQRT1_2;
  // q_z of a quarter turn is (h, 0, 0, h)
  [h * (w - z), h * (x - y), h * (y + x), h * (z + w)].forEach((part, i) => {
    near(env.obs[1 + i], part, 1e-15);
  });
  env.close();
  healthy.close();
});

Deno.test("stageReward() is the forward velocity, less 2 for a fallen ant", async () => {
  const env = await open();
  const states = [[0.75, 1.5], [0.26, -0.5], [0.2599, 1.5], [-0.1, 0]].flatMap(([height, vx]) => {
    const state = new Array<number>(27).fill(3);
    state[0] = height;
    state[13] = vx;
    return state;
  });
  const rewards = new Float64Array(4);
  stageRewards(env.stageReward(), states, 27, rewards);
  assert.deepEqual(Array.from(rewards), [1.5, -0.5, -0.5, -2]);
  env.close();
});

Deno.test("the ant's episode goes on when it lies on its back", async () => {
  const env = await open();
  env.sim.qpos.set([0.3, 0, 1, 0, 0], 2);
  for (let t = 0; t < 100; t++) {
    env.step(randomAction(8, t));
    assert.equal(env.terminated, false);
    assert.ok(env.obs.every(Number.isFinite));
  }
  assert.ok(env.obs[0] < 0.75);
  env.close();
});
