/**
 * Reacher3LinkEnv: 4 modes, the corners (+-0.225, +-0.225), drawn uniformly. The environment of
 * the published MMAML reacher experiment.
 */
import { CORNER, reacher3LinkDefinition } from "./reacher_3_link_family.ts";

/** Tables: see reacher_3_link_family.ts. */
export const reacher3Link = reacher3LinkDefinition({
  name: "Reacher3LinkEnv",
  description: "3-link arm, goal near one of the 4 corners (+-0.225, +-0.225) m",
  modes: [[-CORNER, -CORNER], [CORNER, -CORNER], [-CORNER, CORNER], [CORNER, CORNER]],
});
