import assert from "node:assert/strict";
import { FamleReacher, wrapDegrees } from "../../../src/envs/famle/famle_reacher.ts";
import { modelFacts } from "../../../src/envs/mujoco/facts.ts";
import { loadModel } from "../../../src/envs/mujoco/models/mod.ts";
import { KeyedRandom } from "../../../src/util/prng.ts";
import { stageRewards } from "../../../src/util/stage_reward.ts";
import golden from "../../golden/famle.json" with { type: "json" };
import { famle, near, randomAction, startOf } from "./helpers.ts";

const HEALTHY = [1, 1, 1, 1, 1, 0, 0, 0, 0, 0, -1, 1];
const DEGREES = 180 / Math.PI;

/** A simulator at the start of an episode of the task. */
async function open(row: readonly number[] = HEALTHY): Promise<FamleReacher> {
  const env = await (await famle("famle_reacher")).createInstance();
  assert.ok(env instanceof FamleReacher);
  env.setTask(row);
  env.reset(startOf());
  return env;
}

/** The healthy arm with some numbers of the task changed. */
function task(...changes: readonly (readonly [number, number])[]): number[] {
  const row = [...HEALTHY];
  for (const [i, value] of changes) row[i] = value;
  return row;
}

Deno.test("the arm's model is that of the original, and the tables are the model's", async () => {
  const { joint, dof, body, option, actuator, ...facts } = modelFacts(
    await loadModel("famle_reacher"),
  );
  assert.deepEqual(joint.name, [0, 1, 2, 3, 4].map((j) => `joint${j}`));
  assert.ok(joint.type.every((type) => type === "mjJNT_HINGE"));
  assert.deepEqual(joint.limited, [0, 1, 1, 1, 1]);
  for (const [low, high] of joint.range.slice(1)) assert.deepEqual([low, high], [-1.0472, 1.0472]);
  for (const axis of joint.axis) assert.deepEqual(axis, [0, 0, 1]);
  assert.deepEqual(body.mass, [0, 0.1, 0.1, 0.1, 0.1, 0.1]);
  assert.deepEqual(body.pos.map(([x]) => x), [0, 0, 0.3, 0.3, 0.3, 0.3]);
  assert.ok(dof.damping.every((value) => value === 0.6));
  assert.ok(dof.frictionloss.every((value) => value === 0.6));
  assert.deepEqual(actuator.joint, joint.name);
  for (const [low, high] of actuator.ctrlrange) assert.deepEqual([low, high], [-0.7, 0.7]);
  assert.ok(facts.geom.contype.every((bits) => bits === 0));
  assert.equal(option.timestep, 0.004);

  const env = await open();
  assert.equal(env.frameSkip * env.sim.timestep, 0.1);
  assert.deepEqual(env.sim.model.names("site"), ["fingertip"]);
  const names = env.spec.observation.map(({ name }) => name);
  assert.deepEqual(names, [
    ...joint.name,
    ...joint.name.map((name) => `${name}_velocity`),
    ...["fingertip_x", "fingertip_y"],
  ]);
  assert.deepEqual(env.spec.action.map(({ name }) => name), joint.name);
  assert.deepEqual(
    env.spec.observation.map(({ unit }) => unit),
    [...Array(5).fill("degree"), ...Array(5).fill("rad/s"), "m", "m"],
  );
  env.close();
});

Deno.test("an episode starts stretched along x and at rest", async () => {
  const env = await open();
  for (let e = 0; e < 2; e++) {
    // 5 links of 0.3 m, added up
    env.obs.forEach((value, i) => near(value, i === 10 ? 1.5 : 0, 1e-15));
    for (let t = 0; t < 5; t++) env.step(randomAction(5, t));
    assert.ok(Math.abs(env.obs[0]) > 0.1);
    env.reset(startOf(e));
  }
  assert.deepEqual([env.reward, env.terminated], [0, false]);
  env.close();
});

Deno.test("the observation is the state, the fingertip that of the angles", async () => {
  const env = await open();
  for (let t = 0; t < 50; t++) {
    env.step(randomAction(5, t));
    let angle = 0;
    let [x, y] = [0, 0];
    for (let j = 0; j < 5; j++) {
      // joint 0 doesn't come as far as half a turn
      near(env.obs[j], DEGREES * env.sim.qpos[j], 1e-12);
      assert.equal(env.obs[5 + j], env.sim.qvel[j]);
      angle += env.obs[j] / DEGREES;
      x += 0.3 * Math.cos(angle);
      y += 0.3 * Math.sin(angle);
    }
    near(env.obs[10], x, 1e-13);
    near(env.obs[11], y, 1e-13);
    near(env.reward, Math.exp(-Math.hypot(x + 1, y - 1)), 1e-13);
  }
  env.close();
});

