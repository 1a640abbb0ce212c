/**
 * A planar runner; the task is a direction, a speed or a place along x that it is not told.
 *
 * Source: jonasrothfuss/ProMP, `half_cheetah_rand_direc` and `half_cheetah_rand_vel`; the targets
 * after their names in vuoristo/MMAML-rl, whose files are missing. What members share:
 *
 *     action      [6]   torques on the joints of both legs
 *     reward            forward or goal: see the member
 *                       ctrl: -0.05 sum a^2
 *     start             positions +- 0.1, velocities N(0, 0.1)
 *     end               never
 */
import type { EnvDefinition, RewardPartRow } from "../env.ts";
import { mujocoDefinition, sumOfSquares } from "./mujoco_env.ts";
import { type ObservationPart, positions, velocities } from "./observation.ts";
import { HALF_CHEETAH } from "./robots.ts";
import { RunnerEnv } from "./runner_env.ts";
import type { TaskDistribution } from "./tasks.ts";

/** Observation [17] of those paid for speed: positions without x [8], velocities [9]. */
export const WITHOUT_X = [positions(HALF_CHEETAH, 1), velocities(HALF_CHEETAH)];

/** Observation [18] of those paid for a place: positions [9], velocities [9]. */
export const WITH_X = [positions(HALF_CHEETAH), velocities(HALF_CHEETAH)];

/** What sets a member apart. */
export interface HalfCheetahMember {
  readonly name: string;
  readonly description: string;
  readonly observation: readonly ObservationPart[];
  readonly task: TaskDistribution;
  /** The first reward part. */
  readonly part: RewardPartRow;
  /** Its value for the task's number, mean speed in the step (m/s) and x after it (m). */
  readonly pay: (task: number, speed: number, x: number) => number;
}

/** The definition of a member. */
export function halfCheetahDefinition(own: HalfCheetahMember): EnvDefinition {
  class HalfCheetahEnv extends RunnerEnv {
    protected score(action: Float64Array): void {
      this.rewardParts[0] = own.pay(this.task[0], this.speed(), this.sim.qpos[0]);
      this.rewardParts[1] = -0.05 * sumOfSquares(action);
    }
  }
  return mujocoDefinition(own.name, [], () => ({
    version: 1,
    description: own.description,
    robot: HALF_CHEETAH,
    frameSkip: 5,
    observation: own.observation,
    rewardParts: [
      own.part,
      { name: "ctrl", meaning: "-0.05 sum of squared controls", unit: "1" },
    ],
    task: own.task,
    maxSteps: 100,
    create: (...parts) => new HalfCheetahEnv(...parts),
  }));
}
