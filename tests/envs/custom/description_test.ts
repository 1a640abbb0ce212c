import assert from "node:assert/strict";
import { dirname } from "node:path";
import { checkEnv } from "../../../src/envs/check.ts";
import type { EnvFactory } from "../../../src/envs/env.ts";
import { Model } from "../../../src/envs/mujoco/model.ts";
import { Simulation } from "../../../src/envs/mujoco/simulation.ts";
import { liveHandles } from "../../../src/envs/mujoco/runtime.ts";
import { loadEnv } from "../../../src/envs/registry.ts";
import { UserError } from "../../../src/util/errors.ts";
import { KeyedRandom, Purpose } from "../../../src/util/prng.ts";
import { lacks } from "../../permissions.ts";

const NEEDS_FILES = lacks("read", "write");
const EXAMPLE = new URL("../../../examples/pendulum_goal.json", import.meta.url).pathname;

/** Two sliding joints: the point's position is the state, so that rewards can be worked out. */
const POINT_XML = `<mujoco model="point">
  <option timestep="0.1" gravity="0 0 0" integrator="Euler"/>
  <worldbody>
    <body name="point">
      <joint name="x" type="slide" axis="1 0 0"/>
      <joint name="y" type="slide" axis="0 1 0"/>
      <geom size="0.1" mass="1" contype="0" conaffinity="0"/>
      <site name="tip" pos="1 0 0"/>
    </body>
  </worldbody>
  <actuator>
    <motor name="push_x" joint="x" ctrlrange="-2 2" ctrllimited="true"/>
    <motor joint="y" ctrlrange="-1 1" ctrllimited="true"/>
  </actuator>
</mujoco>`;

const POINT = {
  description: "a point",
  model: "point.xml",
  frame_skip: 1,
  max_path_length: 10,
  quantities: {
    tip: { site: "tip", axes: "xy" },
    point: { body: "point" },
    place: { qpos: [0, 2] },
    vy: { joint_velocity: "y" },
  },
  task: { goal: { distribution: "box", low: [-1, -2], high: [1, 2] } },
  observation: ["place", "vy", "goal", "tip", { name: "far", value: "norm(place)" }],
  reward: { goal: "-distance(tip, goal)", ctrl: "-0.5 * sumsq(action)" },
};

/** Writes files into a new folder and gives the path of env.json; removed after `body`. */
async function withFiles(
  files: Readonly<Record<string, string>>,
  body: (path: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    for (const [name, text] of Object.entries(files)) {
      Deno.mkdirSync(dirname(`${folder}/${name}`), { recursive: true });
      Deno.writeTextFileSync(`${folder}/${name}`, text);
    }
    await body(`${folder}/env.json`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function withPoint(
  changes: Readonly<Record<string, unknown>>,
  body: (path: string) => Promise<void>,
): Promise<void> {
  return withFiles({
    "point.xml": POINT_XML,
    "env.json": JSON.stringify({ ...POINT, ...changes }),
  }, body);
}

function fileTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: NEEDS_FILES, fn });
}

/** Starts an episode of an instance. */
async function begin(factory: EnvFactory, task: readonly number[]) {
  const env = await factory.createInstance();
  env.setTask(task);
  env.reset(new KeyedRandom(1).at(Purpose.ENV_RESET));
  return env;
}

fileTest("a description becomes the tables of an environment", () =>
  withPoint({}, async (path) => {
    const { spec } = await loadEnv(path);
    assert.equal(spec.name, "env");
    assert.match(String(spec.version), /^sha256:[0-9a-f]{16}$/);
    assert.deepEqual(
      spec.observation.map(({ name, unit }) => `${name} ${unit}`),
      [
        ...["place_0 m", "place_1 m", "vy m/s", "goal_x 1", "goal_y 1"],
        ...["tip_x m", "tip_y m", "far 1"],
      ],
    );
    assert.deepEqual(
      spec.action.map(({ name, low, high }) => [name, low, high]),
      [["push_x", -2, 2], ["actuator_1", -1, 1]],
    );
    assert.deepEqual(spec.task.map(({ name, low, high }) => [name, low, high]), [
      ["goal_x", -1, 1],
      ["goal_y", -2, 2],
    ]);
    assert.deepEqual(spec.rewardParts.map(({ name, meaning }) => [name, meaning]), [
      ["goal", "-distance(tip, goal)"],
      ["ctrl", "-0.5 * sumsq(action)"],
    ]);
    assert.deepEqual([spec.modes, spec.maxSteps, spec.obsDim], [0, 10, 8]);
  }));

