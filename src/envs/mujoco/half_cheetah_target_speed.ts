/**
 * HalfCheetahTargetSpeedEnv: run at a speed of either sign, uniform in -3 to 3 m/s; paid minus the
 * difference. The published repository names this environment and lacks its file: range and
 * reward are this project's.
 */
import { halfCheetahDefinition, WITHOUT_X } from "./half_cheetah_family.ts";
import { speedTask } from "./tasks.ts";

/** Tables: see half_cheetah_family.ts. */
export const halfCheetahTargetSpeed = halfCheetahDefinition({
  name: "HalfCheetahTargetSpeedEnv",
  description: "half-cheetah, run at a speed of -3 to 3 m/s",
  observation: WITHOUT_X,
  task: speedTask(-3, 3),
  part: { name: "forward", meaning: "minus difference from the wanted speed", unit: "m/s" },
  pay: (wanted, speed) => -Math.abs(speed - wanted),
});
