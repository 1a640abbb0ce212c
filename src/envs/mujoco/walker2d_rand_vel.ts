/**
 * Walker2DRandVelEnv: walk at a speed, uniform in 0 to 10 m/s; paid minus the difference, and 15
 * per step on its feet.
 */
import { speedTask } from "./tasks.ts";
import { walkerDefinition, WITHOUT_X } from "./walker2d_family.ts";

/** Tables: see walker2d_family.ts. */
export const walker2DRandVel = walkerDefinition({
  name: "Walker2DRandVelEnv",
  description: "walker, walk at a speed of 0 to 10 m/s",
  observation: WITHOUT_X,
  task: speedTask(0, 10),
  part: { name: "forward", meaning: "minus difference from the wanted speed", unit: "m/s" },
  pay: (wanted, speed) => -Math.abs(speed - wanted),
  survive: 15,
  canEnd: true,
});
