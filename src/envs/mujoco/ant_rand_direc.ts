/** AntRandDirecEnv: forwards or backwards along x, drawn uniformly. */
import { antDirectionDefinition } from "./ant_direction_family.ts";
import { DIRECTION } from "./tasks.ts";

/** Tables: see ant_direction_family.ts. */
export const antRandDirec = antDirectionDefinition(
  "AntRandDirecEnv",
  "ant, run forwards or backwards",
  DIRECTION,
);
