import assert from "node:assert/strict";
import type { MujocoEnv } from "../../../src/envs/mujoco/mujoco_env.ts";
import { loadEnv } from "../../../src/envs/registry.ts";
import { KeyedRandom } from "../../../src/util/prng.ts";
import { begin, close, drawAction, mujocoNames, open } from "./helpers.ts";
import { testNeeding } from "../../permissions.ts";

const test = testNeeding("read");

/** What a reward is a function of: state before and after a control step. */
interface Moment {
  readonly qpos: number[];
  readonly qvel: number[];
  readonly position: (body: string) => number[];
  /** Centre of mass, m. */
  readonly massCenter: number[];
  readonly contact: number[];
}

function observeMoment({ sim }: MujocoEnv): Moment {
  const { qpos, qvel, xpos, xipos, cfrcExt, model } = sim;
  const positions = Array.from(xpos);
  const masses: Float64Array = model.handle.body_mass;
  const total = masses.reduce((sum, mass) => sum + mass, 0);
  return {
    qpos: Array.from(qpos),
    qvel: Array.from(qvel),
    position: (body) => {
      const b = model.index("body", body);
      return positions.slice(3 * b, 3 * b + 3);
    },
    massCenter: [0, 1, 2].map((axis) =>
      masses.reduce((sum, mass, b) => sum + mass * xipos[3 * b + axis], 0) / total
    ),
    contact: Array.from(cfrcExt),
  };
}

type Parts = (before: Moment, after: Moment, action: number[], task: number[]) => number[];

const squares = (values: number[]) => values.reduce((sum, x) => sum + x * x, 0);
const contactCost = ({ contact }: Moment) =>
  -5e-4 * squares(contact.map((x) => Math.min(Math.max(x, -1), 1)));
const manhattan = (a: number[], b: number[]) =>
  b.reduce((sum, x, i) => sum + Math.abs(a[i] - x), 0);
const along = (before: number[], after: number[], direction: number[]) =>
  direction.reduce((sum, d, i) => sum + d * (after[i] - before[i]), 0);
const speed = (before: Moment, after: Moment, dt: number) => (after.qpos[0] - before.qpos[0]) / dt;

const antGoal: Parts = (_, after, a, goal) => [
  -manhattan(after.position("torso"), goal),
  -0.1 * squares(a),
];
// frame_skip 5 of 0.01 s
const antDirection: Parts = (before, after, a, direction) => [
  along(before.position("torso"), after.position("torso"), direction) / 0.05,
  -0.5 * squares(a),
  contactCost(after),
  1,
];
const reacher3Link: Parts = (_, after, a, goal) => [
  -manhattan(after.position("fingertip"), goal),
  -0.1 * squares(a),
];
const reacher: Parts = (before, _, a, [x, y]) => {
  const [tipX, tipY] = before.position("fingertip");
  return [-Math.hypot(tipX - x, tipY - y), -squares(a)];
};
const swimmerGoal: Parts = (_, after, a, goal) => [
  -manhattan(after.position("torso"), goal),
  -1e-4 * squares(a),
];
// frame_skip 5 of 0.003 s; the published speed counts the way of five steps as that of one
const humanoid: Parts = (before, after, a, direction) => [
  0.25 * along(before.massCenter, after.massCenter, direction) / 0.003,
  -0.1 * squares(a),
  -Math.min(5e-7 * squares(after.contact), 10),
  5,
];

