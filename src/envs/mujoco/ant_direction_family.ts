/**
 * An ant that has to run in a direction it is not told; the task is the direction.
 *
 * Source: jonasrothfuss/ProMP, `ant_rand_direc` and `ant_rand_direc_2d`. Tables are the same for
 * both but for the task:
 *
 *     observation [111] positions without x and y [13], velocities [14],
 *                       forces of contacts cut to +-1 [84]
 *     action      [8]   torques on hips and ankles
 *     reward            forward: speed of the torso along the direction, in m/s
 *                       ctrl: -0.5 sum a^2
 *                       contact: -5e-4 times the squares of the forces of contacts, each cut to 1
 *                       survive: 1
 *     start             positions +- 0.1, velocities N(0, 0.1)
 *     end               the torso is below 0 or above 1 m; never with `terminate: never`
 */
import type { EnvDefinition } from "../env.ts";
import {
  mujocoDefinition,
  MujocoEnv,
  sumOfClippedSquares,
  sumOfSquares,
  TERMINATE,
} from "./mujoco_env.ts";
import { contactForces, positions, velocities } from "./observation.ts";
import { ANT } from "./robots.ts";
import type { TaskDistribution } from "./tasks.ts";

class AntDirectionEnv extends MujocoEnv {
  /** Index in `xpos` of the torso's position. */
  readonly #torso = 3 * this.sim.model.index("body", "torso");
  /** [2] x, y of the torso before the step */
  readonly #before = new Float64Array(2);

  protected override beforeStep(): void {
    const { xpos } = this.sim;
    this.#before[0] = xpos[this.#torso];
    this.#before[1] = xpos[this.#torso + 1];
  }

  protected score(action: Float64Array): void {
    const { task, rewardParts, sim: { xpos, cfrcExt } } = this;
    let progress = 0;
    for (let i = 0; i < task.length; i++) {
      progress += task[i] * (xpos[this.#torso + i] - this.#before[i]);
    }
    rewardParts[0] = progress / this.dt;
    rewardParts[1] = -0.5 * sumOfSquares(action);
    rewardParts[2] = -5e-4 * sumOfClippedSquares(cfrcExt);
    rewardParts[3] = 1;
  }

  protected override fell(): boolean {
    const height = this.sim.qpos[2];
    return !(height >= 0 && height <= 1);
  }
}

/** The definition of a member. */
export function antDirectionDefinition(
  name: string,
  description: string,
  task: TaskDistribution,
): EnvDefinition {
  return mujocoDefinition(name, [TERMINATE], () => ({
    version: 1,
    description,
    robot: ANT,
    frameSkip: 5,
    observation: [positions(ANT, 2), velocities(ANT), contactForces(ANT, 1)],
    usesContactForces: true,
    rewardParts: [
      { name: "forward", meaning: "speed of the torso along the direction", unit: "m/s" },
      { name: "ctrl", meaning: "-0.5 sum of squared controls", unit: "1" },
      { name: "contact", meaning: "-5e-4 sum of squared forces of contacts, cut to 1", unit: "1" },
      { name: "survive", meaning: "1 per step", unit: "1" },
    ],
    task,
    maxSteps: 200,
    create: (...parts) => new AntDirectionEnv(...parts),
  }));
}
