/**
 * A planar biped; the task is a direction, a speed or a place along x that it is not told.
 *
 * Source: jonasrothfuss/ProMP, `walker2d_rand_direc` and `walker2d_rand_vel`; the target location
 * after its name in vuoristo/MMAML-rl, whose file is missing. What members share:
 *
 *     action      [6]   torques on the joints of both legs
 *     reward            forward or goal: see the member
 *                       ctrl: -1e-3 sum a^2
 *                       survive: the same in every step
 *     start             positions +- 0.005, velocities +- 0.005
 *     end               where falling ends an episode of the member: the torso is below 0.8 or
 *                       above 2 m, or pitches by 1 rad; never with `terminate: never`
 */
import type { EnvDefinition, RewardPartRow } from "../env.ts";
import { mujocoDefinition, sumOfSquares, TERMINATE } from "./mujoco_env.ts";
import { type ObservationPart, positions, velocities } from "./observation.ts";
import { WALKER2D } from "./robots.ts";
import { RunnerEnv } from "./runner_env.ts";
import type { TaskDistribution } from "./tasks.ts";

/** Velocities in observations are cut to this, in m/s and rad/s. */
const VELOCITY_LIMIT = 10;

/** Observation [17] of those paid for speed: positions without x [8], velocities [9]. */
export const WITHOUT_X = [positions(WALKER2D, 1), velocities(WALKER2D, { limit: VELOCITY_LIMIT })];

/** Observation [18] of those paid for a place: positions [9], velocities [9]. */
export const WITH_X = [positions(WALKER2D), velocities(WALKER2D, { limit: VELOCITY_LIMIT })];

/** Whether a walker lies or flies: `height` in m, `pitch` in rad. */
export function walkerFell(height: number, pitch: number): boolean {
  return !(height > 0.8 && height < 2 && pitch > -1 && pitch < 1);
}

/** What sets a member apart. */
export interface WalkerMember {
  readonly name: string;
  readonly description: string;
  readonly observation: readonly ObservationPart[];
  readonly task: TaskDistribution;
  /** The first reward part. */
  readonly part: RewardPartRow;
  /** Its value for the task's number, mean speed in the step (m/s) and x after it (m). */
  readonly pay: (task: number, speed: number, x: number) => number;
  /** Reward of every step. */
  readonly survive: number;
  /** Whether falling ends an episode, unless the user says otherwise. */
  readonly canEnd: boolean;
}

/** The definition of a member. */
export function walkerDefinition(own: WalkerMember): EnvDefinition {
  class WalkerEnv extends RunnerEnv {
    protected score(action: Float64Array): void {
      const { rewardParts, sim: { qpos } } = this;
      rewardParts[0] = own.pay(this.task[0], this.speed(), qpos[0]);
      rewardParts[1] = -1e-3 * sumOfSquares(action);
      rewardParts[2] = own.survive;
    }

    protected override fell(): boolean {
      const { qpos } = this.sim;
      return walkerFell(qpos[1], qpos[2]);
    }
  }
  return mujocoDefinition(own.name, own.canEnd ? [TERMINATE] : [], () => ({
    version: 1,
    description: own.description,
    robot: WALKER2D,
    frameSkip: 8,
    observation: own.observation,
    rewardParts: [
      own.part,
      { name: "ctrl", meaning: "-1e-3 sum of squared controls", unit: "1" },
      { name: "survive", meaning: `${own.survive} per step`, unit: "1" },
    ],
    task: own.task,
    maxSteps: 200,
    create: (...parts) => new WalkerEnv(...parts),
  }));
}
