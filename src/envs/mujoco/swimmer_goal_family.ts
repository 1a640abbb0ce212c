/**
 * A swimmer that has to reach a goal it does not see; the task is the goal, near one of several
 * modes on a circle of radius 1 m around the start. vuoristo/MMAML-rl names these environments
 * and lacks their files; here they are the ant's goal modes, with the same angles and form of
 * reward, as far away as the speeds of SwimmerRandVelEnv reach in an episode of 8 s. Tables are
 * the same for all members:
 *
 *     observation [10]  positions [5], velocities [5]
 *     action      [2]   torques between the links
 *     reward            forward: -(|dx| + |dy|) from the first link's frame to the goal, in m
 *                       ctrl: -1e-4 sum a^2
 *     task        [2]   goal x, y: mode + N(0, 0.2)
 *     start             positions +- 0.1, velocities +- 0.1
 *     end               never
 */
import type { EnvDefinition } from "../env.ts";
import type { ModeOrder } from "../tasks.ts";
import { GoalEnv } from "./goal_env.ts";
import { mujocoDefinition } from "./mujoco_env.ts";
import { positions, velocities } from "./observation.ts";
import { SWIMMER } from "./robots.ts";
import { goalModesTask, onHalfCircle } from "./tasks.ts";

/** The definition of a member; modes at the angles i * stepAngle - 90 degrees. */
export function swimmerGoalDefinition(
  name: string,
  description: string,
  modes: number,
  stepAngle: number,
  order: ModeOrder,
): EnvDefinition {
  return mujocoDefinition(name, [], () => ({
    version: 1,
    description,
    robot: SWIMMER,
    frameSkip: 4,
    observation: [positions(SWIMMER), velocities(SWIMMER)],
    rewardParts: [
      { name: "forward", meaning: "minus |dx| + |dy| from the first link to the goal", unit: "m" },
      { name: "ctrl", meaning: "-1e-4 sum of squared controls", unit: "1" },
    ],
    task: goalModesTask({ modes: onHalfCircle(1, modes, stepAngle), order, noise: 0.2 }),
    maxSteps: 200,
    create: (...parts) => new GoalEnv({ body: "torso", ctrlCost: 1e-4 }, ...parts),
  }));
}
