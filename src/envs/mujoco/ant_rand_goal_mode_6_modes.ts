/**
 * AntRandGoalMode6ModesEnv: 6 modes, equally spaced on the half circle of AntRandGoalModeEnv and
 * taken in turn like its 4. The published repository names this environment and lacks its file.
 */
import { antGoalDefinition, antModes } from "./ant_goal_family.ts";

/** Tables: see ant_goal_family.ts. */
export const antRandGoalMode6Modes = antGoalDefinition(
  "AntRandGoalMode6ModesEnv",
  "ant, goal near one of 6 points on a half circle of radius 4 m",
  antModes(6, Math.PI / 5),
  "in turn",
);