/** Reward parts, written down a second time from the published formulas. */
const REWARDS: Record<string, Parts> = {
  AntRandGoalModeEnv: antGoal,
  AntRandGoalMode1ModeEnv: antGoal,
  AntRandGoalMode2ModesEnv: antGoal,
  AntRandGoalMode6ModesEnv: antGoal,
  AntRandGoalEnv: (_, after, a, goal) => [
    -manhattan(after.position("torso"), goal),
    -0.1 * squares(a),
    contactCost(after),
  ],
  AntRandDirecEnv: antDirection,
  AntRandDirec2DEnv: antDirection,
  Reacher3LinkEnv: reacher3Link,
  Reacher3Link1ModeEnv: reacher3Link,
  Reacher3Link2ModeEnv: reacher3Link,
  Reacher3Link6ModeEnv: reacher3Link,
  ReacherEnv: reacher,
  Reacher2ModeEnv: reacher,
  Reacher6ModeEnv: reacher,
  // frame_skip 5 of 0.01 s
  HalfCheetahRandDirecEnv: (b, c, a, [d]) => [d * speed(b, c, 0.05), -0.05 * squares(a)],
  HalfCheetahRandVelEnv: (b, c, a, [v]) => [
    -Math.abs(speed(b, c, 0.05) - v),
    -0.05 * squares(a),
  ],
  HalfCheetahTargetLocationEnv: (_, c, a, [x]) => [
    -Math.abs(c.qpos[0] - x),
    -0.05 * squares(a),
  ],
  HalfCheetahTargetSpeedEnv: (b, c, a, [v]) => [
    -Math.abs(speed(b, c, 0.05) - v),
    -0.05 * squares(a),
  ],
  // frame_skip 8 of 0.002 s
  Walker2DRandDirecEnv: (b, c, a, [d]) => [d * speed(b, c, 0.016), -1e-3 * squares(a), 1],
  Walker2DRandVelEnv: (b, c, a, [v]) => [
    -Math.abs(speed(b, c, 0.016) - v),
    -1e-3 * squares(a),
    15,
  ],
  Walker2DTargetLocation: (_, c, a, [x]) => [-Math.abs(c.qpos[0] - x), -1e-3 * squares(a), 0],
  // frame_skip 5 and 4 of 0.002 s
  Walker2DRandParamsEnv: (b, c, a) => [speed(b, c, 0.01), -1e-3 * squares(a), 1],
  HopperRandParamsEnv: (b, c, a) => [speed(b, c, 0.008), -1e-3 * squares(a), 1],
  // frame_skip 4 of 0.01 s
  SwimmerRandVelEnv: (b, c, a, [v]) => [-Math.abs(speed(b, c, 0.04) - v), -1e-4 * squares(a)],
  SwimmerReach2ModesEnv: swimmerGoal,
  SwimmerReach4ModesEnv: swimmerGoal,
  HumanoidRandDirecEnv: humanoid,
  HumanoidRandDirec2DEnv: humanoid,
};

/** Plays `steps` steps and compares every reward part. */
async function compareRewards(name: string, parts: Parts, options = {}, steps = 30) {
  const { factory, env } = await open(name, options);
  const random = new KeyedRandom(11);
  const task = Array.from(begin(factory, env, random));
  let before = observeMoment(env);
  for (let t = 0; t < steps && !env.terminated; t++) {
    const action = drawAction(env, random, 0, t);
    env.step(action);
    const after = observeMoment(env);
    const wanted = parts(before, after, Array.from(action), task);
    assert.equal(env.rewardParts.length, wanted.length, name);
    wanted.forEach((part, r) => {
      close(env.rewardParts[r], part, `${name}, ${env.spec.rewardParts[r].name}, step ${t}`);
    });
    close(env.reward, wanted.reduce((sum, part) => sum + part, 0), `${name}, step ${t}`);
    before = after;
  }
  env.close();
}

test("the reward of every environment is the published formula", async () => {
  assert.deepEqual(Object.keys(REWARDS), mujocoNames());
  for (const [name, parts] of Object.entries(REWARDS)) await compareRewards(name, parts);
});

test("contacts cost: the ant's feet on the ground give forces", async () => {
  const { factory, env } = await open("AntRandGoalEnv");
  const random = new KeyedRandom(1);
  begin(factory, env, random);
  let touching = 0;
  for (let t = 0; t < 100; t++) {
    env.step(drawAction(env, random, 0, t));
    const felt = env.obs.subarray(29).some((force) => force !== 0);
    assert.equal(env.rewardParts[2] < 0, felt);
    if (felt) touching++;
  }
  assert.ok(touching > 10, `${touching} steps on the ground`);
  env.close();
});

test("compat mmaml-rl pays the swimmer for being wrong, as the published code does", async () => {
  await compareRewards(
    "SwimmerRandVelEnv",
    (b, c, a, [v]) => [Math.abs(speed(b, c, 0.04) - v), -1e-4 * squares(a)],
    { compat: "mmaml-rl" },
  );
});

