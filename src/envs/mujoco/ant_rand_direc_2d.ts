/** AntRandDirec2DEnv: any direction in the plane, drawn uniformly. */
import { antDirectionDefinition } from "./ant_direction_family.ts";
import { DIRECTION_2D } from "./tasks.ts";

/** Tables: see ant_direction_family.ts. */
export const antRandDirec2D = antDirectionDefinition(
  "AntRandDirec2DEnv",
  "ant, run in a direction of the plane",
  DIRECTION_2D,
);
