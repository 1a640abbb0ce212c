/**
 * Reacher2ModeEnv: 2 opposite corners of ReacherEnv's square, drawn uniformly. The published
 * repository names this environment and lacks its file.
 */
import { HALF_SQUARE, reacherDefinition } from "./reacher_family.ts";

/** Tables: see reacher_family.ts. */
export const reacher2Mode = reacherDefinition(
  "Reacher2ModeEnv",
  "2-link arm, goal near (-0.15, -0.15) or (0.15, 0.15) m",
  [[-HALF_SQUARE, -HALF_SQUARE], [HALF_SQUARE, HALF_SQUARE]],
);