Deno.test("full action turns joint 0 by 0.07 rad a step, less friction", async () => {
  const env = await open();
  const forward = Float64Array.of(1, 0, 0, 0, 0);
  for (let t = 0; t < 3; t++) env.step(forward);
  // The servo's 500 (0.7 - v) balances friction 0.6 and damping 0.6 v.
  const velocity = (500 * 0.7 - 0.6) / (500 + 0.6);
  near(velocity, 0.7, 0.003 * 0.7);
  for (let t = 0; t < 30; t++) {
    const before = env.obs[0];
    env.step(forward);
    near(env.obs[5], velocity, 1e-6);
    near(env.obs[0] - before, DEGREES * 0.1 * velocity, 1e-5);
  }
  env.close();
});

Deno.test("random actions move every joint as kinematics say, within 5 %", async () => {
  const env = await open();
  const moved: number[][] = [[], [], [], [], []];
  const wrong: number[][] = [[], [], [], [], []];
  for (let e = 0; e < 10; e++) {
    env.reset(startOf(e));
    for (let t = 0; t < 50; t++) {
      const before = env.obs.slice(0, 5);
      const action = randomAction(5, 50 * e + t);
      env.step(action);
      for (let j = 0; j < 5; j++) {
        const way = env.obs[j] - before[j];
        moved[j].push(way);
        wrong[j].push(way - DEGREES * 0.07 * action[j]);
      }
    }
  }
  const rms = (values: number[]) =>
    Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);
  for (let j = 0; j < 5; j++) assert.ok(rms(wrong[j]) < 0.05 * rms(moved[j]), `joint ${j}`);
  env.close();
});

Deno.test("limits hold against the motors, and joint 0 has none", async () => {
  const limit = DEGREES * 1.0472;
  for (const sign of [-1, 1]) {
    const env = await open();
    for (let t = 0; t < 60; t++) {
      env.step(Float64Array.of(0, sign, -sign, sign, -sign));
      // a joint that arrives at full speed
      for (let j = 1; j < 5; j++) assert.ok(Math.abs(env.obs[j]) < limit + 0.1, `${env.obs[j]}`);
    }
    for (let j = 1; j < 5; j++) {
      // one that is pressed against it
      near(Math.abs(env.obs[j]), limit, 0.01);
      near(env.obs[5 + j], 0, 1e-6);
    }
    env.close();
  }
  const env = await open();
  let turned = 0;
  for (let t = 0; t < 100; t++) {
    const before = env.obs[0];
    env.step(Float64Array.of(1, 0, 0, 0, 0));
    turned += wrapDegrees(env.obs[0] - before);
    assert.ok(env.obs[0] > -180 && env.obs[0] <= 180);
  }
  assert.ok(turned > 390, `${turned} degrees`);
  env.close();
});

/** Same physics to the last bit. */
function sameState(a: FamleReacher, b: FamleReacher) {
  assert.deepEqual(a.sim.qpos, b.sim.qpos);
  assert.deepEqual(a.sim.qvel, b.sim.qvel);
}

Deno.test("a damaged motor gets its factor of the command", async () => {
  const damaged = await open(task([0, -1], [1, 0], [3, 0.5]));
  const healthy = await open();
  for (let t = 0; t < 50; t++) {
    const action = randomAction(5, t);
    damaged.step(action);
    assert.deepEqual(action, randomAction(5, t));
    healthy.step(Float64Array.of(-action[0], 0, action[2], 0.5 * action[3], action[4]));
    sameState(damaged, healthy);
    assert.deepEqual(damaged.obs, healthy.obs);
    // what the other joints do pushes a dead one less than its friction and servo hold
    near(damaged.obs[1], 0, 0.2);
  }
  damaged.close();
  healthy.close();
});

Deno.test("wrapDegrees() gives -180, exclusive, to 180", () => {
  const pairs = [[0, 0], [180, 180], [-180, 180], [181, -179], [-181, 179], [540, 180], [725, 5]];
  for (const [angle, wanted] of pairs) assert.equal(wrapDegrees(angle), wanted);
  // the next double above 180, below -180
  assert.equal(wrapDegrees(180 + 2 ** -45), -180 + 2 ** -45);
  assert.equal(wrapDegrees(-180 - 2 ** -45), 180 - 2 ** -45);
});

