import assert from "node:assert/strict";
import { asFamleFactory } from "../../src/envs/famle/famle_env.ts";
import { scaleAction } from "../../src/envs/env.ts";
import { envNames, loadEnv, resolveEnvName } from "../../src/envs/registry.ts";
import { UserError } from "../../src/util/errors.ts";
import { KeyedRandom, Purpose } from "../../src/util/prng.ts";
import { testNeeding } from "../permissions.ts";

const test = testNeeding("read");

/** Every registered environment, with every value of its choice and boolean options. */
async function* variants() {
  for (const name of envNames()) {
    const { spec } = await loadEnv(name);
    yield { name, options: {} };
    for (const option of spec.options) {
      const values = option.kind === "choice"
        ? option.choices
        : option.kind === "boolean"
        ? [false, true]
        : [option.default];
      for (const value of values) yield { name, options: { [option.name]: value } };
    }
  }
}

/** Episodes played per environment and option; more tasks are drawn than played. */
const EPISODES = 4;

test("every environment behaves as its tables say", async () => {
  for await (const { name, options } of variants()) {
    const factory = await loadEnv(name, options);
    const { spec } = factory;
    const where = `${name} ${JSON.stringify(options)}`;
    const env = await factory.createInstance();
    const twin = await factory.createInstance();

    assert.equal(spec.name, name);
    assert.ok(spec.description.length > 0 && !spec.description.includes("\n"), where);
    assert.ok(spec.maxSteps > 0 && Number(spec.version) >= 1);
    for (const rows of [spec.observation, spec.action, spec.task]) {
      assert.equal(new Set(rows.map((row) => row.name)).size, rows.length, where);
      for (const row of rows) assert.ok(row.meaning && row.unit && row.low < row.high, where);
    }
    for (const row of spec.rewardParts) assert.ok(row.name && row.meaning && row.unit, where);
    for (const row of spec.action) assert.ok(Number.isFinite(row.high - row.low), where);
    assert.deepEqual(
      [spec.obsDim, spec.actDim, spec.taskDim],
      [spec.observation.length, spec.action.length, spec.task.length],
    );
    assert.equal(env.obs.length, spec.obsDim, where);
    assert.equal(env.rewardParts.length, spec.rewardParts.length, where);

    const random = new KeyedRandom(3);
    const tasks = factory.sampleTasks(random, 2, 20);
    assert.equal(tasks.rows.length, 20 * spec.taskDim);
    const action = new Float64Array(spec.actDim);
    for (let m = 0; m < tasks.count; m++) {
      const row = tasks.rows.slice(m * spec.taskDim, (m + 1) * spec.taskDim);
      row.forEach((value, i) => {
        assert.ok(value >= spec.task[i].low && value <= spec.task[i].high, `${where} task ${i}`);
      });
      assert.ok(tasks.modes[m] >= 0 && tasks.modes[m] < Math.max(spec.modes, 1), where);
      for (const instance of [env, twin]) instance.setTask(row);
      if (m >= EPISODES) continue;
      // the row is copied
      row.fill(NaN);
      for (const instance of [env, twin]) instance.reset(random.at(Purpose.ENV_RESET, 0, m));
      for (let t = 0; t < spec.maxSteps; t++) {
        env.obs.forEach((value, i) => {
          const { low, high } = spec.observation[i];
          assert.ok(value >= low && value <= high, `${where} observation ${i}: ${value}`);
        });
        assert.deepEqual(twin.obs, env.obs);
        random.at(Purpose.TEST_DATA, 0, m, 0, 0, t);
        for (let a = 0; a < spec.actDim; a++) {
          action[a] = random.uniformRange(spec.actionLow[a], spec.actionHigh[a]);
        }
        env.step(action);
        twin.step(action);
        const sum = env.rewardParts.reduce((total, part) => total + part, 0);
        // parts are added in another order: a few roundings
        assert.ok(Math.abs(sum - env.reward) <= 1e-12 * (1 + Math.abs(sum)), where);
        assert.ok(Number.isFinite(env.reward), where);
        assert.equal(env.reward, twin.reward, where);
        if (env.terminated) break;
      }
    }
    env.close();
    twin.close();
  }
});

