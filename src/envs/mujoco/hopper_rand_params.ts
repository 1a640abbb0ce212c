/**
 * HopperRandParamsEnv: a hopper with other masses, inertias, dampings and frictions in every task.
 * An episode ends where the torso is below 0.7 m or pitches by 0.2 rad, or where any other
 * position or velocity reaches 100.
 */
import { randomParamsDefinition } from "./random_params_family.ts";
import { HOPPER } from "./robots.ts";
import type { Simulation } from "./simulation.ts";

function fell({ qpos, qvel }: Simulation): boolean {
  for (let i = 2; i < qpos.length; i++) if (!(Math.abs(qpos[i]) < 100)) return true;
  for (let i = 0; i < qvel.length; i++) if (!(Math.abs(qvel[i]) < 100)) return true;
  return !(qpos[1] > 0.7 && Math.abs(qpos[2]) < 0.2);
}

/** Tables: see random_params_family.ts. */
export const hopperRandParams = randomParamsDefinition({
  name: "HopperRandParamsEnv",
  description: "hopper with random masses, inertias, dampings and frictions, hop forwards",
  robot: HOPPER,
  frameSkip: 4,
  geoms: ["floor", "torso", "thigh", "leg", "foot"],
  fell,
});
