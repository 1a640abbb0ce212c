/** HumanoidRandDirecEnv: forwards or backwards along x, drawn uniformly. */
import { humanoidDefinition } from "./humanoid_family.ts";
import { DIRECTION } from "./tasks.ts";

/** Tables: see humanoid_family.ts. */
export const humanoidRandDirec = humanoidDefinition(
  "HumanoidRandDirecEnv",
  "humanoid, run forwards or backwards",
  DIRECTION,
);
