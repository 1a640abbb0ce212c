import assert from "node:assert/strict";
import { Comparison, tolerancesOf } from "../../../src/golden/comparison.ts";
import { checkPhysics } from "../../../src/golden/physics.ts";
import { modelFacts } from "../../../src/envs/mujoco/facts.ts";
import { loadModel, MODEL_NAMES } from "../../../src/envs/mujoco/models/mod.ts";
import { loadEnv } from "../../../src/envs/registry.ts";
import { Simulation } from "../../../src/envs/mujoco/simulation.ts";
import { sin } from "../../../src/util/math.ts";
import { KeyedRandom } from "../../../src/util/prng.ts";
import ant from "../../golden/physics_ant.json" with { type: "json" };
import halfCheetah from "../../golden/physics_half_cheetah.json" with { type: "json" };
import hopper from "../../golden/physics_hopper.json" with { type: "json" };
import humanoid from "../../golden/physics_humanoid.json" with { type: "json" };
import reacher from "../../golden/physics_reacher.json" with { type: "json" };
import reacher3Link from "../../golden/physics_reacher_3link.json" with { type: "json" };
import swimmer from "../../golden/physics_swimmer.json" with { type: "json" };
import walker2d from "../../golden/physics_walker2d.json" with { type: "json" };

const FIXTURES = {
  ant,
  half_cheetah: halfCheetah,
  hopper,
  humanoid,
  reacher,
  reacher_3link: reacher3Link,
  swimmer,
  walker2d,
};
const CONTACT_FREE = ["reacher", "reacher_3link", "swimmer"];

async function worst(content: unknown) {
  const comparison = new Comparison(tolerancesOf("host"));
  await checkPhysics(content, comparison);
  return { ...comparison.worst(), count: comparison.count };
}

for (const [name, fixture] of Object.entries(FIXTURES)) {
  Deno.test(`${name} compiles to the golden facts and reproduces its trajectory`, async () => {
    const { tensor, error, tolerance, count } = await worst(fixture);
    assert.ok(error <= tolerance, `${tensor} differs by ${error}, allowed ${tolerance}`);
    // 44 facts, then positions and velocities of every tenth step: of 200, or of 50 with contacts
    assert.equal(count, 44 + 2 * (CONTACT_FREE.includes(name) ? 20 : 5));
  });
}

Deno.test("checkPhysics() looks at the model's file, wherever an environment put its marker", async () => {
  const env = await (await loadEnv("Reacher3LinkEnv")).createInstance();
  env.setTask([0.1, 0.2]);
  env.reset(new KeyedRandom(1));
  env.close();
  const { tensor, error, tolerance } = await worst(reacher3Link);
  assert.ok(error <= tolerance, `${tensor} differs by ${error}`);
});

Deno.test("no trajectory leaves the golden one within 200 steps by more than rounding grows", async (t) => {
  for (const [name, { trajectory, facts }] of Object.entries(FIXTURES)) {
    const sim = new Simulation(await loadModel(name as keyof typeof FIXTURES));
    let largest = 0;
    let step = 0;
    for (const { step: until, qpos, qvel } of trajectory) {
      for (; step < until; step++) {
        for (let k = 0; k < facts.nu; k++) {
          sim.ctrl[k] = 0.7 * sin(0.05 * step * (k + 1) + k);
        }
        assert.ok(sim.advance(1));
      }
      qpos.forEach((q, i) => largest = Math.max(largest, Math.abs(q - sim.qpos[i])));
      qvel.forEach((v, i) => largest = Math.max(largest, Math.abs(v - sim.qvel[i])));
    }
    sim.close();
    // Contacts multiply a rounding error of 1e-15 by up to 1e4 in these 200 steps.
    await t.step(`${name}: ${largest.toExponential(1)}`, () => assert.ok(largest < 1e-9));
  }
});

Deno.test("checkPhysics() finds a changed fact, name and trajectory", async () => {
  const changed = (edit: (content: typeof ant) => void) => {
    const content = structuredClone(ant);
    edit(content);
    return content;
  };
  const margin = await worst(changed(({ facts }) => facts.geom.margin[3] = 0.01));
  assert.equal(margin.tensor, "geom.margin");
  assert.ok(margin.error > margin.tolerance);
  await assert.rejects(
    worst(changed(({ facts }) => facts.option.integrator = "mjINT_EULER")),
    /option\.integrator is "mjINT_RK4", wanted "mjINT_EULER"/,
  );
  const state = await worst(changed(({ trajectory }) => trajectory[4].qvel[13] += 2e-6));
  assert.equal(state.tensor, "qvel after 50 steps");
  assert.ok(state.error > state.tolerance && state.error < 2.1e-6);
  // Beyond 50 steps a model with contacts isn't judged.
  const late = await worst(changed(({ trajectory }) => trajectory[5].qvel[13] += 1));
  assert.ok(late.error <= late.tolerance);
});

Deno.test("checkPhysics() replays other controls and refuses what it can't replay", async () => {
  const other = { ...ant, control: ant.control.replace("0.7*", "0.35*") };
  assert.ok((await worst(other)).error > 1e-3);
  await assert.rejects(
    worst({ ...ant, control: "ctrl[k] = 1" }),
    /Cannot replay the controls "ctrl\[k\] = 1"/,
  );
  const robot = structuredClone(ant);
  robot.facts.joint.name[1] = "knee";
  await assert.rejects(worst(robot), /Cannot check a robot with joints root,knee/);
});

Deno.test("margins of the two geoms of a contact add up to the published distance", async () => {
  // The models whose published margins are not 0: 0.01 of the ant, 0.001 of hopper and humanoid.
  const published = { ant: 0.01, hopper: 0.001, humanoid: 0.001 };
  for (const [name, margin] of Object.entries(published)) {
    const { geom } = modelFacts(await loadModel(name as keyof typeof published));
    for (const m of geom.margin) assert.equal(m + geom.margin[0], margin, name);
  }
});

Deno.test("the ant's marker changes nothing but the list of geoms", async () => {
  const plain = new Simulation(await loadModel("ant"));
  const marked = new Simulation(await loadModel("ant_target"));
  assert.deepEqual(
    modelFacts(marked.model).geom.name.filter((name) => name !== "target"),
    modelFacts(plain.model).geom.name,
  );
  for (let t = 0; t < 200; t++) {
    for (const sim of [plain, marked]) {
      for (let k = 0; k < 8; k++) sim.ctrl[k] = Math.sin(0.1 * t * (k + 1));
      assert.ok(sim.advance(1));
    }
  }
  assert.deepEqual(marked.qpos, plain.qpos);
  assert.deepEqual(marked.qvel, plain.qvel);
  plain.close();
  marked.close();
});

Deno.test("modelFacts() describes every model", async () => {
  for (const name of MODEL_NAMES) {
    const facts = modelFacts(await loadModel(name));
    assert.equal(facts.qpos0.length, facts.nq);
    assert.equal(facts.dof.damping.length, facts.nv);
    assert.equal(facts.actuator.joint.length, facts.nu);
  }
});
