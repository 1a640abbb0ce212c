import assert from "node:assert/strict";
import { modelFacts } from "../../../src/envs/mujoco/facts.ts";
import { KeyedRandom } from "../../../src/util/prng.ts";
import { begin, close, open } from "./helpers.ts";
import { testNeeding } from "../../permissions.ts";

const test = testNeeding("read");

const RESETS = 600;

/** By environment: positions +- p; velocities +- v (uniform) or N(0, v). */
const STARTS: Record<string, [p: number, v: number, kind: "uniform" | "normal"]> = {
  AntRandGoalModeEnv: [0.1, 0.1, "normal"],
  AntRandGoalEnv: [0.1, 0.1, "normal"],
  AntRandDirecEnv: [0.1, 0.1, "normal"],
  HalfCheetahRandVelEnv: [0.1, 0.1, "normal"],
  Walker2DRandVelEnv: [0.005, 0.005, "uniform"],
  HopperRandParamsEnv: [0.005, 0.005, "uniform"],
  SwimmerRandVelEnv: [0.1, 0.1, "uniform"],
  HumanoidRandDirecEnv: [0.01, 0.01, "uniform"],
  Reacher3LinkEnv: [0.1, 0.005, "uniform"],
  Reacher6ModeEnv: [0.1, 0.005, "uniform"],
};

/** Uniform in +- limit: never outside; the outer 4 % on both sides are reached. */
function fills(values: number[], limit: number, what: string) {
  const least = Math.min(...values);
  const largest = Math.max(...values);
  // missed with probability 0.98^600 = 5e-6
  assert.ok(least >= -limit && least < -0.96 * limit, `${what}: ${least}`);
  assert.ok(largest <= limit && largest > 0.96 * limit, `${what}: ${largest}`);
}

test("episodes start around the model's initial state as the published ones do", async () => {
  const random = new KeyedRandom(21);
  for (const [name, [p, v, kind]] of Object.entries(STARTS)) {
    const { factory, env } = await open(name);
    const { sim } = env;
    const { qpos0 } = modelFacts(sim.model);
    const positions: number[][] = qpos0.map(() => []);
    const velocities: number[][] = Array.from(sim.qvel, () => []);
    for (let e = 0; e < RESETS; e++) {
      const task = begin(factory, env, random, e);
      sim.qpos.forEach((q, i) => positions[i].push(q - qpos0[i]));
      sim.qvel.forEach((rate, i) => velocities[i].push(rate));
      if (name !== "Reacher6ModeEnv") continue;
      // the target lies still at the goal, and the arm sees it there
      assert.deepEqual(Array.from(sim.qpos.subarray(2)), Array.from(task));
      assert.deepEqual(Array.from(sim.qvel.subarray(2)), [0, 0]);
      assert.deepEqual(Array.from(env.obs.subarray(4, 6)), Array.from(task));
    }
    const free = sim.qpos.length !== sim.qvel.length;
    const moving = name === "Reacher6ModeEnv" ? 2 : Infinity;
    positions.forEach((values, i) => {
      if (i >= moving) return;
      // a quaternion is 1 + noise, 0 + noise ... before it is given length 1
      if (free && i >= 3 && i < 7) return;
      // differences of numbers of size 1
      fills(values, p + 1e-15, `${name}, position ${i}`);
    });
    if (free) {
      for (let e = 0; e < RESETS; e++) {
        const [w, x, y, z] = [3, 4, 5, 6].map((i) => positions[i][e] + qpos0[i]);
        close(Math.hypot(w, x, y, z), 1, `${name}, length of the quaternion`);
        assert.ok(Math.abs(x / w) <= p / (1 - p) && x !== 0, name);
      }
    }
    velocities.forEach((values, i) => {
      if (i >= moving) return;
      if (kind === "uniform") return fills(values, v, `${name}, velocity ${i}`);
      const variance = values.reduce((sum, x) => sum + x * x, 0) / RESETS;
      const allowed = 5 * v ** 2 * Math.sqrt(2 / RESETS);
      assert.ok(Math.abs(variance - v ** 2) <= allowed, `${name}, velocity ${i}: ${variance}`);
    });
    env.close();
  }
});

test("a reset clears the last episode", async () => {
  const random = new KeyedRandom(22);
  const { factory, env } = await open("Walker2DRandDirecEnv");
  begin(factory, env, random);
  const first = Array.from(env.obs);
  env.sim.qpos[1] = 0.5;
  env.step(new Float64Array(6).fill(1));
  assert.ok(env.terminated);
  begin(factory, env, random);
  assert.deepEqual(Array.from(env.obs), first);
  assert.deepEqual([env.terminated, env.reward, ...env.rewardParts], [false, 0, 0, 0, 0]);
  assert.deepEqual(Array.from(env.sim.ctrl), [0, 0, 0, 0, 0, 0]);
  env.close();
});
