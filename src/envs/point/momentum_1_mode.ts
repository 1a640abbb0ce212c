/**
 * MetaPointEnvMomentum1Mode: goal = (5, 5) + N(0, 1) per coordinate. Published as
 * MetaPointEnvMomentumSingleMode.
 */
import { momentumDefinition } from "./momentum_family.ts";

/** Observation, action and reward: see momentum_family.ts. */
export const momentum1Mode = momentumDefinition({
  name: "MetaPointEnvMomentum1Mode",
  description: "point mass, goal near the corner (5, 5)",
  modes: [[5, 5]],
  noise: 1,
  order: "uniform",
});