fileTest(
  "a described environment pays what its expressions say of the new state",
  () =>
    withPoint({ terminate: "place_0 > 0.05" }, async (path) => {
      const env = await begin(await loadEnv(path), [0.5, -1]);
      // without noise the point is at the origin, the tip at (1, 0)
      assert.deepEqual([...env.obs], [0, 0, 0, 0.5, -1, 1, 0, 0]);
      // semi-implicit Euler, mass 1 kg, dt 0.1 s: v = 0.1 u, x = 0.01 u
      env.step(Float64Array.of(2, 1));
      const close = (actual: number, expected: number) =>
        assert.ok(Math.abs(actual - expected) < 1e-12, `${actual}, expected ${expected}`);
      [0.02, 0.01, 0.1, 0.5, -1, 1.02, 0.01, Math.hypot(0.02, 0.01)]
        .forEach((expected, i) => close(env.obs[i], expected));
      close(env.rewardParts[0], -Math.hypot(1.02 - 0.5, 0.01 + 1));
      close(env.rewardParts[1], -2.5);
      close(env.reward, env.rewardParts[0] + env.rewardParts[1]);
      assert.equal(env.terminated, false);
      // v = 0.4, x = 0.02 + 0.04
      env.step(Float64Array.of(2, 1));
      assert.equal(env.terminated, true);
      env.reset(new KeyedRandom(1).at(Purpose.ENV_RESET));
      assert.equal(env.terminated, false);
      env.close();
    }),
);

fileTest(
  "a described environment starts with the noise that is asked for",
  () =>
    withPoint({ reset: { qpos: [0.5, 0], qvel: 0.25, noise: "uniform" } }, async (path) => {
      const factory = await loadEnv(path);
      const env = await factory.createInstance();
      const random = new KeyedRandom(1);
      env.setTask([0, 0]);
      let largest = 0;
      for (let e = 0; e < 200; e++) {
        env.reset(random.at(Purpose.ENV_RESET, 0, 0, 0, e));
        assert.ok(Math.abs(env.obs[0]) <= 0.5 && env.obs[1] === 0 && Math.abs(env.obs[2]) <= 0.25);
        largest = Math.max(largest, Math.abs(env.obs[0]));
      }
      // 200 uniform numbers all below 0.9 of the bound: 0.9^200 < 1e-9
      assert.ok(largest > 0.45);
      env.close();
    }),
);

fileTest(
  "a free joint has seven positions, and noise leaves its quaternion of length 1",
  () =>
    withFiles({
      "env.json": JSON.stringify({
        ...POINT,
        quantities: { root: { joint: "root" }, spin: { joint_velocity: "root" } },
        observation: ["root", "spin"],
        reward: { z: "-root_2" },
        reset: { qpos: 0.3, noise: "normal" },
      }),
      "point.xml": `<mujoco><worldbody>
        <body><joint name="root" type="free"/><geom size="0.1"/></body>
        <body><joint name="x" type="slide"/><geom size="0.1"/></body>
      </worldbody>
      <actuator><motor joint="x" ctrlrange="-1 1" ctrllimited="true"/></actuator></mujoco>`,
    }, async (path) => {
      const factory = await loadEnv(path);
      assert.deepEqual(factory.spec.observation.map(({ name, unit }) => `${name} ${unit}`), [
        ...["root_0 m", "root_1 m", "root_2 m", "root_3 1", "root_4 1", "root_5 1", "root_6 1"],
        ...["spin_0 m/s", "spin_1 m/s", "spin_2 m/s"],
        ...["spin_3 rad/s", "spin_4 rad/s", "spin_5 rad/s"],
      ]);
      const env = await begin(factory, [0, 0]);
      const [w, ...imaginary] = env.obs.subarray(3, 7);
      assert.ok(Math.abs(Math.hypot(w, ...imaginary) - 1) < 1e-15);
      assert.ok(Math.hypot(...imaginary) > 1e-3, "the noise is there");
      env.close();
    }),
);

