/**
 * Walker2DRandParamsEnv: a walker with other masses, inertias, dampings and frictions in every
 * task. An episode ends where the walker falls, as in Walker2DRandDirecEnv.
 */
import { randomParamsDefinition } from "./random_params_family.ts";
import { WALKER2D } from "./robots.ts";
import { walkerFell } from "./walker2d_family.ts";

/** Tables: see random_params_family.ts. */
export const walker2DRandParams = randomParamsDefinition({
  name: "Walker2DRandParamsEnv",
  description: "walker with random masses, inertias, dampings and frictions, walk forwards",
  robot: WALKER2D,
  frameSkip: 5,
  geoms: ["floor", "torso", "thigh", "leg", "foot", "thigh_left", "leg_left", "foot_left"],
  fell: ({ qpos }) => walkerFell(qpos[1], qpos[2]),
});
