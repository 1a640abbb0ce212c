import assert from "node:assert/strict";
import { asFamleFactory } from "../../../src/envs/famle/famle_env.ts";
import type { FamleEnvFactory, Situation } from "../../../src/envs/famle/famle_env.ts";
import { loadEnv } from "../../../src/envs/registry.ts";
import { UserError } from "../../../src/util/errors.ts";
import { KeyedRandom, Purpose } from "../../../src/util/prng.ts";
import { famle } from "./helpers.ts";

const NAMES = ["famle_reacher", "famle_ant"];

/** Motors' factors with one of them changed. */
function factors(count: number, index: number, value: number): number[] {
  return Array.from({ length: count }, (_, i) => i === index ? value : 1);
}

const range = (count: number) => Array.from({ length: count }, (_, i) => i);

Deno.test("the arm's situations are the 11 published ones", async () => {
  const { situations, spec, motors, sensors, testDamage } = await famle("famle_reacher");
  assert.deepEqual([motors, sensors, spec.taskDim, spec.modes], [5, 5, 12, 11]);
  const behind = [0, 0, 0, 0, 0, -1, 1];
  assert.deepEqual(situations.map(({ row }) => Array.from(row)), [
    [1, 1, 1, 1, 1, ...behind],
    ...range(5).map((j) => [...factors(5, j, 0), ...behind]),
    ...range(5).map((j) => [...factors(5, j, -1), ...behind]),
  ]);
  assert.deepEqual(situations.map(({ name }) => name), [
    "healthy",
    ...range(5).map((j) => `joint ${j} dead`),
    ...range(5).map((j) => `joint ${j} reversed`),
  ]);
  assert.deepEqual(Array.from(testDamage.row), [-1, 1, 1, 0, 1, ...behind]);
  assert.equal(testDamage.name, "joint 0 reversed, joint 3 dead");
});

Deno.test("the ant's situations are the 20 published ones", async () => {
  const { situations, spec, motors, sensors, testDamage } = await famle("famle_ant");
  assert.deepEqual([motors, sensors, spec.taskDim, spec.modes], [8, 1, 9, 20]);
  assert.deepEqual(situations.map(({ row }) => Array.from(row)), [
    [1, 1, 1, 1, 1, 1, 1, 1, 0],
    ...range(8).map((j) => [...factors(8, j, 0), 0]),
    ...range(11).map((k) => [1, 1, 1, 1, 1, 1, 1, 1, (k + 1) / 12]),
  ]);
  assert.deepEqual(
    [0, 1, 9, 10, 19].map((i) => situations[i].name),
    [
      ...["healthy", "hip_4 dead", "yaw read 30 degrees off", "yaw read 60 degrees off"],
      "yaw read 330 degrees off",
    ],
  );
  assert.deepEqual(Array.from(testDamage.row), [1, 1, 1, 1, 1, 1, 0, 0, 0]);
  assert.equal(testDamage.name, "hip_3 dead, ankle_3 dead");
});

Deno.test("sampleTasks() hands out the situations in turn", async () => {
  for (const name of NAMES) {
    const { spec, situations, sampleTasks } = await famle(name);
    const D = spec.taskDim;
    const { rows, modes } = sampleTasks(new KeyedRandom(1), 7, 45);
    for (let m = 0; m < 45; m++) {
      assert.equal(modes[m], m % situations.length);
      assert.deepEqual(rows.slice(m * D, (m + 1) * D), situations[modes[m]].row);
    }
    const one = sampleTasks(new KeyedRandom(1), 0, 3, 5);
    assert.deepEqual(Array.from(one.modes), [5, 5, 5]);
    assert.deepEqual(one.rows.slice(2 * D), situations[5].row);
  }
});

Deno.test("asFamleFactory() knows the FAMLE environments from the others", async () => {
  for (const name of NAMES) assert.ok(asFamleFactory(await loadEnv(name)) !== null);
  assert.equal(asFamleFactory(await loadEnv("MetaPointEnvMomentum")), null);
  assert.equal(asFamleFactory(await loadEnv("AntRandDirecEnv")), null);
});

/** Whether two damages are as far apart as drawn ones are from those learned from. */
function apart({ motors, sensors }: FamleEnvFactory, a: Situation, b: Situation): boolean {
  // bounds of the draws, give or take the rounding of a few operations
  const factorsApart = range(motors).some((i) => Math.abs(a.row[i] - b.row[i]) >= 0.25 - 1e-12);
  const offsetsApart = range(sensors).some((i) => {
    const turns = a.row[motors + i] - b.row[motors + i];
    return Math.abs(turns - Math.round(turns)) >= 1 / 36 - 1e-12;
  });
  return factorsApart || offsetsApart;
}

