/** Tests of the environments' oracles and goals. */
import assert from "node:assert/strict";
import { loadEnv } from "../../src/envs/registry.ts";
import { KeyedRandom, Purpose } from "../../src/util/prng.ts";

const POINTS = [
  "MetaPointEnvMomentum",
  "MetaPointEnvMomentumModes",
  "MetaPointEnvMomentum6Modes",
  "MetaPointEnvCorner",
  "MetaPointEnvWalls",
];

for (const name of POINTS) {
  Deno.test(`the oracle of ${name} reaches every goal within the action's bounds and stays`, async () => {
    const factory = await loadEnv(name, { reward_type: "dense" });
    const { maxSteps, taskDim, actionHigh } = factory.spec;
    const random = new KeyedRandom(3);
    const count = 60;
    const { rows } = factory.sampleTasks(random, 0, count);
    const env = await factory.createInstance();
    const action = new Float64Array(2);
    const place = new Float64Array(2);
    for (let m = 0; m < count; m++) {
      const row = rows.subarray(m * taskDim, (m + 1) * taskDim);
      const [goalX, goalY] = factory.goalOf!(row);
      env.setTask(row);
      env.reset(random.at(Purpose.ENV_RESET, 0, m));
      for (let t = 0; t < maxSteps; t++) {
        factory.oracle!.act(env.obs, row, action);
        for (const a of action) assert.ok(Math.abs(a) <= actionHigh[0], `action ${a}`);
        env.step(action);
        if (t < maxSteps - 10) continue;
        env.tracePosition!(place);
        const distance = Math.hypot(place[0] - goalX, place[1] - goalY);
        assert.ok(distance < 1e-9, `task ${m}, step ${t}: ${distance} m from the goal`);
      }
    }
    env.close();
  });
}

Deno.test("the momentum oracle arrives no later than full acceleration and braking take", async () => {
  // from rest, 5 m along one axis at 0.1 m/step^2: accelerating n steps and braking as long covers
  // n^2 / 10, so 2 sqrt(50) = 14.1 steps and one more for rounding to whole steps
  const factory = await loadEnv("MetaPointEnvMomentumModes");
  const env = await factory.createInstance();
  const task = Float64Array.of(5, 0);
  env.setTask(task);
  env.reset(new KeyedRandom(1).at(Purpose.ENV_RESET));
  env.obs.fill(0);
  const action = new Float64Array(2);
  let arrived = -1;
  for (let t = 1; t <= 30 && arrived < 0; t++) {
    factory.oracle!.act(env.obs, task, action);
    env.step(action);
    if (Math.abs(env.obs[0] - 5) < 1e-9 && Math.abs(env.obs[2]) < 1e-9) arrived = t;
  }
  assert.ok(arrived > 0 && arrived <= 16, String(arrived));
  env.close();
});

Deno.test("goalOf() and tracePosition() agree with the reward of the arm", async () => {
  const factory = await loadEnv("Reacher3LinkEnv");
  const random = new KeyedRandom(4);
  const { rows, taskDim } = factory.sampleTasks(random, 0, 3);
  const env = await factory.createInstance();
  const place = new Float64Array(2);
  const control = new Float64Array(factory.spec.actDim);
  for (let m = 0; m < 3; m++) {
    const row = rows.subarray(m * taskDim, (m + 1) * taskDim);
    env.setTask(row);
    env.reset(random.at(Purpose.ENV_RESET, 0, m));
    env.step(control);
    env.tracePosition!(place);
    const [x, y] = factory.goalOf!(row);
    const distance = -env.rewardParts[0];
    // the reward adds the difference in height, some centimetres at most
    const inPlane = Math.abs(place[0] - x) + Math.abs(place[1] - y);
    assert.ok(distance >= inPlane && distance - inPlane < 0.05, `${distance}, ${inPlane}`);
  }
  env.close();
});
