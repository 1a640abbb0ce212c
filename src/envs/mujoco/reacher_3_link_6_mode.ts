/**
 * Reacher3Link6ModeEnv: 6 modes, the corners of a hexagon as far out as the corners of
 * Reacher3LinkEnv, drawn uniformly. The published code draws the first two of them only
 * (`compat`: `mmaml-rl`).
 */
import { hexagon } from "../tasks.ts";
import { CORNER, reacher3LinkDefinition } from "./reacher_3_link_family.ts";

/** Tables: see reacher_3_link_family.ts. */
export const reacher3Link6Mode = reacher3LinkDefinition({
  name: "Reacher3Link6ModeEnv",
  description: "3-link arm, goal near one of the 6 corners of a hexagon of radius 0.318 m",
  modes: hexagon(CORNER * Math.SQRT2),
  publishedModes: 2,
});