Deno.test("a faulty sensor adds its offset to the angle alone, then the sum is wrapped", async () => {
  const offsets = [0.5, -0.25, 1 / 3, 0, 0.9];
  const faulty = await open(task(...offsets.map((offset, j) => [5 + j, offset] as const)));
  const healthy = await open();
  assert.deepEqual(Array.from(faulty.obs.slice(0, 4)), [180, -90, 120, 0]);
  near(faulty.obs[4], -36, 1e-12);
  for (let t = 0; t < 50; t++) {
    // joint 0 passes the wrap of its reading
    const action = randomAction(5, t);
    action[0] = t < 5 ? 1 : action[0];
    faulty.step(action);
    healthy.step(action);
    sameState(faulty, healthy);
    assert.deepEqual(faulty.obs.slice(5), healthy.obs.slice(5));
    assert.equal(faulty.reward, healthy.reward);
    for (let j = 0; j < 5; j++) {
      const sum = healthy.obs[j] + 360 * offsets[j];
      assert.ok(faulty.obs[j] > -180 && faulty.obs[j] <= 180);
      near(faulty.obs[j], sum - 360 * Math.round((sum - faulty.obs[j]) / 360), 1e-12);
    }
    if (t === 2) assert.ok(faulty.obs[0] < -160 && healthy.obs[0] > 0);
  }
  faulty.close();
  healthy.close();
});

Deno.test("setDamage() works at once, stays over resets, and leaves the goal", async () => {
  const env = await open(task([10, 0.5], [11, -0.25]));
  const healthy = await open(task([10, 0.5], [11, -0.25]));
  const compare = (steps: number, factor: number) => {
    for (let t = 0; t < steps; t++) {
      const action = randomAction(5, t);
      env.step(action);
      action[2] *= factor;
      healthy.step(action);
      sameState(env, healthy);
      assert.equal(env.reward, healthy.reward);
    }
  };
  compare(10, 1);
  const before = env.obs.slice();
  env.setDamage(task([2, -1], [10, 9], [11, 9]));
  assert.deepEqual(env.obs, before);
  assert.deepEqual(env.stageReward().proximity!.goal, [0.5, -0.25]);
  compare(10, -1);
  for (const simulator of [env, healthy]) simulator.reset(startOf());
  compare(10, -1);
  // a task waits for the next episode, damage and goal
  env.setTask(HEALTHY);
  compare(10, -1);
  assert.deepEqual(env.stageReward().proximity!.goal, [0.5, -0.25]);
  for (const simulator of [env, healthy]) simulator.setTask(HEALTHY);
  for (const simulator of [env, healthy]) simulator.reset(startOf());
  assert.deepEqual(env.stageReward().proximity!.goal, [-1, 1]);
  compare(10, 1);
  // ten numbers are a damage too; fewer are none
  env.setDamage(task([2, 0]).slice(0, 10));
  compare(10, 0);
  assert.throws(() => env.setDamage([1, 1, 1]), RangeError);
  env.close();
  healthy.close();
});

Deno.test("stageReward() is what the published planner's cost adds up", async () => {
  const { expected, goal, discount, horizon, state_dim: stateDim } = golden.planner;
  assert.deepEqual(goal, [-1, 1]);
  const env = await open();
  const sequences = expected.costs.length;
  const rewards = new Float64Array(sequences);
  const costs = new Float64Array(sequences);
  for (let h = 0; h < horizon; h++) {
    // the fixture's state ends with the fingertip, too
    const states = expected.states_after_each_step[h].flatMap((state) => [
      ...Array(12 - stateDim).fill(7),
      ...state,
    ]);
    stageRewards(env.stageReward(), states, 12, rewards);
    for (let n = 0; n < sequences; n++) costs[n] -= rewards[n] * discount ** h;
  }
  // three numbers of size 1, each within a few roundings
  costs.forEach((cost, n) => near(cost, expected.costs[n], 1e-14, `sequence ${n}:`));
  env.close();
});

Deno.test("goals are fixed, or drawn for each task", async () => {
  const random = new KeyedRandom(5);
  const goals = async (options: Record<string, unknown>, iteration: number) => {
    const { rows } = (await famle("famle_reacher", options)).sampleTasks(random, iteration, 300);
    return Array.from({ length: 300 }, (_, m) => [rows[12 * m + 10], rows[12 * m + 11]]);
  };
  assert.ok((await goals({}, 0)).every(([x, y]) => x === -1 && y === 1));
  const drawn = await goals({ goal: "random" }, 0);
  const [xs, ys] = [0, 1].map((i) => drawn.map((point) => point[i]));
  // the outer 3 % on either side are missed with probability 0.97^300 = 1e-4
  const reaches = (values: number[], low: number, high: number) => {
    const margin = 0.03 * (high - low);
    const [least, most] = [Math.min(...values), Math.max(...values)];
    assert.ok(least >= low && least < low + margin && most < high && most > high - margin);
  };
  reaches(xs, -0.9, -0.3);
  reaches(ys, -0.6, 0.6);
  assert.notDeepEqual(await goals({ goal: "random" }, 1), drawn);
});

Deno.test("a simulation that becomes unstable reads NaN until the next episode", async () => {
  const env = await open(task([6, 0.25]));
  env.sim.qvel[0] = 1e11;
  env.step(new Float64Array(5));
  assert.ok([...env.obs, ...env.rewardParts, env.reward].every(Number.isNaN));
  env.reset(startOf());
  assert.ok(env.obs.every(Number.isFinite));
  env.close();
});
