/** HalfCheetahRandVelEnv: run at a speed, uniform in 0 to 3 m/s; paid minus the difference. */
import { halfCheetahDefinition, WITHOUT_X } from "./half_cheetah_family.ts";
import { speedTask } from "./tasks.ts";

/** Tables: see half_cheetah_family.ts. */
export const halfCheetahRandVel = halfCheetahDefinition({
  name: "HalfCheetahRandVelEnv",
  description: "half-cheetah, run at a speed of 0 to 3 m/s",
  observation: WITHOUT_X,
  task: speedTask(0, 3),
  part: { name: "forward", meaning: "minus difference from the wanted speed", unit: "m/s" },
  pay: (wanted, speed) => -Math.abs(speed - wanted),
});
