/**
 * gym's arm of two links with a goal near one of several modes. Unlike in the other goal
 * environments the arm sees the goal, as published.
 *
 * Source: vuoristo/MMAML-rl, `reacher_6_mode` (members with other numbers of modes are named
 * there, their files are missing). Tables are the same for all members:
 *
 *     observation [8]   cosines and sines of joints 0 and 1, x and y of the target, velocities of
 *                       joints 0 and 1
 *     action      [2]   torques on the joints
 *     reward            goal: -distance from fingertip to goal before the step, in m
 *                       ctrl: -sum a^2
 *     task        [2]   goal x, y: mode + N(0, 0.025), shortened to 0.25 m where it is longer
 *     start             joints: positions +- 0.1, velocities +- 0.005; the target at the goal
 *     end               never
 */
import type { KeyedRandom } from "../../util/prng.ts";
import type { EnvDefinition } from "../env.ts";
import { norm, type Point } from "../tasks.ts";
import { mujocoDefinition, MujocoEnv, sumOfSquares } from "./mujoco_env.ts";
import { cosinesAndSines, positions, velocities } from "./observation.ts";
import { addStartNoise, REACHER } from "./robots.ts";
import { goalModesTask } from "./tasks.ts";

/** Half the side of the square that the modes' circle goes round, in m. */
export const HALF_SQUARE = 0.15;

/** Distance of the modes from the arm's root in m. */
export const MODE_RADIUS = HALF_SQUARE * Math.SQRT2;

/** Index of the target's joints in positions and velocities. */
const TARGET = 2;

class ReacherEnv extends MujocoEnv {
  /** Index in `xpos` of the fingertip's position. */
  readonly #fingertip = 3 * this.sim.model.index("body", "fingertip");
  #distance = 0;

  protected override start(random: KeyedRandom): void {
    const { sim, task } = this;
    addStartNoise(REACHER, sim, random);
    for (let i = 0; i < 2; i++) {
      sim.qpos[TARGET + i] = task[i];
      sim.qvel[TARGET + i] = 0;
    }
  }

  protected override beforeStep(): void {
    const { xpos } = this.sim;
    const at = this.#fingertip;
    this.#distance = norm(xpos[at] - this.task[0], xpos[at + 1] - this.task[1]);
  }

  tracePosition(out: Float64Array): void {
    const { xpos } = this.sim;
    out[0] = xpos[this.#fingertip];
    out[1] = xpos[this.#fingertip + 1];
  }

  protected score(action: Float64Array): void {
    this.rewardParts[0] = -this.#distance;
    this.rewardParts[1] = -sumOfSquares(action);
  }
}

/** The definition of a member. */
export function reacherDefinition(
  name: string,
  description: string,
  modes: readonly Point[],
): EnvDefinition {
  return mujocoDefinition(name, [], () => ({
    version: 1,
    description,
    robot: REACHER,
    frameSkip: 2,
    observation: [
      ...cosinesAndSines(REACHER, 2),
      positions(REACHER, TARGET),
      velocities(REACHER, { count: 2 }),
    ],
    rewardParts: [
      { name: "goal", meaning: "minus distance from fingertip to goal before the step", unit: "m" },
      { name: "ctrl", meaning: "minus sum of squared controls", unit: "1" },
    ],
    task: goalModesTask({ modes, order: "uniform", noise: 0.025, maxNorm: 0.25 }),
    maxSteps: 50,
    create: (...parts) => new ReacherEnv(...parts),
  }));
}
