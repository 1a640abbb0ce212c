/**
 * MetaPointEnvMomentumModes: 4 modes, the corners (+-5, +-5), drawn uniformly; goal = corner +
 * N(0, 1) per coordinate. The environment of the published MMAML point experiment.
 */
import { corners } from "./common.ts";
import { momentumDefinition } from "./momentum_family.ts";

/** Observation, action and reward: see momentum_family.ts. */
export const momentumModes = momentumDefinition({
  name: "MetaPointEnvMomentumModes",
  description: "point mass, goal near one of the 4 corners (+-5, +-5)",
  modes: corners(5),
  noise: 1,
  order: "uniform",
});