test("standing still is worth what the published environments say", async () => {
  // Frozen 3-link arm: -25.6. Ant without torques: -1392, with a standard error of 30 over 40 tasks
  // and its modes in turn (the spread of |x| + |y| is about 1 m, times 250 steps).
  for (
    const [name, tasks, anchor, allowed] of [
      ["Reacher3LinkEnv", 1000, -25.6, 0.5],
      ["AntRandGoalModeEnv", 40, -1392, 100],
    ] as const
  ) {
    const { factory, env } = await open(name);
    const random = new KeyedRandom(3);
    const still = new Float64Array(env.spec.actDim);
    let sum = 0;
    for (let e = 0; e < tasks; e++) {
      begin(factory, env, random, e);
      if (name === "AntRandGoalModeEnv") {
        env.setTask(factory.sampleTasks(random, e, 1, e % 4).rows);
        env.reset(random);
      }
      for (let t = 0; t < env.spec.maxSteps; t++) {
        env.step(still);
        sum += env.reward;
      }
    }
    assert.ok(Math.abs(sum / tasks - anchor) < allowed, `${name}: ${sum / tasks}`);
    env.close();
  }
});

/** State that ends the episode after the next step, by environment: index of qpos, value. */
const falls: Readonly<Record<string, readonly (readonly [index: number, value: number])[]>> = {
  AntRandDirecEnv: [[2, 1.5]],
  AntRandDirec2DEnv: [[2, 1.5]],
  Walker2DRandDirecEnv: [[1, 0.7], [1, 2.2], [2, 1.2], [2, -1.2]],
  Walker2DRandVelEnv: [[1, 0.7], [2, 1.2]],
  Walker2DRandParamsEnv: [[1, 0.7], [2, 1.2]],
  HopperRandParamsEnv: [[1, 0.6], [2, 0.4], [2, -0.4]],
  HumanoidRandDirecEnv: [[2, 0.9], [2, 2.2]],
  HumanoidRandDirec2DEnv: [[2, 0.9], [2, 2.2]],
};

test("episodes end where the published ones do, and only there", async () => {
  const random = new KeyedRandom(8);
  for (const name of mujocoNames()) {
    const { factory, env } = await open(name);
    const still = new Float64Array(env.spec.actDim);
    begin(factory, env, random);
    env.step(still);
    assert.equal(env.terminated, false, name);
    // any robot, put where the ends are, ends only where its environment says so
    const states = falls[name] ?? [[env.sim.qpos.length > 9 ? 2 : 1, 1.5]];
    for (const [index, value] of states) {
      begin(factory, env, random);
      env.sim.qpos[index] = value;
      env.sim.forward();
      env.step(still);
      assert.equal(env.terminated, name in falls, `${name} at ${index}: ${value}`);
    }
    begin(factory, env, random);
    assert.equal(env.terminated, false, `${name} after a reset`);
    env.close();
  }
});

test("with terminate: never a robot that has fallen goes on", async () => {
  const random = new KeyedRandom(9);
  for (const name of mujocoNames()) {
    const hasOption = (await loadEnv(name)).spec.options.some(({ name }) => name === "terminate");
    assert.equal(hasOption, name in falls, name);
    if (!hasOption) {
      await assert.rejects(loadEnv(name, { terminate: "never" }), /"terminate": not an option/);
      continue;
    }
    const { factory, env } = await open(name, { terminate: "never" });
    const still = new Float64Array(env.spec.actDim);
    for (const [index, value] of falls[name]) {
      begin(factory, env, random);
      env.sim.qpos[index] = value;
      env.sim.forward();
      for (let t = 0; t < 20; t++) {
        const before = env.sim.qpos.slice();
        env.step(still);
        assert.equal(env.terminated, false, `${name} at ${index}: ${value}`);
        assert.ok(Number.isFinite(env.reward), name);
        assert.notDeepEqual(env.sim.qpos, before, name);
      }
    }
    env.close();
    // the rest of the environment is the same: an upright episode has the same rewards
    const [first, second] = await Promise.all(["never", "fallen"].map(async (terminate) => {
      const { factory, env } = await open(name, { terminate });
      begin(factory, env, random);
      const rewards = Array.from({ length: 3 }, () => {
        env.step(still);
        return [env.reward, ...env.obs];
      });
      env.close();
      return rewards;
    }));
    assert.deepEqual(first, second);
  }
});
