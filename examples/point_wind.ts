/**
 * An environment of one's own as a module: a point that has to stay at the origin while a wind
 * pushes it; the task is the wind. Train on it with
 *
 *     metarl promp --env examples/point_wind.ts
 *
 * Tables: observation x, y; action vx, vy; reward -distance to the origin; task wind_x, wind_y,
 * uniform in direction, 0.05 m per step strong. An episode never ends before its length.
 */
import {
  drawTasks,
  type Env,
  type EnvDefinition,
  type EnvSpec,
  envSpec,
  type KeyedRandom,
} from "../mod.ts";

/** How far the wind pushes in a step, in m. */
const WIND = 0.05;
const unbounded = { low: -Infinity, high: Infinity };

const SPEC: EnvSpec = envSpec({
  name: "PointWind",
  version: 1,
  description: "point that has to stay at the origin against a wind it does not see",
  observation: ["x", "y"].map((name) => ({
    name,
    meaning: "position of the point",
    unit: "m",
    ...unbounded,
  })),
  action: ["vx", "vy"].map((name) => ({
    name,
    meaning: "way in this step",
    unit: "m/step",
    low: -0.1,
    high: 0.1,
  })),
  rewardParts: [{ name: "goal", meaning: "minus distance to the origin", unit: "m" }],
  task: ["wind_x", "wind_y"].map((name) => ({
    name,
    meaning: "way of the wind in a step",
    unit: "m/step",
    low: -WIND,
    high: WIND,
  })),
  modes: 0,
  maxSteps: 50,
  options: [],
});

/** One simulator. Everything is allocated here, nothing in `step`. */
class PointWind implements Env {
  readonly spec = SPEC;
  readonly obs = new Float64Array(2);
  reward = 0;
  readonly rewardParts = new Float64Array(1);
  readonly terminated = false;
  readonly #wind = new Float64Array(2);

  setTask(row: ArrayLike<number>): void {
    this.#wind.set(row);
  }

  reset(random: KeyedRandom): void {
    for (let i = 0; i < 2; i++) this.obs[i] = random.uniformRange(-0.2, 0.2);
  }

  step(action: Float64Array): void {
    for (let i = 0; i < 2; i++) this.obs[i] += action[i] + this.#wind[i];
    const [x, y] = this.obs;
    this.rewardParts[0] = this.reward = -Math.sqrt(x * x + y * y);
  }

  close(): void {}
}

const definition: EnvDefinition = {
  configure: () => ({
    spec: SPEC,
    // a direction drawn as a normal vector is uniform; everything random comes from `random`
    sampleTasks: (random, iteration, count, mode) =>
      drawTasks(
        SPEC,
        (random, _task, _mode, row) => {
          const [x, y] = [random.normal(), random.normal()];
          const length = Math.sqrt(x * x + y * y);
          row[0] = WIND * (x / length);
          row[1] = WIND * (y / length);
          return 0;
        },
        random,
        iteration,
        count,
        mode,
      ),
    createInstance: () => Promise.resolve(new PointWind()),
  }),
};

export default definition;
