import assert from "node:assert/strict";
import { loadEnv } from "../../../src/envs/registry.ts";
import { Model } from "../../../src/envs/mujoco/model.ts";
import { loadModel, releaseModels } from "../../../src/envs/mujoco/models/mod.ts";
import { liveHandles, loadMujoco } from "../../../src/envs/mujoco/runtime.ts";
import { Simulation } from "../../../src/envs/mujoco/simulation.ts";
import { RunError, UserError } from "../../../src/util/errors.ts";
import { KeyedRandom } from "../../../src/util/prng.ts";
import { begin, drawAction, mujocoNames, open } from "./helpers.ts";
import { testNeeding } from "../../permissions.ts";

const test = testNeeding("read");

test("every handle is freed once, models are compiled once per thread", async () => {
  await releaseModels();
  assert.deepEqual(liveHandles, { models: 0, simulations: 0 });
  const names = mujocoNames();
  const envs = [];
  for (const name of names) {
    for (let i = 0; i < 2; i++) envs.push((await open(name)).env);
  }
  // Two environments scale their models, so their four instances have one each; the others share
  // those of ant, ant with marker, half-cheetah, humanoid, two reachers, swimmer; hopper and walker
  // are compiled too.
  assert.deepEqual(liveHandles, { models: 9 + 4, simulations: 2 * names.length });
  for (const env of envs) {
    env.close();
    env.close();
  }
  assert.deepEqual(liveHandles, { models: 9, simulations: 0 });
  assert.equal(await loadModel("ant"), await loadModel("ant"));
  await releaseModels();
  assert.deepEqual(liveHandles, { models: 0, simulations: 0 });
});

test("a closed simulation and a closed model say so", async () => {
  const model = await Model.compile("box", "<mujoco/>");
  const sim = new Simulation(model);
  sim.close();
  assert.throws(() => sim.advance(1), /Cannot use a simulation of box: it is closed/);
  assert.throws(() => sim.reset(), /it is closed/);
  model.close();
  assert.throws(() => model.handle, /Cannot use model box: it is closed/);
});

test("WASM memory stays flat over 1000 episodes and over making and closing", async () => {
  const { factory, env } = await open("AntRandGoalEnv");
  const random = new KeyedRandom(2);
  const bytes = () => env.sim.qpos.buffer.byteLength;
  begin(factory, env, random);
  const before = bytes();
  for (let e = 0; e < 1000; e++) {
    begin(factory, env, random, e);
    for (let t = 0; t < 3; t++) env.step(drawAction(env, random, e, t));
  }
  assert.equal(bytes(), before);

  const cycle = async () => {
    for (const name of ["AntRandGoalModeEnv", "HopperRandParamsEnv", "Reacher3LinkEnv"]) {
      const other = await open(name);
      begin(other.factory, other.env, random);
      other.env.close();
    }
    env.sim.refresh();
  };
  for (let i = 0; i < 20; i++) await cycle();
  const settled = bytes();
  for (let i = 0; i < 200; i++) await cycle();
  assert.equal(bytes(), settled);
  env.close();
});

test("views survive a growth of the WASM memory, in the middle of an episode too", async () => {
  const random = new KeyedRandom(4);
  const play = async (grow: boolean) => {
    const { factory, env } = await open("AntRandGoalEnv");
    const others: Simulation[] = [];
    begin(factory, env, random);
    for (let t = 0; t < 20; t++) {
      if (grow && t === 10) {
        const view = env.sim.qpos;
        while (view.length > 0) others.push(new Simulation(env.sim.model));
      }
      env.step(drawAction(env, random, 0, t));
    }
    for (const other of others) other.close();
    const { obs, reward } = env;
    env.close();
    return { obs, reward, grown: others.length > 0 };
  };
  const plain = await play(false);
  const grown = await play(true);
  assert.ok(grown.grown);
  assert.deepEqual(grown.obs, plain.obs);
  assert.equal(grown.reward, plain.reward);
});

test("an unstable simulation gives NaN, and a reset recovers it", async () => {
  const random = new KeyedRandom(9);
  for (const name of ["AntRandGoalModeEnv", "HalfCheetahRandVelEnv", "HumanoidRandDirecEnv"]) {
    // in the first control step of an episode and in a later one
    for (const steps of [0, 3]) {
      const { factory, env } = await open(name);
      begin(factory, env, random);
      const first = Array.from(env.obs);
      for (let t = 0; t < steps; t++) env.step(drawAction(env, random, 0, t));
      for (const bad of [NaN, 1e11]) {
        env.sim.qvel[1] = bad;
        env.step(drawAction(env, random, 0, steps));
        assert.ok(env.obs.every(Number.isNaN), `${name} ${bad}`);
        assert.ok(env.rewardParts.every(Number.isNaN));
        assert.ok(Number.isNaN(env.reward));
        begin(factory, env, random);
        assert.deepEqual(Array.from(env.obs), first);
        env.step(drawAction(env, random, 0, 0));
        assert.ok(env.obs.every(Number.isFinite) && Number.isFinite(env.reward));
      }
      env.close();
    }
  }
});

