import assert from "node:assert/strict";
import { loadEnv } from "../../src/envs/registry.ts";
import { MomentumPointEnv } from "../../src/envs/point/momentum_family.ts";
import { PositionEnv } from "../../src/envs/point/position_env.ts";
import { replayMomentum } from "../../src/envs/point/replay.ts";
import { KeyedRandom, Purpose } from "../../src/util/prng.ts";
import golden from "../golden/point_env.json" with { type: "json" };

async function momentumEnv(options: Record<string, unknown>) {
  const env = await (await loadEnv("MetaPointEnvMomentumModes", options)).createInstance();
  assert.ok(env instanceof MomentumPointEnv);
  return env;
}

async function positionEnv(name: string, options: Record<string, unknown> = {}) {
  const env = await (await loadEnv(name, options)).createInstance();
  assert.ok(env instanceof PositionEnv);
  return env;
}

/** Values agree but for the rounding of a few operations. */
function close(found: number, wanted: number, message?: string) {
  assert.ok(Math.abs(found - wanted) <= 1e-12 * (1 + Math.abs(wanted)), message ?? `${found}`);
}

Deno.test("replayMomentum() reproduces the golden trajectories", async () => {
  assert.ok(golden.cases.length > 0);
  for (const { goal, initial_position, initial_velocity, actions, expected } of golden.cases) {
    const state = [...initial_position, ...initial_velocity];
    const { observations, rewards } = await replayMomentum(goal, state, actions);
    assert.equal(observations.length, expected.observations.length);
    observations.flat().forEach((x, i) => close(x, expected.observations.flat()[i]));
    assert.equal(rewards.length, expected.rewards.length);
    rewards.forEach((reward, t) => close(reward, expected.rewards[t]));
  }
});

Deno.test("the momentum environment adds the clipped action to the velocity, then moves", async () => {
  const env = await momentumEnv({});
  env.setTask([3, 4]);
  env.setState([0, 0, 0.5, -0.25]);
  env.step(Float64Array.of(0.0625, -7)); // -7 is clipped to -0.1
  assert.deepEqual(Array.from(env.obs), [0.5625, -0.35, 0.5625, -0.35]);
  // the reward belongs to the new position: distance from (0.5625, -0.35) to (3, 4)
  close(env.reward, -Math.sqrt(2.4375 ** 2 + 4.35 ** 2));
});

Deno.test("the momentum environment pays dense, squared and sparse rewards", async () => {
  const rewardAt = async (options: Record<string, unknown>, x: number) => {
    const env = await momentumEnv(options);
    env.setTask([0, 0]);
    env.setState([x, 0, 0, 0]);
    env.step(Float64Array.of(0, 0));
    return env.reward;
  };
  assert.equal(await rewardAt({ reward_type: "dense" }, 1.5), -1.5);
  assert.equal(await rewardAt({ reward_type: "dense_squared" }, 1.5), -2.25);
  assert.equal(await rewardAt({ reward_type: "sparse" }, 1.5), 0.5);
  assert.equal(await rewardAt({ reward_type: "sparse" }, 2.5), 0);
  assert.equal(await rewardAt({ reward_type: "sparse", sparse_reward_radius: 3 }, 2.5), 0.5);
});

Deno.test("point environments start within their square, at rest or nearly so", async () => {
  for (
    const [name, limits] of [
      ["MetaPointEnvMomentum", [0.2, 0.2, 0.1, 0.1]],
      ["MetaPointEnvCorner", [0.2, 0.2]],
    ] as const
  ) {
    const env = await (await loadEnv(name)).createInstance();
    const random = new KeyedRandom(1);
    const least = limits.map(() => Infinity);
    const largest = limits.map(() => -Infinity);
    for (let e = 0; e < 500; e++) {
      env.reset(random.at(Purpose.ENV_RESET, 0, 0, 0, e));
      env.obs.forEach((value, i) => {
        least[i] = Math.min(least[i], value);
        largest[i] = Math.max(largest[i], value);
      });
    }
    limits.forEach((limit, i) => {
      // all 500 draws inside, and the outer 4 % on both sides reached (missed: 0.98^500 = 4e-5)
      assert.ok(least[i] >= -limit && least[i] < -0.96 * limit, `${name} ${i}`);
      assert.ok(largest[i] <= limit && largest[i] > 0.96 * limit, `${name} ${i}`);
    });
  }
});