test("sampleTasks() gives task m whatever the count, and other tasks in other iterations", async () => {
  for (const name of envNames()) {
    const factory = await loadEnv(name);
    const few = factory.sampleTasks(new KeyedRandom(1), 5, 3);
    const random = new KeyedRandom(1).at(Purpose.TEST_DATA);
    random.normal();
    const many = factory.sampleTasks(random, 5, 30);
    assert.deepEqual(many.rows.slice(0, few.rows.length), few.rows);
    assert.deepEqual(many.modes.slice(0, 3), few.modes);
    const key = (batch: { rows: Float64Array }) => String(batch.rows);
    // situations are handed out in turn: every iteration has the same
    if (asFamleFactory(factory) !== null) continue;
    assert.notEqual(key(factory.sampleTasks(new KeyedRandom(2), 5, 30)), key(many));
    assert.notEqual(
      key(factory.sampleTasks(new KeyedRandom(1), 6, 30)),
      key(many),
      `${name}: iterations 5 and 6 have the same tasks`,
    );
  }
});

test("sampleTasks() restricts to one mode and keeps the rest of the draw", async () => {
  for (const name of envNames()) {
    const factory = await loadEnv(name);
    const free = factory.sampleTasks(new KeyedRandom(1), 0, 40);
    for (let mode = 0; mode < factory.spec.modes; mode++) {
      const tasks = factory.sampleTasks(new KeyedRandom(1), 0, 40, mode);
      for (let m = 0; m < tasks.count; m++) {
        assert.equal(tasks.modes[m], mode);
        if (free.modes[m] !== mode) continue;
        const row = [m * tasks.taskDim, (m + 1) * tasks.taskDim] as const;
        assert.deepEqual(tasks.rows.slice(...row), free.rows.slice(...row));
      }
    }
    for (const mode of [-1, factory.spec.modes, 0.5]) {
      assert.throws(() => factory.sampleTasks(new KeyedRandom(1), 0, 4, mode), (error) => {
        return error instanceof UserError && error.code === "env-mode";
      });
    }
  }
});

Deno.test("loadEnv() accepts aliases and names the nearest environment", async () => {
  assert.equal(resolveEnvName("MetaPointEnvMomentumSingleMode"), "MetaPointEnvMomentum1Mode");
  assert.equal((await loadEnv("MetaPointEnvMomentumModes6Modes")).spec.modes, 6);
  await assert.rejects(loadEnv("MetaPointEnvMomentumMode"), (error) => {
    assert.ok(error instanceof UserError && error.code === "env-unknown");
    assert.match(error.message, /did you mean "MetaPointEnvMomentumModes"\?$/);
    return true;
  });
  await assert.rejects(loadEnv("CartPole"), /known are .*MetaPointEnvWalls/);
});

Deno.test("loadEnv() refuses unknown options and values, and names what is allowed", async () => {
  const refused = async (options: Record<string, unknown>, message: RegExp) => {
    await assert.rejects(loadEnv("MetaPointEnvCorner", options), (error) => {
      assert.ok(error instanceof UserError && error.code === "env-option");
      assert.match(error.message, message);
      return true;
    });
  };
  await refused({ reward_typ: "dense" }, /"reward_typ".*did you mean "reward_type"\?$/);
  await refused({ reward_type: "denze" }, /"denze"; give one of "dense", "dense_squared"/);
  await refused({ reward_type: 1 }, /to 1; give one of/);
  await refused({ sparse_reward_radius: -1 }, /to -1; give a number from 0/);
  await refused({ sparse_reward_radius: 2e6 }, /to 2000000; give a number from 0 to 1000000/);
  await refused({ sparse_reward_radius: "2" }, /to "2"; give a number/);
  await refused({ sparse_reward_radius: NaN }, /give a number/);
});

Deno.test("scaleAction() maps +-10 to the bounds, linearly, and clips", () => {
  assert.equal(scaleAction(-10, -2, 4), -2);
  assert.equal(scaleAction(10, -2, 4), 4);
  assert.equal(scaleAction(0, -2, 4), 1);
  assert.equal(scaleAction(5, -2, 4), 2.5);
  assert.equal(scaleAction(11, -2, 4), 4);
  assert.equal(scaleAction(-1e9, -2, 4), -2);
});
