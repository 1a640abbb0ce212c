/**
 * Walker2DRandDirecEnv: walk forwards or backwards, drawn uniformly; paid for the speed and 1 per
 * step on its feet.
 */
import { DIRECTION } from "./tasks.ts";
import { walkerDefinition, WITHOUT_X } from "./walker2d_family.ts";

/** Tables: see walker2d_family.ts. */
export const walker2DRandDirec = walkerDefinition({
  name: "Walker2DRandDirecEnv",
  description: "walker, walk forwards or backwards",
  observation: WITHOUT_X,
  task: DIRECTION,
  part: { name: "forward", meaning: "speed along the direction", unit: "m/s" },
  pay: (direction, speed) => direction * speed,
  survive: 1,
  canEnd: true,
});
