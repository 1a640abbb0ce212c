/** AntRandGoalMode2ModesEnv: 2 opposite modes, (-4, 0) and (4, 0), drawn uniformly. */
import { antGoalDefinition, antModes } from "./ant_goal_family.ts";

/** Tables: see ant_goal_family.ts. */
export const antRandGoalMode2Modes = antGoalDefinition(
  "AntRandGoalMode2ModesEnv",
  "ant, goal near (-4, 0) or (4, 0) m",
  antModes(2, Math.PI),
  "uniform",
);
