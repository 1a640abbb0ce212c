import assert from "node:assert/strict";
import type { ValueRow } from "../../../src/envs/env.ts";
import { type ModelFacts, modelFacts } from "../../../src/envs/mujoco/facts.ts";
import { loadModel } from "../../../src/envs/mujoco/models/mod.ts";
import * as robots from "../../../src/envs/mujoco/robots.ts";
import type { Robot } from "../../../src/envs/mujoco/robots.ts";
import type { Simulation } from "../../../src/envs/mujoco/simulation.ts";
import { envNames, loadEnv } from "../../../src/envs/registry.ts";
import { KeyedRandom } from "../../../src/util/prng.ts";
import { begin, close, drawAction, mujocoNames, open } from "./helpers.ts";
import { testNeeding } from "../../permissions.ts";

const test = testNeeding("read");

const ROBOTS = Object.values(robots).filter((value): value is Robot => typeof value === "object");

/** Names and units of positions and velocities, from the compiled model alone. */
function coordinates({ joint }: ModelFacts) {
  const positions: [string, string][] = [];
  const velocities: [string, string][] = [];
  joint.name.forEach((name, j) => {
    switch (joint.type[j]) {
      case "mjJNT_FREE":
        for (const axis of ["x", "y", "z"]) positions.push([`${name}_${axis}`, "m"]);
        for (const part of ["w", "x", "y", "z"]) positions.push([`${name}_q${part}`, "1"]);
        for (const axis of ["x", "y", "z"]) velocities.push([`${name}_v${axis}`, "m/s"]);
        for (const axis of ["x", "y", "z"]) velocities.push([`${name}_w${axis}`, "rad/s"]);
        break;
      case "mjJNT_HINGE":
        positions.push([name, "rad"]);
        velocities.push([`${name}_velocity`, "rad/s"]);
        break;
      case "mjJNT_SLIDE":
        positions.push([name, "m"]);
        velocities.push([`${name}_velocity`, "m/s"]);
        break;
      default:
        assert.fail(joint.type[j]);
    }
  });
  return { positions, velocities };
}

const namesAndUnits = (rows: readonly ValueRow[]) => rows.map(({ name, unit }) => [name, unit]);

test("the robots' rows are those of their models", async () => {
  assert.equal(ROBOTS.length, 8);
  for (const robot of ROBOTS) {
    const facts = modelFacts(await loadModel(robot.model));
    const wanted = coordinates(facts);
    assert.deepEqual(namesAndUnits(robot.positions), wanted.positions, robot.model);
    assert.deepEqual(namesAndUnits(robot.velocities), wanted.velocities, robot.model);
    assert.deepEqual(robot.controls.map(({ name }) => name), facts.actuator.joint);
    assert.deepEqual(robot.controls.map(({ low, high }) => [low, high]), facts.actuator.ctrlrange);
    robot.controls.forEach(({ meaning }, k) => {
      assert.ok(meaning.endsWith(`, ${facts.actuator.gear[k]} N m at 1`), meaning);
    });
    assert.equal(robot.bodies.length, facts.body.name.length);
    facts.body.name.forEach((name, b) => name !== "" && assert.equal(robot.bodies[b], name));
    assert.equal(new Set(robot.bodies).size, robot.bodies.length);
    const free = facts.joint.type.indexOf("mjJNT_FREE");
    assert.equal(robot.quaternion, free < 0 ? -1 : 3);
  }
});

/** The value that a row's name stands for, looked up by name in the simulation. */
function lookUp(row: ValueRow, robot: Robot, sim: Simulation): { value: number; unit: string } {
  const { positions, velocities } = coordinates(modelFacts(sim.model));
  const { name, low, high } = row;
  const limited = (value: number) => Math.min(Math.max(value, low), high);
  const found = (list: [string, string][], key: string) => list.findIndex(([n]) => n === key);
  const q = found(positions, name);
  if (q >= 0) return { value: sim.qpos[q], unit: positions[q][1] };
  const v = found(velocities, name);
  if (v >= 0) return { value: limited(sim.qvel[v]), unit: velocities[v][1] };
  const angle = /^(cos|sin)_(.*)$/.exec(name);
  if (angle !== null) {
    const x = sim.qpos[found(positions, angle[2])];
    return { value: angle[1] === "cos" ? Math.cos(x) : Math.sin(x), unit: "1" };
  }
  const motor = /^actuation_(.*)$/.exec(name);
  if (motor !== null) {
    const dof = found(velocities, motor[1]);
    return {
      value: sim.qfrcActuator[dof],
      unit: velocities[dof][1] === "m/s" ? "N" : "N m",
    };
  }
  // per body: [pattern, field, numbers per body, offset, entries, unit]
  const perBody: [RegExp, Float64Array, number, number, string[], string][] = [
    [/^torque_(.)_(.*)$/, sim.cfrcExt, 6, 0, ["x", "y", "z"], "N m"],
    [/^force_(.)_(.*)$/, sim.cfrcExt, 6, 3, ["x", "y", "z"], "N"],
    [/^angular_velocity_(.)_(.*)$/, sim.cvel, 6, 0, ["x", "y", "z"], "rad/s"],
    [/^linear_velocity_(.)_(.*)$/, sim.cvel, 6, 3, ["x", "y", "z"], "m/s"],
    [
      ...[/^inertia_(..)_(.*)$/, sim.cinert, 10, 0] as const,
      ["xx", "yy", "zz", "xy", "xz", "yz"],
      "kg m^2",
    ],
    [/^mass_offset_(.)_(.*)$/, sim.cinert, 10, 6, ["x", "y", "z"], "kg m"],
    [/^mass()_(.*)$/, sim.cinert, 10, 9, [""], "kg"],
  ];
  for (const [pattern, values, width, offset, entries, unit] of perBody) {
    const match = pattern.exec(name);
    if (match === null) continue;
    const body = robot.bodies.indexOf(match[2]);
    assert.ok(body >= 0, name);
    return { value: limited(values[width * body + offset + entries.indexOf(match[1])]), unit };
  }
  return assert.fail(`observation ${name} stands for nothing`);
}

