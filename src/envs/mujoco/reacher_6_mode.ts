/** Reacher6ModeEnv: 6 modes, the corners of a hexagon of radius 0.212 m, drawn uniformly. */
import { hexagon } from "../tasks.ts";
import { MODE_RADIUS, reacherDefinition } from "./reacher_family.ts";

/** Tables: see reacher_family.ts. */
export const reacher6Mode = reacherDefinition(
  "Reacher6ModeEnv",
  "2-link arm, goal near one of the 6 corners of a hexagon of radius 0.212 m",
  hexagon(MODE_RADIUS),
);
