/**
 * AntRandGoalEnv: an ant that has to walk to a goal it does not see, uniform in a disc of radius
 * 3 m around the start (jonasrothfuss/ProMP, `ant_rand_goal`; Rothfuss et al., "ProMP: Proximal
 * Meta-Policy Search", 2019).
 *
 *     observation [113] positions [15], velocities [14], forces of contacts cut to +-1 [84]
 *     action      [8]   torques on hips and ankles
 *     reward            forward: -(|dx| + |dy|) from torso to goal, in m
 *                       ctrl: -0.1 sum a^2
 *                       contact: -5e-4 times the squares of the forces of contacts, each cut to 1
 *     task        [2]   goal x, y
 *     start             positions +- 0.1, velocities N(0, 0.1)
 *     end               never
 */
import { GoalEnv } from "./goal_env.ts";
import { mujocoDefinition, sumOfClippedSquares } from "./mujoco_env.ts";
import { contactForces, positions, velocities } from "./observation.ts";
import { ANT } from "./robots.ts";
import { discTask } from "./tasks.ts";

class AntRandGoalEnv extends GoalEnv {
  protected override score(action: Float64Array): void {
    super.score(action);
    this.rewardParts[2] = -5e-4 * sumOfClippedSquares(this.sim.cfrcExt);
  }
}

/** The definition for the registry. */
export const antRandGoal = mujocoDefinition("AntRandGoalEnv", [], () => ({
  version: 1,
  description: "ant, goal anywhere in a disc of radius 3 m",
  robot: ANT,
  frameSkip: 5,
  observation: [positions(ANT), velocities(ANT), contactForces(ANT, 1)],
  usesContactForces: true,
  rewardParts: [
    { name: "forward", meaning: "minus |dx| + |dy| from torso to goal", unit: "m" },
    { name: "ctrl", meaning: "-0.1 sum of squared controls", unit: "1" },
    { name: "contact", meaning: "-5e-4 sum of squared forces of contacts, cut to 1", unit: "1" },
  ],
  task: discTask(3),
  maxSteps: 200,
  create: (...parts) => new AntRandGoalEnv({ body: "torso", ctrlCost: 0.1 }, ...parts),
}));