Deno.test("the momentum tasks have the published modes, noise and order", async () => {
  const height = 5 * Math.sqrt(3) / 2;
  const families: [string, number[][], number][] = [
    ["MetaPointEnvMomentum", [[-2, -2], [2, -2], [-2, 2], [2, 2]], 0],
    ["MetaPointEnvMomentumModes", [[-5, -5], [5, -5], [-5, 5], [5, 5]], 1],
    ["MetaPointEnvMomentum1Mode", [[5, 5]], 1],
    ["MetaPointEnvMomentum2Modes", [[-5, -5], [5, 5]], 1],
    [
      "MetaPointEnvMomentum6Modes",
      [[5, 0], [2.5, height], [-2.5, height], [-2.5, -height], [2.5, -height], [-5, 0]],
      1,
    ],
  ];
  const count = 12_000;
  for (const [name, modes, noise] of families) {
    const factory = await loadEnv(name);
    const { rows, modes: drawn } = factory.sampleTasks(new KeyedRandom(4), 0, count);
    const visits = modes.map(() => 0);
    const sums = [0, 0];
    const squares = [0, 0];
    for (let m = 0; m < count; m++) {
      visits[drawn[m]]++;
      for (let i = 0; i < 2; i++) {
        const deviation = rows[2 * m + i] - modes[drawn[m]][i];
        if (noise === 0) assert.equal(deviation, 0);
        sums[i] += deviation;
        squares[i] += deviation * deviation;
      }
    }
    const share = 1 / modes.length;
    for (const visit of visits) {
      assert.ok(Math.abs(visit - count * share) <= 5 * Math.sqrt(count * share * (1 - share)));
    }
    for (let i = 0; i < 2; i++) {
      // five standard errors of a mean (noise) and of a variance (noise^2 sqrt(2))
      assert.ok(Math.abs(sums[i] / count) <= 5 * noise / Math.sqrt(count), name);
      const variance = squares[i] / count;
      assert.ok(Math.abs(variance - noise ** 2) <= 5 * noise ** 2 * Math.sqrt(2 / count), name);
    }
  }
  const inTurn = (await loadEnv("MetaPointEnvMomentum6Modes"))
    .sampleTasks(new KeyedRandom(4), 0, 14);
  assert.deepEqual(Array.from(inTurn.modes), [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0, 1]);
});

Deno.test("standing still is worth what the task distribution says", async () => {
  // E |c + N(0, 1)^2| = |c| + 1 / (2 |c|) + ..., times 100 steps: 714 with |c| = sqrt(50), 510 with 5
  for (
    const [name, anchor] of [
      ["MetaPointEnvMomentumModes", 714],
      ["MetaPointEnvMomentum6Modes", 510],
    ] as const
  ) {
    const factory = await loadEnv(name);
    const count = 20_000;
    const { rows } = factory.sampleTasks(new KeyedRandom(9), 0, count);
    let sum = 0;
    for (let m = 0; m < count; m++) sum += 100 * Math.hypot(rows[2 * m], rows[2 * m + 1]);
    // the standard error of the mean is 100 / sqrt(20000) = 0.7
    assert.ok(Math.abs(sum / count - anchor) < 4, `${name}: ${sum / count}`);
  }
});

