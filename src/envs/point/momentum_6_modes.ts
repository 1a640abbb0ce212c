/**
 * MetaPointEnvMomentum6Modes: 6 modes, the corners of a regular hexagon of radius 5; goal =
 * corner + N(0, 1) per coordinate. As published, the modes are taken in turn: task m of an
 * iteration has mode m modulo 6.
 */
import { hexagon } from "../tasks.ts";
import { momentumDefinition } from "./momentum_family.ts";

/** Observation, action and reward: see momentum_family.ts. */
export const momentum6Modes = momentumDefinition({
  name: "MetaPointEnvMomentum6Modes",
  description: "point mass, goal near one of the 6 corners of a hexagon of radius 5",
  modes: hexagon(5),
  noise: 1,
  order: "in turn",
});
