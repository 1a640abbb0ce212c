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
import { bodyOffset, mujocoDefinition, MujocoEnv, sumOfSquares } from "./mujoco_env.ts";
import { positions, velocities } from "./observation.ts";
import { ANT } from "./robots.ts";
import { goalModesTask, onHalfCircle } from "./tasks.ts";

/** Distance of the modes from the start in m. */
const GOAL_RADIUS = 4;

class AntGoalEnv extends MujocoEnv {
  readonly #torso = bodyOffset(this.sim, "torso");
  readonly #marker = this.sim.model.index("geom", "target");

  protected override beforeReset(): void {
    // Only drawn: simulations that share the model show the goal of whichever began last.
    this.sim.model.handle.geom_pos.set(this.task, 3 * this.#marker);
  }

  protected score(action: Float64Array): void {
    const { task, sim: { xpos } } = this;
    const torso = this.#torso;
    let distance = 0;
    for (let i = 0; i < 3; i++) distance += Math.abs(xpos[torso + i] - task[i]);
    this.rewardParts[0] = -distance;
    this.rewardParts[1] = -0.1 * sumOfSquares(action);
  }
}

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
    create: (...parts) => new AntGoalEnv(...parts),
  }));
}