Deno.test("the corner environment pays progress where the goal is the nearest corner", async () => {
  const env = await positionEnv("MetaPointEnvCorner");
  env.setTask([2, 2]);
  env.setState([1, 1]);
  env.step(Float64Array.of(0.125, 5)); // clipped to 0.2
  assert.deepEqual(Array.from(env.obs), [1.125, 1.2]);
  close(env.reward, Math.SQRT2 - Math.sqrt(0.875 ** 2 + 0.8 ** 2));
  // nearest corner is (2, -2)
  env.setState([1, -1]);
  env.step(Float64Array.of(0.125, 0.125));
  assert.equal(env.reward, 0);
  // |x| + |y| = 0.375 < 0.5 although the goal is the nearest corner
  env.setState([0.125, 0.125]);
  env.step(Float64Array.of(0.125, 0));
  assert.equal(env.reward, 0);
  const dense = await positionEnv("MetaPointEnvCorner", { reward_type: "dense" });
  dense.setTask([2, 2]);
  dense.setState([2, 1]);
  dense.step(Float64Array.of(0, 0.125));
  assert.equal(dense.reward, -0.875);
});

Deno.test("the walls stop a point that leaves away from the gap, on the inner side", async () => {
  const env = await positionEnv("MetaPointEnvWalls");
  env.setTask([2, 2, 1, 0, 0, 2]); // inner gap at (1, 0), outer gap at (0, 2)
  const stepFrom = (x: number, y: number, dx: number, dy: number) => {
    env.setState([x, y]);
    env.step(Float64Array.of(dx, dy));
    return Array.from(env.obs);
  };
  // inner wall at (-1, 0): 2 away from the gap
  const stopped = stepFrom(-0.9375, 0, -0.125, 0);
  close(stopped[0], -1.0625 / (1.0625 + 1e-6));
  assert.ok(Math.hypot(...stopped) < 1);
  // the reward is that of the place before the wall pushed back
  close(env.reward, -Math.hypot(2 + 1.0625, 2));
  // through the gap
  assert.deepEqual(stepFrom(0.9375, 0, 0.125, 0), [1.0625, 0]);
  // outer wall, away from its gap at (0, 2)
  const outer = stepFrom(1.9375, 0, 0.125, 0);
  close(outer[0], 2.0625 / (1.03125 + 1e-6));
  assert.ok(outer[0] < 2);
  assert.deepEqual(stepFrom(0, 1.9375, 0, 0.125), [0, 2.0625]);
  // inwards nothing stops it
  assert.deepEqual(stepFrom(-1.0625, 0, 0.125, 0), [-0.9375, 0]);
});

Deno.test("the gaps in the walls lie on their circles in all directions", async () => {
  const factory = await loadEnv("MetaPointEnvWalls");
  const count = 2000;
  const { rows } = factory.sampleTasks(new KeyedRandom(1), 0, count);
  const sums = [0, 0, 0, 0];
  for (let m = 0; m < count; m++) {
    const row = rows.subarray(6 * m, 6 * m + 6);
    close(Math.hypot(row[2], row[3]), 1);
    close(Math.hypot(row[4], row[5]), 2);
    for (let i = 0; i < 4; i++) sums[i] += row[2 + i] / (i < 2 ? 1 : 2);
  }
  // a coordinate of a uniform direction has variance 1/2
  for (const sum of sums) assert.ok(Math.abs(sum / count) < 5 * Math.sqrt(0.5 / count));
});

Deno.test("the walls' sparse reward pays progress within the radius only", async () => {
  const env = await positionEnv("MetaPointEnvWalls", { reward_type: "sparse" });
  env.setTask([2, 2, 1, 0, 0, 2]);
  env.setState([1.5, 1]);
  env.step(Float64Array.of(0, 0.125));
  close(env.reward, Math.hypot(0.5, 1) - Math.hypot(0.5, 0.875));
  env.setState([0.25, 0.25]);
  env.step(Float64Array.of(0.125, 0.125));
  assert.equal(env.reward, 0);
});