fileTest("updatePositions() gives positions of the state and changes no later step", async () => {
  const model = await Model.compile("point", POINT_XML);
  const [plain, looked] = [new Simulation(model), new Simulation(model)];
  for (let t = 0; t < 20; t++) {
    for (const sim of [plain, looked]) {
      sim.refresh();
      sim.ctrl.set([1, -0.5]);
      sim.advance(3);
    }
    looked.updatePositions();
    // one sum in another order; Euler's step leaves the positions that it began with
    assert.ok(Math.abs(looked.siteXpos[0] - 1 - looked.qpos[0]) < 1e-14);
    assert.ok(Math.abs(plain.siteXpos[0] - 1 - plain.qpos[0]) > 1e-3);
    assert.deepEqual(looked.qpos, plain.qpos);
    assert.deepEqual(looked.qvel, plain.qvel);
  }
  for (const sim of [plain, looked]) sim.close();
  model.close();
});

fileTest("tasks of a description are drawn from their distributions", async () => {
  const tasks = {
    box: { distribution: "box", low: [-1], high: [3] },
    disc: { distribution: "disc", radius: 2, center: [10, 0] },
    bell: { distribution: "normal", mean: [5], std: 0.5 },
    spot: { distribution: "modes", modes: [[0, 1], [100, 1]], noise: [0.1, 0], order: "in turn" },
  };
  await withPoint({
    task: tasks,
    observation: ["qpos"],
    reward: { all: "box + bell + spot_x + disc_y" },
  }, async (path) => {
    const factory = await loadEnv(path);
    const { spec } = factory;
    assert.deepEqual(
      spec.task.map(({ name }) => name),
      ["box", "disc_x", "disc_y", "bell", "spot_x", "spot_y"],
    );
    assert.equal(spec.modes, 2);
    const count = 2000;
    const { rows, modes } = factory.sampleTasks(new KeyedRandom(1), 0, count);
    let [bell, bellSquares, inner] = [0, 0, 0];
    for (let m = 0; m < count; m++) {
      const [box, x, y, normal, spot, fixed] = rows.subarray(6 * m, 6 * m + 6);
      assert.ok(box >= -1 && box < 3);
      const distance = Math.hypot(x - 10, y);
      assert.ok(distance <= 2);
      if (distance < 1) inner++;
      bell += normal / count;
      bellSquares += normal * normal / count;
      assert.equal(modes[m], m % 2);
      assert.ok(Math.abs(spot - 100 * modes[m]) < 1); // 10 standard deviations
      assert.equal(fixed, 1);
    }
    // 4 standard errors: 0.5 / sqrt(2000), 0.5 / sqrt(4000), sqrt(0.25 * 0.75 / 2000)
    assert.ok(Math.abs(bell - 5) < 0.045);
    assert.ok(Math.abs(Math.sqrt(bellSquares - bell * bell) - 0.5) < 0.032);
    assert.ok(Math.abs(inner / count - 0.25) < 0.039);
    assert.deepEqual([...factory.sampleTasks(new KeyedRandom(1), 0, 5, 1).modes], [1, 1, 1, 1, 1]);
  });
});

fileTest("the example keeps its promises and its model is compiled once", async () => {
  const before = { ...liveHandles };
  const factory = await loadEnv(EXAMPLE);
  const rows = await checkEnv(factory, { episodes: 2, extremeSteps: 50, seconds: 0.05 });
  for (const { name, ok, detail } of rows) assert.ok(ok, `${name}: ${detail}`);
  await loadEnv(EXAMPLE);
  assert.deepEqual(liveHandles, { ...before, models: before.models + 1 });
});

