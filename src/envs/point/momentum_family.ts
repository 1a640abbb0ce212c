/**
 * A point mass that the policy accelerates towards a goal it does not see; the task is the goal.
 *
 *     v += clip(a, -0.1, 0.1),  p += v,  reward by the new position
 *
 * Source: jonasrothfuss/ProMP and vuoristo/MMAML-rl, the `point_env_2d_momentum*` environments
 * (Vuorio et al., "Multimodal Model-Agnostic Meta-Learning via Task-Aware Modulation", 2019).
 * The goal is a mode (corner, ...) plus normal noise of the family's standard deviation. Tables
 * are the same for all members. Left out: the published `noise_scale`, which was never used.
 */
import type { KeyedRandom } from "../../util/prng.ts";
import {
  drawTasks,
  type Env,
  type EnvDefinition,
  type EnvFactory,
  type EnvSpec,
  envSpec,
  type Oracle,
  type TaskSampler,
  type ValueRow,
} from "../env.ts";
import { chooseMode, type ModeOrder, norm, placeOf, type Point } from "../tasks.ts";
import {
  goalRewardPart,
  goalRows,
  MAX_STEPS,
  pointOptionRows,
  type PointOptions,
  POSITION_ROWS,
  readPointOptions,
  START_POSITION,
  START_VELOCITY,
  VELOCITY_ROWS,
} from "./common.ts";

/** Largest change of velocity in one step. */
export const ACTION_LIMIT = 0.1;

const ACTION_ROWS: readonly ValueRow[] = ["ax", "ay"].map((name) => ({
  name,
  meaning: "change of velocity in this step",
  unit: "m/step",
  low: -ACTION_LIMIT,
  high: ACTION_LIMIT,
}));

/** One simulator: position and velocity in the plane. */
export class MomentumPointEnv implements Env {
  /** [4] x, y, vx, vy: the observation is the state */
  readonly obs = new Float64Array(4);
  reward = 0;
  /** [1] */
  readonly rewardParts = new Float64Array(1);
  readonly terminated = false;
  /** [2] */
  readonly #goal = new Float64Array(2);

  constructor(readonly spec: EnvSpec, readonly options: PointOptions) {}

  setTask(row: ArrayLike<number>): void {
    this.#goal[0] = row[0];
    this.#goal[1] = row[1];
  }

  reset(random: KeyedRandom): void {
    const { obs } = this;
    obs[0] = random.uniformRange(-START_POSITION, START_POSITION);
    obs[1] = random.uniformRange(-START_POSITION, START_POSITION);
    obs[2] = random.uniformRange(-START_VELOCITY, START_VELOCITY);
    obs[3] = random.uniformRange(-START_VELOCITY, START_VELOCITY);
  }

  /** Puts the point somewhere; `state` [4] x, y, vx, vy. */
  setState(state: ArrayLike<number>): void {
    this.obs.set(state);
  }

  tracePosition(out: Float64Array): void {
    out[0] = this.obs[0];
    out[1] = this.obs[1];
  }

  step(action: Float64Array): void {
    const { obs } = this;
    obs[2] += Math.min(Math.max(action[0], -ACTION_LIMIT), ACTION_LIMIT);
    obs[3] += Math.min(Math.max(action[1], -ACTION_LIMIT), ACTION_LIMIT);
    obs[0] += obs[2];
    obs[1] += obs[3];
    const distance = norm(obs[0] - this.#goal[0], obs[1] - this.#goal[1]);
    this.rewardParts[0] = this.reward = this.#rewardAt(distance);
  }

  #rewardAt(distance: number): number {
    switch (this.options.rewardType) {
      case "dense":
        return -distance;
      case "dense_squared":
        return -distance * distance;
      case "sparse":
        return Math.max(this.options.sparseRadius - distance, 0);
    }
  }

  close(): void {}
}

/**
 * Each axis as fast as it can be and still stop at the goal: from velocity w, braking all the way,
 * the point comes w + (w - a) + (w - 2a) + ... = w (w + a) / 2a far, a the largest acceleration.
 */
const ORACLE: Oracle = {
  description: "accelerates each axis fully towards the goal and brakes in time",
  act(obs, task, action) {
    for (let axis = 0; axis < 2; axis++) {
      const way = task[axis] - obs[axis];
      const distance = Math.abs(way);
      const stoppable = (Math.sqrt(ACTION_LIMIT ** 2 + 8 * ACTION_LIMIT * distance) -
        ACTION_LIMIT) / 2;
      const wanted = Math.sign(way) * Math.min(stoppable, distance);
      const change = wanted - obs[2 + axis];
      action[axis] = Math.min(Math.max(change, -ACTION_LIMIT), ACTION_LIMIT);
    }
  },
};

/** What sets a member of the family apart. */
export interface MomentumMember {
  readonly name: string;
  readonly description: string;
  /** Centre of each mode. */
  readonly modes: readonly Point[];
  /** Standard deviation of the goal around its mode, per coordinate. */
  readonly noise: number;
  readonly order: ModeOrder;
}

/** The definition of a member. */
export function momentumDefinition(member: MomentumMember): EnvDefinition {
  const { name, description, modes, noise, order } = member;
  const options = pointOptionRows("dense", 2, "max(radius - distance to the goal, 0)");
  const limit = noise > 0 ? Infinity : Math.max(...modes.flat().map(Math.abs));

  const sampleTask: TaskSampler = (random, index, asked, row) => {
    const mode = chooseMode(random, order, modes.length, index, asked);
    row[0] = modes[mode][0] + noise * random.normal();
    row[1] = modes[mode][1] + noise * random.normal();
    return mode;
  };

  return {
    configure(given): EnvFactory {
      const values = readPointOptions(name, options, given);
      const spec = envSpec({
        name,
        version: 1,
        description,
        observation: [...POSITION_ROWS, ...VELOCITY_ROWS],
        action: ACTION_ROWS,
        rewardParts: [goalRewardPart(values.rewardType)],
        task: goalRows(limit),
        modes: modes.length,
        maxSteps: MAX_STEPS,
        options,
      });
      return {
        spec,
        sampleTasks: (random, iteration, count, mode) =>
          drawTasks(spec, sampleTask, random, iteration, count, mode),
        createInstance: () => Promise.resolve(new MomentumPointEnv(spec, values)),
        goalOf: placeOf,
        oracle: ORACLE,
      };
    },
  };
}
