/**
 * MetaPointEnvMomentum2Modes: 2 modes, the corners (-5, -5) and (5, 5), drawn uniformly; goal =
 * corner + N(0, 1) per coordinate.
 */
import { momentumDefinition } from "./momentum_family.ts";

/** Observation, action and reward: see momentum_family.ts. */
export const momentum2Modes = momentumDefinition({
  name: "MetaPointEnvMomentum2Modes",
  description: "point mass, goal near one of the 2 corners (-5, -5), (5, 5)",
  modes: [[-5, -5], [5, 5]],
  noise: 1,
  order: "uniform",
});
