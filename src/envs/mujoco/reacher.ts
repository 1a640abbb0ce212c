/**
 * ReacherEnv: 4 modes, the corners of a square as far out as the hexagon of Reacher6ModeEnv, drawn
 * uniformly. The published repository names this environment and lacks its file.
 */
import { HALF_SQUARE, reacherDefinition } from "./reacher_family.ts";

/** Tables: see reacher_family.ts. */
export const reacher = reacherDefinition(
  "ReacherEnv",
  "2-link arm, goal near one of the 4 corners (+-0.15, +-0.15) m",
  [
    [-HALF_SQUARE, -HALF_SQUARE],
    [HALF_SQUARE, -HALF_SQUARE],
    [-HALF_SQUARE, HALF_SQUARE],
    [HALF_SQUARE, HALF_SQUARE],
  ],
);
