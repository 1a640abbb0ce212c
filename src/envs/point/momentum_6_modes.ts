/**
 * MetaPointEnvMomentum6Modes: 6 modes, the corners of a regular hexagon of radius 5; goal =
 * corner + N(0, 1) per coordinate. As published, the modes are taken in turn: task m of an
 * iteration has mode m modulo 6.
 */
import { momentumDefinition } from "./momentum_family.ts";

const RADIUS = 5;
const HALF = RADIUS / 2;
/** sin 60 degrees times the radius */
const HEIGHT = HALF * Math.sqrt(3);

/** Observation, action and reward: see momentum_family.ts. */
export const momentum6Modes = momentumDefinition({
  name: "MetaPointEnvMomentum6Modes",
  description: "point mass, goal near one of the 6 corners of a hexagon of radius 5",
  modes: [
    [RADIUS, 0],
    [HALF, HEIGHT],
    [-HALF, HEIGHT],
    [-HALF, -HEIGHT],
    [HALF, -HEIGHT],
    [-RADIUS, 0],
  ],
  noise: 1,
  order: "in turn",
});
