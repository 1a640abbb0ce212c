/** Tests of what is drawn of MuJoCo models. */
import assert from "node:assert/strict";
import { Model } from "../../../src/envs/mujoco/model.ts";
import { sceneOf } from "../../../src/envs/mujoco/scene.ts";
import { Simulation } from "../../../src/envs/mujoco/simulation.ts";
import { loadEnv } from "../../../src/envs/registry.ts";
import { POSE_SIZE } from "../../../src/envs/scene.ts";
import { KeyedRandom, Purpose } from "../../../src/util/prng.ts";
import { lacks } from "../../permissions.ts";

/** A tetrahedron. */
const MESH = `<mesh name="tetra" vertex="0 0 0 1 0 0 0 1 0 0 0 1"/>`;

const MJCF = `
<mujoco>
  <asset>${MESH}<material name="green" rgba="0 1 0 1"/></asset>
  <worldbody>
    <geom name="floor" type="plane" size="0 0 1"/>
    <geom name="goal" type="sphere" size="0.1" pos="1 2 3"/>
    <body name="arm" pos="0 0 1">
      <joint name="hinge" axis="0 0 1"/>
      <geom name="open" type="capsule" fromto="0 0 0 1 0 0" size="0.05"/>
      <geom name="own" type="box" size="0.1 0.2 0.3" rgba="0.1 0.2 0.3 0.5"/>
      <geom name="painted" type="cylinder" size="0.1 0.2" material="green"/>
      <geom name="collision" type="sphere" size="0.1" group="3"/>
      <geom name="clear" type="sphere" size="0.1" rgba="1 1 1 0"/>
      <geom name="surface" type="mesh" mesh="tetra"/>
      <body pos="1 0 0">
        <joint axis="0 1 0"/>
        <geom name="hand" type="ellipsoid" size="0.1 0.2 0.3"/>
        <site name="tip" pos="0.5 0 0" size="0.02"/>
      </body>
    </body>
  </worldbody>
  <actuator><motor joint="hinge"/></actuator>
</mujoco>`;

Deno.test("sceneOf() has what MuJoCo's viewer shows, with colours, motors and depths", async () => {
  const model = await Model.compile("test", MJCF);
  const sim = new Simulation(model);
  try {
    const { shapes, dt } = sceneOf(sim, 0.02);
    assert.equal(dt, 0.02);
    assert.deepEqual(shapes.map(({ name }) => name), [
      ...["floor", "goal", "open", "own", "painted", "surface", "hand", "tip"],
    ]);
    const named = (name: string) => shapes.find((shape) => shape.name === name)!;
    assert.equal(named("open").rgba, null);
    assert.deepEqual(named("own").rgba?.map((x) => Math.round(10 * x)), [1, 2, 3, 5]);
    assert.deepEqual(named("painted").rgba, [0, 1, 0, 1]);
    assert.deepEqual(shapes.map(({ depth }) => depth), [0, 0, 1, 1, 1, 1, 2, 2]);
    assert.deepEqual([named("open").motors, named("hand").motors], [[0], []]);
    assert.deepEqual(shapes.filter(({ isMarker }) => isMarker), [named("goal")]);
    const [radius, half] = named("open").size;
    assert.deepEqual([radius, half], [0.05, 0.5]);
    const { vertices, triangles } = named("surface").mesh!;
    assert.deepEqual([vertices.length / 3, triangles.length / 3], [4, 4]);
  } finally {
    sim.close();
    model.close();
  }
});

Deno.test("sceneOf() writes where shapes are after the joints have turned", async () => {
  const model = await Model.compile("test", MJCF);
  const sim = new Simulation(model);
  try {
    const scene = sceneOf(sim, 0.02);
    sim.qpos[0] = Math.PI / 2;
    sim.forward();
    const poses = new Float32Array(2 * scene.shapes.length * POSE_SIZE);
    scene.writePoses(poses, scene.shapes.length * POSE_SIZE);
    const pose = (name: string) => {
      const index = scene.shapes.findIndex((shape) => shape.name === name);
      const at = (scene.shapes.length + index) * POSE_SIZE;
      return [...poses.subarray(at, at + POSE_SIZE)].map((x) => Math.round(1e5 * x) / 1e5 + 0);
    };
    // a quarter turn about z takes the capsule's middle from (0.5, 0, 1) to (0, 0.5, 1), the tip
    // from (1.5, 0, 1) to (0, 1.5, 1), and the box's x axis to y
    assert.deepEqual(pose("open").slice(0, 3), [0, 0.5, 1]);
    assert.deepEqual(pose("tip").slice(0, 3), [0, 1.5, 1]);
    assert.deepEqual(pose("own").slice(3), [0, -1, 0, 1, 0, 0, 0, 0, 1]);
    assert.deepEqual(pose("goal").slice(0, 3), [1, 2, 3]);
    assert.ok(poses.subarray(0, scene.shapes.length * POSE_SIZE).every((x) => x === 0));
  } finally {
    sim.close();
    model.close();
  }
});

Deno.test("scene() does not change what an environment does", async () => {
  const factory = await loadEnv("ReacherEnv");
  const rewards: number[][] = [];
  for (const isWatched of [false, true]) {
    const env = await factory.createInstance();
    try {
      const random = new KeyedRandom(4);
      env.setTask(factory.sampleTasks(random, 0, 1).rows);
      env.reset(random.at(Purpose.ENV_RESET, 0));
      const scene = env.scene!();
      const poses = new Float32Array(scene.shapes.length * POSE_SIZE);
      const earned: number[] = [];
      for (let t = 0; t < 20; t++) {
        env.step(Float64Array.of(0.5, -0.25));
        if (isWatched) scene.writePoses(poses, 0);
        earned.push(env.reward);
      }
      rewards.push(earned);
      assert.equal(poses.some((x) => x !== 0), isWatched);
    } finally {
      env.close();
    }
  }
  assert.deepEqual(rewards[0], rewards[1]);
});

Deno.test({
  name: "environments of one's own that are described by a file have a scene",
  ignore: lacks("read"),
  async fn() {
    const path = new URL("../../../examples/pendulum_goal.json", import.meta.url).pathname;
    const env = await (await loadEnv(path)).createInstance();
    try {
      const { shapes, dt } = env.scene!();
      assert.deepEqual(shapes.map(({ kind }) => kind), ["capsule", "sphere"]);
      assert.ok(Math.abs(dt - 0.02) < 1e-12);
    } finally {
      env.close();
    }
  },
});
