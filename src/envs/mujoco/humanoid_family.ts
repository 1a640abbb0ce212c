/**
 * A humanoid that has to run in a direction it is not told; the task is the direction.
 *
 * Source: jonasrothfuss/ProMP, `humanoid_rand_direc` and `humanoid_rand_direc_2d`. Tables are the
 * same for both but for the task:
 *
 *     observation [376] positions without x and y [22], velocities [23], inertias [140] and
 *                       velocities [84] of the bodies, forces of the motors [23], forces of
 *                       contacts [84]
 *     action      [17]  torques on the joints, control within +- 0.4
 *     reward            forward: 1.25 times the speed of the centre of mass along the direction,
 *                       in m/s (as published: 0.25 times its way in the control step over the
 *                       length of a physics step, of which a control step has 5)
 *                       ctrl: -0.1 sum a^2
 *                       contact: -5e-7 times the squares of the forces of contacts, at least -10
 *                       survive: 5
 *     start             positions +- 0.01, velocities +- 0.01
 *     end               the torso is below 1 or above 2 m; never with `terminate: never`
 */
import type { EnvDefinition } from "../env.ts";
import { mujocoDefinition, MujocoEnv, sumOfSquares, TERMINATE } from "./mujoco_env.ts";
import {
  actuatorForces,
  bodyInertias,
  bodyVelocities,
  contactForces,
  positions,
  velocities,
} from "./observation.ts";
import { HUMANOID } from "./robots.ts";
import type { TaskDistribution } from "./tasks.ts";

class HumanoidDirectionEnv extends MujocoEnv {
  /** [b] kg */
  readonly #masses = Float64Array.from(this.sim.model.handle.body_mass as Float64Array);
  readonly #mass = this.#masses.reduce((sum, mass) => sum + mass, 0);
  /** [2] x, y of the centre of mass before the step */
  readonly #before = new Float64Array(2);

  /** x (axis 0) or y (axis 1) of the centre of mass. */
  #massCenter(axis: number): number {
    const { xipos } = this.sim;
    const masses = this.#masses;
    let sum = 0;
    for (let b = 0; b < masses.length; b++) sum += masses[b] * xipos[3 * b + axis];
    return sum / this.#mass;
  }

  protected override beforeStep(): void {
    for (let axis = 0; axis < 2; axis++) this.#before[axis] = this.#massCenter(axis);
  }

  protected score(action: Float64Array): void {
    const { task, rewardParts, sim } = this;
    let progress = 0;
    for (let axis = 0; axis < task.length; axis++) {
      progress += task[axis] * (this.#massCenter(axis) - this.#before[axis]);
    }
    rewardParts[0] = 0.25 * progress / sim.timestep;
    rewardParts[1] = -0.1 * sumOfSquares(action);
    rewardParts[2] = -Math.min(5e-7 * sumOfSquares(sim.cfrcExt), 10);
    rewardParts[3] = 5;
  }

  protected override fell(): boolean {
    const height = this.sim.qpos[2];
    return height < 1 || height > 2;
  }
}

/** The definition of a member. */
export function humanoidDefinition(
  name: string,
  description: string,
  task: TaskDistribution,
): EnvDefinition {
  return mujocoDefinition(name, [TERMINATE], () => ({
    version: 1,
    description,
    robot: HUMANOID,
    frameSkip: 5,
    observation: [
      positions(HUMANOID, 2),
      velocities(HUMANOID),
      bodyInertias(HUMANOID),
      bodyVelocities(HUMANOID),
      actuatorForces(HUMANOID),
      contactForces(HUMANOID, Infinity),
    ],
    usesContactForces: true,
    rewardParts: [
      {
        name: "forward",
        meaning: "1.25 times the speed of the centre of mass along the direction",
        unit: "m/s",
      },
      { name: "ctrl", meaning: "-0.1 sum of squared controls", unit: "1" },
      {
        name: "contact",
        meaning: "-5e-7 sum of squared forces of contacts, at least -10",
        unit: "1",
      },
      { name: "survive", meaning: "5 per step", unit: "1" },
    ],
    task,
    maxSteps: 200,
    create: (...parts) => new HumanoidDirectionEnv(...parts),
  }));
}
