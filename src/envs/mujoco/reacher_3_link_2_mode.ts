/** Reacher3Link2ModeEnv: 2 opposite corners, drawn uniformly. */
import { CORNER, reacher3LinkDefinition } from "./reacher_3_link_family.ts";

/** Tables: see reacher_3_link_family.ts. */
export const reacher3Link2Mode = reacher3LinkDefinition({
  name: "Reacher3Link2ModeEnv",
  description: "3-link arm, goal near (-0.225, -0.225) or (0.225, 0.225) m",
  modes: [[-CORNER, -CORNER], [CORNER, CORNER]],
});
