/** SwimmerReach4ModesEnv: 4 modes on a half circle, taken in turn. */
import { swimmerGoalDefinition } from "./swimmer_goal_family.ts";

/** Tables: see swimmer_goal_family.ts. */
export const swimmerReach4Modes = swimmerGoalDefinition(
  "SwimmerReach4ModesEnv",
  "swimmer, goal near one of 4 points on a half circle of radius 1 m",
  4,
  Math.PI / 3,
  "in turn",
);
