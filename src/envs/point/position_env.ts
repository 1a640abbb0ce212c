/**
 * A point that the policy moves directly, p += clip(a, -0.2, 0.2): what the corner and the walls
 * environments share (jonasrothfuss/ProMP, `point_env_2d_corner`, `point_env_2d_walls`).
 */
import type { KeyedRandom } from "../../util/prng.ts";
import type { Env, EnvSpec, ValueRow } from "../env.ts";
import { norm } from "../tasks.ts";
import { type PointOptions, START_POSITION } from "./common.ts";

/** Largest move in one step, per coordinate. */
export const MOVE_LIMIT = 0.2;

/** Action table. */
export const MOVE_ROWS: readonly ValueRow[] = ["dx", "dy"].map((name) => ({
  name,
  meaning: "move in this step",
  unit: "m",
  low: -MOVE_LIMIT,
  high: MOVE_LIMIT,
}));

/** The action that moves the point as near to (x, y) as one step can; `action` [2] out. */
export function moveTowards(obs: Float64Array, x: number, y: number, action: Float64Array): void {
  action[0] = Math.min(Math.max(x - obs[0], -MOVE_LIMIT), MOVE_LIMIT);
  action[1] = Math.min(Math.max(y - obs[1], -MOVE_LIMIT), MOVE_LIMIT);
}

/** One simulator: a position in the plane. */
export abstract class PositionEnv implements Env {
  /** [2] x, y: the observation is the state */
  readonly obs = new Float64Array(2);
  reward = 0;
  /** [1] */
  readonly rewardParts = new Float64Array(1);
  readonly terminated = false;
  /** [D], begins with the goal */
  protected readonly task: Float64Array;

  constructor(readonly spec: EnvSpec, protected readonly options: PointOptions) {
    this.task = new Float64Array(spec.taskDim);
  }

  setTask(row: ArrayLike<number>): void {
    for (let i = 0; i < this.task.length; i++) this.task[i] = row[i];
  }

  reset(random: KeyedRandom): void {
    this.obs[0] = random.uniformRange(-START_POSITION, START_POSITION);
    this.obs[1] = random.uniformRange(-START_POSITION, START_POSITION);
  }

  /** Puts the point somewhere; `state` [2] x, y. */
  setState(state: ArrayLike<number>): void {
    this.obs.set(state);
  }

  tracePosition(out: Float64Array): void {
    out.set(this.obs);
  }

  step(action: Float64Array): void {
    const { obs, task } = this;
    const oldX = obs[0];
    const oldY = obs[1];
    const x = oldX + Math.min(Math.max(action[0], -MOVE_LIMIT), MOVE_LIMIT);
    const y = oldY + Math.min(Math.max(action[1], -MOVE_LIMIT), MOVE_LIMIT);
    const distance = norm(x - task[0], y - task[1]);
    let reward: number;
    switch (this.options.rewardType) {
      case "dense":
        reward = -distance;
        break;
      case "dense_squared":
        reward = -distance * distance;
        break;
      case "sparse":
        reward = this.paysProgress(x, y, distance)
          ? norm(oldX - task[0], oldY - task[1]) - distance
          : 0;
        break;
    }
    this.rewardParts[0] = this.reward = reward;
    obs[0] = x;
    obs[1] = y;
    this.constrain(oldX, oldY);
  }

  /** Whether the sparse reward pays for the way made towards the goal, at (x, y). */
  protected abstract paysProgress(x: number, y: number, goalDistance: number): boolean;

  /** Moves `obs` back where the step from (oldX, oldY) was not allowed. */
  protected constrain(_oldX: number, _oldY: number): void {}

  close(): void {}
}
