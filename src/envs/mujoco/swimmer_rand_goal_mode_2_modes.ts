/** SwimmerReach2ModesEnv: 2 opposite modes, (-1, 0) and (1, 0), drawn uniformly. */
import { swimmerGoalDefinition } from "./swimmer_goal_family.ts";

/** Tables: see swimmer_goal_family.ts. */
export const swimmerReach2Modes = swimmerGoalDefinition(
  "SwimmerReach2ModesEnv",
  "swimmer, goal near (-1, 0) or (1, 0) m",
  2,
  Math.PI,
  "uniform",
);
