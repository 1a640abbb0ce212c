import assert from "node:assert/strict";
import { loadEnv } from "../../../src/envs/registry.ts";
import { KeyedRandom } from "../../../src/util/prng.ts";
import { testNeeding } from "../../permissions.ts";

const test = testNeeding("read");

const COUNT = 12_000;

async function draw(name: string, options: Record<string, unknown> = {}) {
  const factory = await loadEnv(name, options);
  const { rows, modes, taskDim } = factory.sampleTasks(new KeyedRandom(6), 0, COUNT);
  const tasks = Array.from({ length: COUNT }, (_, m) => {
    return Array.from(rows.subarray(m * taskDim, (m + 1) * taskDim));
  });
  return { tasks, modes: Array.from(modes), spec: factory.spec };
}

/** Mean and its standard error stay within five of the latter. */
function meanIs(values: number[], mean: number, deviation: number, what: string) {
  const found = values.reduce((sum, x) => sum + x, 0) / values.length;
  const allowed = 5 * deviation / Math.sqrt(values.length);
  assert.ok(Math.abs(found - mean) <= allowed, `${what}: mean ${found}, wanted ${mean}`);
}

/** Numbers fill [low, high) evenly. */
function isUniform(values: number[], low: number, high: number, what: string) {
  for (const x of values) assert.ok(x >= low && x < high, `${what}: ${x}`);
  const width = high - low;
  meanIs(values, (low + high) / 2, width / Math.sqrt(12), what);
  // E (x - middle)^2 = w^2 / 12, its square w^4 / 80: a deviation of w^2 / 13.4
  meanIs(
    values.map((x) => (x - (low + high) / 2) ** 2),
    width ** 2 / 12,
    width ** 2 / 13.4,
    `${what}, variance`,
  );
}

const half = Math.sqrt(3) / 2;
/** Modes by environment: centres, noise, order. */
const MODES: Record<string, [centres: number[][], noise: number, order: "uniform" | "in turn"]> = {
  // angles -90, -30, 30, 90 degrees on a circle of radius 4, x = r sin, y = r cos
  AntRandGoalModeEnv: [[[-4, 0], [-2, 4 * half], [2, 4 * half], [4, 0]], 0.8, "in turn"],
  AntRandGoalMode1ModeEnv: [[[-4, 0]], 0.8, "in turn"],
  AntRandGoalMode2ModesEnv: [[[-4, 0], [4, 0]], 0.8, "uniform"],
  AntRandGoalMode6ModesEnv: [
    [-90, -54, -18, 18, 54, 90].map((degrees) => {
      const angle = degrees * Math.PI / 180;
      return [4 * Math.sin(angle), 4 * Math.cos(angle)];
    }),
    0.8,
    "in turn",
  ],
  SwimmerReach2ModesEnv: [[[-1, 0], [1, 0]], 0.2, "uniform"],
  SwimmerReach4ModesEnv: [[[-1, 0], [-0.5, half], [0.5, half], [1, 0]], 0.2, "in turn"],
};

test("goals lie around their modes with the published noise and order", async () => {
  for (const [name, [centres, noise, order]] of Object.entries(MODES)) {
    const { tasks, modes, spec } = await draw(name);
    assert.equal(spec.modes, centres.length);
    if (order === "in turn") {
      modes.forEach((mode, m) => assert.equal(mode, m % centres.length, name));
    } else {
      const share = 1 / centres.length;
      for (let mode = 0; mode < centres.length; mode++) {
        const drawn = modes.map((drawnMode) => drawnMode === mode ? 1 : 0);
        meanIs(drawn, share, Math.sqrt(share * (1 - share)), `${name}, mode ${mode}`);
      }
    }
    for (const axis of [0, 1]) {
      const deviations = tasks.map((task, m) => task[axis] - centres[modes[m]][axis]);
      meanIs(deviations, 0, noise, `${name}, ${axis}`);
      const squares = deviations.map((d) => d * d);
      meanIs(squares, noise ** 2, Math.SQRT2 * noise ** 2, `${name}, ${axis}, variance`);
    }
    if (spec.taskDim === 3) { for (const task of tasks) assert.equal(task[2], 0.03); }
  }
});

/** Arms: centres, noise, largest distance, height or none. */
const ARMS: Record<string, [centres: number[][], noise: number, cap: number, z: number]> = {
  Reacher3LinkEnv: [
    [[-0.225, -0.225], [0.225, -0.225], [-0.225, 0.225], [0.225, 0.225]],
    ...[0.1, 0.3, 0.03] as const,
  ],
  Reacher3Link1ModeEnv: [[[0.225, 0.225]], 0.1, 0.3, 0.03],
  Reacher3Link2ModeEnv: [[[-0.225, -0.225], [0.225, 0.225]], 0.1, 0.3, 0.03],
  Reacher3Link6ModeEnv: [hexagon(0.225 * Math.SQRT2), 0.1, 0.3, 0.03],
  ReacherEnv: [
    [[-0.15, -0.15], [0.15, -0.15], [-0.15, 0.15], [0.15, 0.15]],
    ...[0.025, 0.25, 0] as const,
  ],
  Reacher2ModeEnv: [[[-0.15, -0.15], [0.15, 0.15]], 0.025, 0.25, 0],
  Reacher6ModeEnv: [hexagon(1.2 * Math.hypot(0.125, 0.125)), 0.025, 0.25, 0],
};

function hexagon(r: number): number[][] {
  return [
    ...[[r, 0], [r / 2, half * r], [-r / 2, half * r]],
    ...[[-r / 2, -half * r], [r / 2, -half * r], [-r, 0]],
  ];
}

