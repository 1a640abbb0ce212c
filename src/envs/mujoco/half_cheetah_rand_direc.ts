/** HalfCheetahRandDirecEnv: run forwards or backwards, drawn uniformly; paid for the speed. */
import { halfCheetahDefinition, WITHOUT_X } from "./half_cheetah_family.ts";
import { DIRECTION } from "./tasks.ts";

/** Tables: see half_cheetah_family.ts. */
export const halfCheetahRandDirec = halfCheetahDefinition({
  name: "HalfCheetahRandDirecEnv",
  description: "half-cheetah, run forwards or backwards",
  observation: WITHOUT_X,
  task: DIRECTION,
  part: { name: "forward", meaning: "speed along the direction", unit: "m/s" },
  pay: (direction, speed) => direction * speed,
});
