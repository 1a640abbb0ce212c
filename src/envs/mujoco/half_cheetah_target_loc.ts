/**
 * HalfCheetahTargetLocationEnv: go to a place along x, uniform in -5 to 5 m, and stay; paid minus
 * the distance after each step. The published repository names this environment and lacks its
 * file: place, range and reward are this project's.
 */
import { halfCheetahDefinition, WITH_X } from "./half_cheetah_family.ts";
import { locationTask } from "./tasks.ts";

/** Tables: see half_cheetah_family.ts. */
export const halfCheetahTargetLocation = halfCheetahDefinition({
  name: "HalfCheetahTargetLocationEnv",
  description: "half-cheetah, go to a place within 5 m",
  observation: WITH_X,
  task: locationTask(-5, 5),
  part: { name: "goal", meaning: "minus distance from the goal along x", unit: "m" },
  pay: (goal, _speed, x) => -Math.abs(x - goal),
});