test("every observation is what its row says", async () => {
  const random = new KeyedRandom(5);
  for (const name of mujocoNames()) {
    const { factory, env } = await open(name);
    const { spec, sim } = env;
    const robot = ROBOTS.find(({ model }) => sim.model.name.startsWith(model))!;
    begin(factory, env, random);
    for (const steps of [0, 1, 10]) {
      for (let t = 0; t < steps; t++) env.step(drawAction(env, random, 0, t));
      spec.observation.forEach((row, i) => {
        const { value, unit } = lookUp(row, robot, sim);
        assert.equal(row.unit, unit, `${name} ${row.name}`);
        close(env.obs[i], value, `${name} ${row.name} after ${steps} steps`);
      });
    }
    env.close();
  }
});

test("sizes, modes and episode lengths are the published ones", async () => {
  // [observation, action, task, modes, length]
  const wanted: Record<string, number[]> = {
    AntRandGoalModeEnv: [29, 8, 3, 4, 250],
    AntRandGoalMode1ModeEnv: [29, 8, 3, 1, 250],
    AntRandGoalMode2ModesEnv: [29, 8, 3, 2, 250],
    AntRandGoalMode6ModesEnv: [29, 8, 3, 6, 250],
    AntRandGoalEnv: [113, 8, 2, 0, 200],
    AntRandDirecEnv: [111, 8, 1, 2, 200],
    AntRandDirec2DEnv: [111, 8, 2, 0, 200],
    Reacher3LinkEnv: [7, 3, 3, 4, 50],
    Reacher3Link1ModeEnv: [7, 3, 3, 1, 50],
    Reacher3Link2ModeEnv: [7, 3, 3, 2, 50],
    Reacher3Link6ModeEnv: [7, 3, 3, 6, 50],
    ReacherEnv: [8, 2, 2, 4, 50],
    Reacher2ModeEnv: [8, 2, 2, 2, 50],
    Reacher6ModeEnv: [8, 2, 2, 6, 50],
    HalfCheetahRandDirecEnv: [17, 6, 1, 2, 100],
    HalfCheetahRandVelEnv: [17, 6, 1, 0, 100],
    HalfCheetahTargetLocationEnv: [18, 6, 1, 0, 100],
    HalfCheetahTargetSpeedEnv: [17, 6, 1, 0, 100],
    Walker2DRandDirecEnv: [17, 6, 1, 2, 200],
    Walker2DRandVelEnv: [17, 6, 1, 0, 200],
    Walker2DTargetLocation: [18, 6, 1, 0, 200],
    Walker2DRandParamsEnv: [17, 6, 58, 0, 200],
    HopperRandParamsEnv: [11, 3, 34, 0, 200],
    SwimmerRandVelEnv: [8, 2, 1, 0, 200],
    SwimmerReach2ModesEnv: [10, 2, 2, 2, 200],
    SwimmerReach4ModesEnv: [10, 2, 2, 4, 200],
    HumanoidRandDirecEnv: [376, 17, 1, 2, 200],
    HumanoidRandDirec2DEnv: [376, 17, 2, 0, 200],
  };
  assert.deepEqual(mujocoNames(), Object.keys(wanted));
  for (const [name, sizes] of Object.entries(wanted)) {
    const { obsDim, actDim, taskDim, modes, maxSteps } = (await loadEnv(name)).spec;
    assert.deepEqual([obsDim, actDim, taskDim, modes, maxSteps], sizes, name);
  }
});

test("observe_all_velocities adds the third joint's velocity to the 3-link reacher", async () => {
  const { factory, env } = await open("Reacher3LinkEnv", { observe_all_velocities: true });
  assert.deepEqual(env.spec.observation.map(({ name }) => name), [
    ...["cos_joint0", "cos_joint1", "sin_joint0", "sin_joint1", "joint2"],
    ...["joint0_velocity", "joint1_velocity", "joint2_velocity"],
  ]);
  const random = new KeyedRandom(2);
  begin(factory, env, random);
  env.step(drawAction(env, random, 0, 0));
  assert.equal(env.obs[7], env.sim.qvel[2]);
  assert.notEqual(env.obs[7], 0);
  env.close();
});

test("docs/environments.md lists every environment with its sizes", async () => {
  const text = await Deno.readTextFile(new URL("../../../docs/environments.md", import.meta.url));
  const listed = text.split("\n").map((line) => line.split("|").map((cell) => cell.trim()))
    .filter((cells) => cells.length === 9 && /Env|Target|^famle_/.test(cells[1]))
    .map((cells) => cells.slice(1, 8));
  const wanted = await Promise.all(
    envNames().map(async (name) => {
      const { obsDim, actDim, taskDim, modes, maxSteps, description } = (await loadEnv(name)).spec;
      return [name, ...[obsDim, actDim, taskDim, modes || "-", maxSteps].map(String), description];
    }),
  );
  assert.deepEqual(listed, wanted);
});
