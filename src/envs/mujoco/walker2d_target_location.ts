/**
 * Walker2DTargetLocation: go to a place along x, uniform in -2 to 2 m, and stay; paid minus the
 * distance after each step. Falling doesn't end an episode, since ending one would pay. The
 * published repository names this environment and lacks its file: range and reward are this
 * project's.
 */
import { locationTask } from "./tasks.ts";
import { walkerDefinition, WITH_X } from "./walker2d_family.ts";

/** Tables: see walker2d_family.ts. */
export const walker2DTargetLocation = walkerDefinition({
  name: "Walker2DTargetLocation",
  description: "walker, go to a place within 2 m",
  observation: WITH_X,
  task: locationTask(-2, 2),
  part: { name: "goal", meaning: "minus distance from the goal along x", unit: "m" },
  pay: (goal, _speed, x) => -Math.abs(x - goal),
  survive: 0,
  canEnd: false,
});
