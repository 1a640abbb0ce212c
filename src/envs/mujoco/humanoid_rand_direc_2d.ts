/** HumanoidRandDirec2DEnv: any direction in the plane, drawn uniformly. */
import { humanoidDefinition } from "./humanoid_family.ts";
import { DIRECTION_2D } from "./tasks.ts";

/** Tables: see humanoid_family.ts. */
export const humanoidRandDirec2D = humanoidDefinition(
  "HumanoidRandDirec2DEnv",
  "humanoid, run in a direction of the plane",
  DIRECTION_2D,
);