test("contacts that don't fit into memory are an error, and all environments have room", async () => {
  const balls = Array.from(
    { length: 8 },
    (_, i) => `<body pos="${0.3 * i} 0 0.05"><freejoint/><geom size="0.1"/></body>`,
  ).join("");
  const world = `<worldbody><geom type="plane" size="9 9 1"/>${balls}</worldbody>`;
  const withMemory = async (size: string) => {
    const mjcf = `<mujoco><size memory="${size}"/>${world}</mujoco>`;
    return new Simulation(await Model.compile("balls", mjcf), true);
  };
  const isRunError = (code: string, message: RegExp) => (error: unknown) => {
    assert.ok(error instanceof RunError && error.code === code);
    assert.match(error.message, message);
    return true;
  };
  // too little to list the contacts: MuJoCo goes on without them
  const small = await withMemory("24K");
  small.advance(1);
  assert.throws(
    () => small.reset(),
    isRunError("mujoco-memory", /balls: contacts did not fit into its 24576 bytes; give more/),
  );
  small.close();
  // too little to look for them: MuJoCo gives up
  const tiny = await withMemory("12K");
  assert.throws(
    () => tiny.advance(1),
    isRunError("mujoco", /^Cannot step balls: mj_stackAlloc: out of memory.*max = 12288/),
  );
  tiny.close();

  const random = new KeyedRandom(7);
  for (const name of mujocoNames()) {
    const { factory, env } = await open(name);
    begin(factory, env, random);
    for (let t = 0; t < 60; t++) env.step(drawAction(env, random, 0, t));
    const { size, used } = env.sim.arena;
    assert.ok(used > 0 && used < size / 8, `${name}: ${used} of ${size} bytes`);
    env.close();
  }
});

test("errors of MJCF are one line with MuJoCo's message and place; MuJoCo lives on", async () => {
  const wrong: [mjcf: string, message: RegExp][] = [
    ["<mujoco><worldbody>\n<geom colour='1'/></worldbody></mujoco>", /'colour'.*line 2\)$/],
    ["<mujoco><worldbody><bodyy/></worldbody></mujoco>", /unrecognized element.*'bodyy', line 1/],
    ["<mujoco><worldbody><body></mujoco>", /XML parse error/],
    ["", /empty file/],
    [
      "<mujoco><worldbody><body><joint/></body></worldbody></mujoco>",
      /mass and inertia of moving bodies must be larger/,
    ],
    [`<mujoco><include file="elsewhere.xml"/></mujoco>`, /elsewhere\.xml/],
  ];
  for (const [mjcf, message] of wrong) {
    await assert.rejects(Model.compile("robots/my.xml", mjcf), (error) => {
      assert.ok(error instanceof UserError && error.code === "mjcf");
      assert.match(error.message, /^Cannot compile robots\/my\.xml: /);
      assert.match(error.message, message);
      assert.ok(!error.message.includes("\n"));
      return true;
    });
  }
  const { env } = await open("Reacher3LinkEnv");
  env.step(new Float64Array(3));
  assert.ok(Number.isFinite(env.reward));
  env.close();
  assert.equal(await loadMujoco(), await loadMujoco());
});

test("simulations of one model with different tasks don't disturb each other", async () => {
  // The random parameters are written to the model: every instance has its own.
  for (const name of ["HopperRandParamsEnv", "AntRandGoalModeEnv"]) {
    const random = new KeyedRandom(12);
    const factory = await loadEnv(name);
    const { rows, taskDim } = factory.sampleTasks(random, 0, 2);
    const play = async (tasks: number[]) => {
      const envs = await Promise.all(tasks.map(() => open(name)));
      tasks.forEach((m, i) => {
        envs[i].env.setTask(rows.subarray(m * taskDim, (m + 1) * taskDim));
        envs[i].env.reset(random.at(2, 0, m));
      });
      for (let t = 0; t < 10; t++) {
        tasks.forEach((m, i) => envs[i].env.step(drawAction(envs[i].env, random, m, t)));
      }
      return envs.map(({ env }) => {
        env.close();
        return [env.reward, ...env.obs];
      });
    };
    const [first, second] = await play([0, 1]);
    assert.deepEqual([first], await play([0]));
    assert.deepEqual([second], await play([1]));
    assert.notDeepEqual(first, second);
  }
});