fileTest("the version follows the description, the model and what it includes", async () => {
  const include = `<mujocoinclude><option gravity="0 0 0"/></mujocoinclude>`;
  const files = {
    "env.json": JSON.stringify(POINT),
    "point.xml": POINT_XML.replace("<worldbody>", `<include file="parts/a.xml"/><worldbody>`),
    "parts/a.xml": include,
  };
  await withFiles(files, async (path) => {
    const version = async () => (await loadEnv(path)).spec.version;
    const first = await version();
    assert.equal(await version(), first);
    const seen = [first];
    for (const name of Object.keys(files)) {
      const file = path.replace("env.json", name);
      const before = Deno.readTextFileSync(file);
      Deno.writeTextFileSync(file, `${before}\n`);
      seen.push(await version());
      Deno.writeTextFileSync(file, before);
    }
    assert.equal(new Set(seen).size, 4, String(seen));
    assert.equal(await version(), first);
  });
});

fileTest("a model may include files and use meshes", async () => {
  const corners = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]];
  const obj = [
    ...corners.map((corner) => `v ${corner.join(" ")}`),
    ...["f 1 3 2", "f 1 2 4", "f 1 4 3", "f 2 3 4"],
  ].join("\n");
  await withFiles({
    "env.json": JSON.stringify(POINT),
    "point.xml": POINT_XML
      .replace(
        "<worldbody>",
        '<compiler meshdir="shapes"/><asset><mesh name="m" file="tetra.obj"/></asset><worldbody>',
      )
      .replace('<geom size="0.1"', '<geom type="mesh" mesh="m"'),
    "shapes/tetra.obj": `${obj}\n`,
  }, async (path) => {
    const env = await begin(await loadEnv(path), [0, 0]);
    env.step(Float64Array.of(1, 1));
    assert.ok(Number.isFinite(env.reward));
    env.close();
  });
});

