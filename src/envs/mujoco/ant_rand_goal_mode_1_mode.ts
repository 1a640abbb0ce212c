/** AntRandGoalMode1ModeEnv: the first mode of AntRandGoalModeEnv alone, (-4, 0). */
import { antGoalDefinition, antModes } from "./ant_goal_family.ts";

/** Tables: see ant_goal_family.ts. */
export const antRandGoalMode1Mode = antGoalDefinition(
  "AntRandGoalMode1ModeEnv",
  "ant, goal near (-4, 0) m",
  antModes(1, 0),
  "in turn",
);