test("the arms' goals are shortened to what the arm reaches", async () => {
  for (const [name, [centres, noise, cap, z]] of Object.entries(ARMS)) {
    const { tasks, modes, spec } = await draw(name);
    assert.equal(spec.modes, centres.length);
    let shortened = 0;
    let expected = 0;
    const random = new KeyedRandom(17);
    tasks.forEach((task, m) => {
      const length = Math.hypot(...task);
      assert.ok(length <= cap + 1e-15);
      if (length > cap - 1e-12) shortened++;
      else if (z !== 0) assert.equal(task[2], z);
      if (z !== 0) assert.ok(task[2] > 0 && task[2] <= z);
      // how many are shortened, by an independent draw of the same distribution
      const [x, y] = centres[modes[m]];
      const far = Math.hypot(x + noise * random.normal(), y + noise * random.normal(), z) > cap;
      expected += far ? 1 : 0;
      // the direction is that of mode and noise: within 90 degrees but for rare noise of 3 sigma
      const towards = task[0] * x + task[1] * y;
      assert.ok(towards > -0.08, `${name}: ${task}`);
    });
    const share = expected / COUNT;
    const deviation = Math.sqrt(2 * COUNT * share * (1 - share));
    assert.ok(Math.abs(shortened - expected) <= 5 * deviation, `${name}: ${shortened}`);
    for (let mode = 0; mode < centres.length; mode++) {
      const mean = 1 / centres.length;
      const drawn = modes.map((drawnMode) => drawnMode === mode ? 1 : 0);
      meanIs(drawn, mean, Math.sqrt(mean * (1 - mean)), `${name}, mode ${mode}`);
    }
  }
});

test("compat mmaml-rl draws two of the 3-link reacher's six modes, all can be asked for", async () => {
  const { modes, spec } = await draw("Reacher3Link6ModeEnv", { compat: "mmaml-rl" });
  assert.deepEqual([...new Set(modes)].sort(), [0, 1]);
  assert.equal(spec.modes, 6);
  const factory = await loadEnv("Reacher3Link6ModeEnv", { compat: "mmaml-rl" });
  const asked = factory.sampleTasks(new KeyedRandom(1), 0, 200, 5);
  // mode 5 is (-0.318, 0)
  const x = Array.from(asked.rows).filter((_, i) => i % 3 === 0);
  assert.ok(x.reduce((sum, value) => sum + value, 0) / 200 < -0.2);
});

test("directions are -1 and 1 alike, or uniform on the circle", async () => {
  for (
    const name of [
      ...["AntRandDirecEnv", "HalfCheetahRandDirecEnv"],
      ...["Walker2DRandDirecEnv", "HumanoidRandDirecEnv"],
    ]
  ) {
    const { tasks, modes } = await draw(name);
    tasks.forEach(([direction], m) => assert.equal(direction, modes[m] === 0 ? -1 : 1));
    meanIs(tasks.map(([direction]) => direction), 0, 1, name);
  }
  for (const name of ["AntRandDirec2DEnv", "HumanoidRandDirec2DEnv"]) {
    const { tasks } = await draw(name);
    const angles = tasks.map(([x, y]) => {
      assert.ok(Math.abs(Math.hypot(x, y) - 1) < 1e-15);
      return Math.atan2(y, x);
    });
    isUniform(angles, -Math.PI, Math.PI, name);
  }
});

test("speeds, places and the disc are uniform", async () => {
  const ranges: Record<string, [number, number]> = {
    HalfCheetahRandVelEnv: [0, 3],
    HalfCheetahTargetSpeedEnv: [-3, 3],
    HalfCheetahTargetLocationEnv: [-5, 5],
    Walker2DRandVelEnv: [0, 10],
    Walker2DTargetLocation: [-2, 2],
    SwimmerRandVelEnv: [0.1, 0.2],
  };
  for (const [name, [low, high]] of Object.entries(ranges)) {
    const { tasks } = await draw(name);
    isUniform(tasks.map(([value]) => value), low, high, name);
  }
  const { tasks } = await draw("AntRandGoalEnv");
  // uniform in the disc: the squared radius is uniform, and so is the angle
  isUniform(tasks.map(([x, y]) => (x * x + y * y) / 9), 0, 1 + 1e-12, "squared radius");
  isUniform(tasks.map(([x, y]) => Math.atan2(y, x)), -Math.PI, Math.PI, "angle");
});

test("random parameters are powers of 1.5 and 1.3, each number on its own", async () => {
  for (const name of ["HopperRandParamsEnv", "Walker2DRandParamsEnv"]) {
    const { tasks, spec } = await draw(name);
    spec.task.forEach((row, i) => {
      const base = row.name.startsWith("damping_") ? 1.3 : 1.5;
      const exponents = tasks.map((task) => Math.log(task[i]) / Math.log(base));
      isUniform(exponents, -3 - 1e-12, 3 + 1e-12, `${name} ${row.name}`);
    });
    // neighbours are not correlated: products of two exponents have mean 0, deviation 3
    for (let i = 1; i < spec.taskDim; i++) {
      if (spec.task[i].name.startsWith("damping_")) continue;
      if (spec.task[i - 1].name.startsWith("damping_")) continue;
      const products = tasks.map((task) => Math.log(task[i]) * Math.log(task[i - 1]));
      meanIs(products, 0, 3 * Math.log(1.5) ** 2, `${name} ${spec.task[i].name}`);
    }
  }
});
