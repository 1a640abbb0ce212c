/**
 * An arm of three links whose fingertip has to go to a goal it does not see; the task is the goal,
 * near one of several modes.
 *
 * Source: vuoristo/MMAML-rl, `reacher_3_link*`. Tables are the same for all members:
 *
 *     observation [7]   cosines and sines of joints 0 and 1, angle of joint 2, velocities of
 *                       joints 0 and 1 (as published; all three with `observe_all_velocities`)
 *     action      [3]   torques on the joints
 *     reward            goal: -(|dx| + |dy| + |dz|) from fingertip to goal, in m
 *                       ctrl: -0.1 sum a^2
 *     task        [3]   goal x, y, z: mode + N(0, 0.1) in x and y, z = 0.03, the vector shortened
 *                       to 0.30 m where it is longer
 *     start             positions +- 0.1, velocities +- 0.005
 *     end               never
 */
import type { EnvDefinition, OptionRow } from "../env.ts";
import type { Point } from "../tasks.ts";
import { GoalEnv } from "./goal_env.ts";
import { mujocoDefinition } from "./mujoco_env.ts";
import { cosinesAndSines, positions, velocities } from "./observation.ts";
import { REACHER_3_LINK } from "./robots.ts";
import { goalModesTask } from "./tasks.ts";

/** Coordinate of the corners that the goals lie around, in m. */
export const CORNER = 0.225;

const OBSERVE_ALL: OptionRow = {
  name: "observe_all_velocities",
  meaning: "adds the velocity of the third joint to the observation",
  kind: "boolean",
  default: false,
};

/** What sets a member apart. */
export interface Reacher3LinkMember {
  readonly name: string;
  readonly description: string;
  readonly modes: readonly Point[];
  /** Modes that the published code draws, where it can't reach all of them. */
  readonly publishedModes?: number;
}

/** The definition of a member. */
export function reacher3LinkDefinition(member: Reacher3LinkMember): EnvDefinition {
  const { name, description, modes, publishedModes } = member;
  const options: OptionRow[] = [OBSERVE_ALL];
  if (publishedModes !== undefined) {
    options.push({
      name: "compat",
      meaning: `mmaml-rl: only modes 0 to ${
        publishedModes - 1
      } are drawn, as the published code does`,
      kind: "choice",
      choices: ["none", "mmaml-rl"],
      default: "none",
    });
  }
  return mujocoDefinition(name, options, (values) => ({
    version: 1,
    description,
    robot: REACHER_3_LINK,
    frameSkip: 2,
    observation: [
      ...cosinesAndSines(REACHER_3_LINK, 2),
      positions(REACHER_3_LINK, 2),
      velocities(REACHER_3_LINK, { count: values.get("observe_all_velocities") ? 3 : 2 }),
    ],
    rewardParts: [
      { name: "goal", meaning: "minus |dx| + |dy| + |dz| from fingertip to goal", unit: "m" },
      { name: "ctrl", meaning: "-0.1 sum of squared controls", unit: "1" },
    ],
    task: goalModesTask({
      modes,
      order: "uniform",
      noise: 0.1,
      z: 0.03,
      maxNorm: 0.3,
      drawnModes: values.get("compat") === "mmaml-rl" ? publishedModes : modes.length,
    }),
    maxSteps: 50,
    create: (...parts) => new GoalEnv({ body: "fingertip", ctrlCost: 0.1 }, ...parts),
  }));
}