fileTest("a description that is wrong is refused with file and key in one line", async () => {
  const { quantities, task, reward } = POINT;
  const refused: [Record<string, unknown>, RegExp][] = [
    [{ modl: "x" }, /"modl" is not a known key; did you mean "model"\?$/],
    [{ model: undefined }, /"model" is missing; it must be a text$/],
    [{ model: 3 }, /"model" must be a text; got 3$/],
    [{ model: "no.xml" }, /"model": can't read .*no\.xml: No such file or directory$/],
    [{ frame_skip: 0 }, /"frame_skip" must be at least 1; got 0$/],
    // control steps, and episodes, that would never end
    [{ frame_skip: 10_001 }, /"frame_skip" must be at most 10000; got 10001$/],
    [{ max_path_length: 100_001 }, /"max_path_length" must be at most 100000; got 100001$/],
    [{ frame_skip: 1.5 }, /"frame_skip" must be a whole number; got 1\.5$/],
    [{ observation: [] }, /"observation" must have at least 1 entries; got \[\]$/],
    [
      { observation: ["plaice"] },
      /"observation\.0": unknown quantity "plaice"; did you mean "place"\?/,
    ],
    [{ observation: ["place", "place"] }, /"place_0" stands twice$/],
    [
      { observation: [{ nam: "x", value: "1" }] },
      /"observation\.0\.nam" is not a known key; did you mean "name"\?$/,
    ],
    [
      { observation: [{ name: "far", value: "norm(plase)" }] },
      /"observation\.0": can't read .* unknown name "plase"; did you mean "place"\?$/,
    ],
    [
      { quantities: { tip: { site: "tipp" } } },
      /"quantities\.tip\.site": the model has no site "tipp"; did you mean "tip"\?$/,
    ],
    [
      { quantities: { ...quantities, tip: { sit: "tip" } } },
      /"quantities\.tip\.sit" is not a known key; did you mean "site"\?$/,
    ],
    [
      { quantities: { tip: { site: "tip", body: "point" } } },
      /"quantities\.tip" must have exactly one of site, body, joint/,
    ],
    [{ quantities: { ...quantities, place: { qpos: [0, 3] } } }, /first < end <= 2.*got \[0, 3\]$/],
    [{ quantities: { norm: { site: "tip" } } }, /the name "norm" is taken already/],
    [{ quantities: { goal: { site: "tip" } } }, /the name "goal" is taken already/],
    [{ quantities: { "a b": { site: "tip" } } }, /must be a name of letters, digits and _/],
    [{ task: {} }, /"task" must have a part$/],
    [
      { task: { goal: { distribution: "bux" } } },
      /"task\.goal.*" must be one of "box", "disc", "normal", "modes"/,
    ],
    [
      { task: { goal: { ...task.goal, high: [1] } } },
      /"task\.goal": "low" and "high" must have as many numbers/,
    ],
    [{ task: { goal: { ...task.goal, higt: [1] } } }, /"task\.goal\.higt" is not a known key; did/],
    [
      { task: { a: { distribution: "modes", modes: [[1], [1, 2]] } } },
      /all modes must have as many numbers; mode 0 has 1, mode 1 2$/,
    ],
    [
      { task: { a: { distribution: "normal", mean: [0, 0], std: [1] } } },
      /"std" must be one number or a list of 2; got 1 numbers$/,
    ],
    [
      { task: { a: { distribution: "normal", mean: [0], std: -1 } } },
      /"task\.a\.std" must be at least 0; got -1$/,
    ],
    [{ reward: {} }, /"reward" must have a part$/],
    [
      { reward: { ...reward, goal: "-distance(tip, goall)" } },
      /"reward\.goal": can't read .* unknown name "goall"; did you mean "goal"\?$/,
    ],
    [
      { reward: { goal: { valu: "1" } } },
      /"reward\.goal\.valu" is not a known key; did you mean "value"\?$/,
    ],
    [{ reward: { goal: "while (true) 1" } }, /without loops or statements$/],
    [{ terminate: "tip_z" }, /"terminate": can't read .* unknown name "tip_z"/],
    [{ reset: { qpos: [1, 2, 3] } }, /"reset\.qpos" must be one number or a list of 2; got 3/],
    [{ reset: { nois: "normal" } }, /"reset\.nois" is not a known key; did you mean "noise"\?$/],
    [
      { reset: { noise: "gauss" } },
      /"reset\.noise" must be one of "uniform", "normal"; got "gauss"$/,
    ],
  ];
  for (const [changes, message] of refused) {
    await withPoint(changes, async (path) => {
      await assert.rejects(loadEnv(path), (error) => {
        assert.ok(error instanceof UserError, `${JSON.stringify(changes)}: ${error}`);
        assert.match(error.message, message);
        assert.match(error.message, /env\.json/);
        assert.doesNotMatch(error.message, /\n/);
        return true;
      });
    });
  }
});

fileTest("a model that is wrong is refused with file and line", async () => {
  const refused = async (xml: string, message: RegExp) => {
    await withFiles({ "env.json": JSON.stringify(POINT), "point.xml": xml }, async (path) => {
      await assert.rejects(loadEnv(path), (error) => {
        assert.ok(error instanceof UserError, String(error));
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /\n/);
        return true;
      });
    });
  };
  await refused(
    POINT_XML.replace('type="slide" axis="1 0 0"', 'type="slyde"'),
    /^Cannot compile .*point\.xml: .*line 5\)/,
  );
  await refused(POINT_XML.replace("</body>", ""), /^Cannot compile .*point\.xml: .*Line number=\d/);
  await refused(
    POINT_XML.replace('ctrlrange="-1 1" ctrllimited="true"', ""),
    /actuator actuator_1 of .*point\.xml has no ctrlrange; the action needs one$/,
  );
  await refused(POINT_XML.replace(/<actuator>[^]*<\/actuator>/, ""), /has no actuator$/);
  await refused(
    POINT_XML.replace("<worldbody>", '<include file="none.xml"/><worldbody>'),
    /point\.xml: can't read .*none\.xml: No such file/,
  );
});

fileTest("a described environment has no options", () =>
  withPoint({}, async (path) => {
    await assert.rejects(loadEnv(path, { reward_type: "dense" }), /not an option of env/);
  }));
