/** Reacher3Link1ModeEnv: one mode, the corner (0.225, 0.225). */
import { CORNER, reacher3LinkDefinition } from "./reacher_3_link_family.ts";

/** Tables: see reacher_3_link_family.ts. */
export const reacher3Link1Mode = reacher3LinkDefinition({
  name: "Reacher3Link1ModeEnv",
  description: "3-link arm, goal near (0.225, 0.225) m",
  modes: [[CORNER, CORNER]],
});