Deno.test("drawDamage() never comes near what is learned from, over 1000 draws of each kind", async () => {
  const random = new KeyedRandom(11);
  for (const name of NAMES) {
    const factory = await famle(name);
    const { motors, sensors, spec, situations } = factory;
    for (const motor of [false, true]) {
      for (const sensor of [false, true]) {
        if (!motor && !sensor) continue;
        const damaged = new Set<number>();
        const rows = new Set<string>();
        for (let i = 0; i < 1000; i++) {
          const drawn = factory.drawDamage(random.at(Purpose.TEST_DATA, i), { motor, sensor });
          const where = `${name} ${drawn.name}`;
          for (const learned of situations) assert.ok(apart(factory, drawn, learned), where);
          rows.add(String(drawn.row));
          drawn.row.forEach((value, d) => {
            assert.ok(value >= spec.task[d].low && value <= spec.task[d].high, where);
          });
          const hurt = (from: number, count: number) =>
            range(count).map((d) => from + d).filter((d) => drawn.row[d] !== situations[0].row[d]);
          const [hurtMotors, hurtSensors] = [hurt(0, motors), hurt(motors, sensors)];
          assert.ok(motor ? [1, 2].includes(hurtMotors.length) : hurtMotors.length === 0, where);
          assert.equal(hurtSensors.length, sensor ? 1 : 0, where);
          assert.deepEqual(
            drawn.row.slice(motors + sensors),
            situations[0].row.slice(motors + sensors),
          );
          for (const d of [...hurtMotors, ...hurtSensors]) damaged.add(d);
          // the arm can't turn to its goal in an episode with less than the strength of joint 0
          if (name === "famle_reacher") assert.equal(Math.abs(drawn.row[0]), 1, where);
        }
        assert.equal(damaged.size, (motor ? motors : 0) + (sensor ? sensors : 0));
        // two dead or reversed motors come up again
        assert.ok(rows.size > 600, `${name}: ${rows.size} different damages`);
      }
    }
  }
});

Deno.test("drawDamage() depends on the key alone", async () => {
  for (const name of NAMES) {
    const draw = async (seed: number, key: number) => {
      const random = new KeyedRandom(seed);
      random.normal();
      const kinds = { motor: true, sensor: true };
      return (await famle(name)).drawDamage(random.at(Purpose.TEST_DATA, key), kinds);
    };
    assert.deepEqual(await draw(1, 2), await draw(1, 2));
    assert.notDeepEqual(await draw(1, 2), await draw(1, 3));
    assert.notDeepEqual(await draw(1, 2), await draw(2, 2));
    const factory = await famle(name);
    assert.throws(
      () => factory.drawDamage(new KeyedRandom(1), { motor: false, sensor: false }),
      RangeError,
    );
  }
});

Deno.test("damageOf() takes factors, offsets behind them, or a whole task", async () => {
  const arm = await famle("famle_reacher");
  assert.deepEqual(arm.damageOf([-1, 1, 1, 0, 1]), arm.testDamage);
  assert.deepEqual(arm.damageOf([-1, 1, 1, 0, 1, 0, 0, 0, 0, 0]), arm.testDamage);
  const all = arm.damageOf([1, 0.123456, 1, 1, 1, 0, 0.25, 0, 0, -1, 0.5, -0.5]);
  assert.equal(
    all.name,
    "joint 1 at 0.1235, joint 1 read 90 degrees off, joint 4 read -360 degrees off",
  );
  assert.deepEqual(Array.from(all.row.slice(5)), [0, 0.25, 0, 0, -1, 0.5, -0.5]);
  const ant = await famle("famle_ant");
  assert.equal(ant.damageOf([1, 1, 1, 1, 1, 1, 1, 1]).name, "healthy");
  assert.equal(ant.damageOf([1, 1, 1, 1, 1, 1, 1, -0.5, 0.5]).row[8], 0.5);
});

Deno.test("damageOf() refuses other lengths and values in one line", async () => {
  const arm = await famle("famle_reacher");
  const refused = (values: number[], message: RegExp) => {
    assert.throws(() => arm.damageOf(values), (error) => {
      assert.ok(error instanceof UserError && error.code === "damage");
      assert.match(error.message, message);
      assert.ok(!error.message.includes("\n"));
      return true;
    });
  };
  refused(
    [1, 1, 1],
    /^Cannot damage famle_reacher by 3 numbers; give 5 factors of its motors, or /,
  );
  refused([], /by 0 numbers/);
  refused(Array(11).fill(0), /by 11 numbers/);
  refused([1, 1, NaN, 1, 1], /number 2 \(motor_2\) is NaN; give one from -1 to 1$/);
  refused([1, 1, 1, 1, 1.01], /number 4 \(motor_4\) is 1\.01/);
  refused([1, 1, 1, -Infinity, 1], /number 3 \(motor_3\) is -Infinity/);
  refused([1, 1, 1, 1, 1, 0, 0, 0, 0, 1.5], /number 9 \(sensor_4\) is 1\.5/);
  refused(
    [1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 2],
    /number 11 \(goal_y\) is 2; give one from -1\.5 to/,
  );
});
