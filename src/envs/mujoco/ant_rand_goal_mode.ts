/**
 * AntRandGoalModeEnv: 4 modes on a half circle, taken in turn: task m of an iteration has mode m
 * modulo 4. The environment of the published MMAML ant experiment.
 */
import { antGoalDefinition, antModes } from "./ant_goal_family.ts";

/** Tables: see ant_goal_family.ts. */
export const antRandGoalMode = antGoalDefinition(
  "AntRandGoalModeEnv",
  "ant, goal near one of 4 points on a half circle of radius 4 m",
  antModes(4, Math.PI / 3),
  "in turn",
);
