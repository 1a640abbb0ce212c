/**
 * An ant that has to walk to a goal it does not see; the task is the goal, which lies near one of
 * several modes on a circle of radius 4 m around the start.
 *
 * Source: vuoristo/MMAML-rl, `ant_rand_goal_mode*` (Vuorio et al., "Multimodal Model-Agnostic
 * Meta-Learning via Task-Aware Modulation", 2019). Tables are the same for all members:
 *
 *     observation [29]  positions [15], velocities [14]
 *     action      [8]   torques on hips and ankles
 *     reward            forward: -(|dx| + |dy| + |dz|) from torso to goal, in m
 *                       ctrl: -0.1 sum a^2
 *     task        [3]   goal x, y, z: mode + N(0, 0.8) in x and y, z = 0.03
 *     start             positions +- 0.1, velocities N(0, 0.1)
 *     end               never
 */
import type { EnvDefinition } from "../env.ts";
import type { ModeOrder, Point } from "../tasks.ts";
import { GoalEnv } from "./goal_env.ts";
import { mujocoDefinition } from "./mujoco_env.ts";
import { positions, velocities } from "./observation.ts";
import { ANT } from "./robots.ts";
import { goalModesTask, onHalfCircle } from "./tasks.ts";

/** Distance of the modes from the start in m. */
const GOAL_RADIUS = 4;

/** Modes at the angles i * stepAngle - 90 degrees, see `onHalfCircle`. */
export function antModes(count: number, stepAngle: number): readonly Point[] {
  return onHalfCircle(GOAL_RADIUS, count, stepAngle);
}

/** The definition of a member. */
export function antGoalDefinition(
  name: string,
  description: string,
  modes: readonly Point[],
  order: ModeOrder,
): EnvDefinition {
  return mujocoDefinition(name, [], () => ({
    version: 1,
    description,
    robot: ANT,
    model: "ant_target",
    frameSkip: 2,
    observation: [positions(ANT), velocities(ANT)],
    rewardParts: [
      { name: "forward", meaning: "minus |dx| + |dy| + |dz| from torso to goal", unit: "m" },
      { name: "ctrl", meaning: "-0.1 sum of squared controls", unit: "1" },
    ],
    task: goalModesTask({ modes, order, noise: 0.8, z: 0.03 }),
    maxSteps: 250,
    create: (...parts) => new GoalEnv({ body: "torso", ctrlCost: 0.1 }, ...parts),
  }));
}
