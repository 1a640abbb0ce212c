/**
 * MetaPointEnvMomentum: the goal is one of the corners (+-2, +-2), drawn uniformly, no noise.
 * The published class pays the sparse reward unless told otherwise; here the default is the dense
 * one, as for the other members of the family (`reward_type` chooses).
 */
import { corners } from "./common.ts";
import { momentumDefinition } from "./momentum_family.ts";

/** Observation, action and reward: see momentum_family.ts. */
export const momentum = momentumDefinition({
  name: "MetaPointEnvMomentum",
  description: "point mass, goal in one of the 4 corners (+-2, +-2)",
  modes: corners(2),
  noise: 0,
  order: "uniform",
});
