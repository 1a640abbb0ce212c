/**
 * Where the picture is taken from. The camera never rolls: its right lies in the plane, which the
 * floor's shading relies on.
 *
 * It stands still and shows everything where there is a goal or where the robot stays near its
 * start; else it follows the robot, smoothly and from one direction.
 */
import { POSE_SIZE } from "../envs/scene.ts";
import type { Stage, Take } from "./stage.ts";
import { cross, direction, dot, normalized, plus, type Vector } from "./vector.ts";

/** A camera. A point p is seen at right.(p - eye) / forward.(p - eye), and so for up. */
export interface View {
  readonly eye: Vector;
  /** Orthonormal: to the right, up, into the picture. */
  readonly right: Vector;
  readonly up: Vector;
  readonly forward: Vector;
  /** 1 / tan of half the vertical angle of view. */
  readonly focal: number;
  /** What it looks at. */
  readonly focus: Vector;
  /** Shadows fall within this distance of the focus; the floor fades beyond twice of it, m. */
  readonly range: number;
  /** Direction to the sun, of length 1. */
  readonly sun: Vector;
}

/** What a user may ask of the camera. */
export interface CameraOptions {
  /** `follow` the robot or show the `whole` task; default: see above. */
  readonly camera?: "follow" | "whole";
  /** Degrees about z, from which the camera looks: 0 from +x, -90 from -y. */
  readonly azimuth?: number;
  /** Degrees above the plane. */
  readonly elevation?: number;
}

/** Half the vertical angle of view, degrees. */
const HALF_ANGLE = 20;
/** Share of the picture that what is shown may fill, from its middle. */
const FILL = 0.86;
/** A robot that goes farther than so many of its reaches is followed. */
const STAYS = 2;
/** Half-width of the window that places are averaged over when followed, s. */
const SMOOTHING = 0.5;
/** Directions for robots that move in a vertical plane, in a horizontal one, in space. */
const SIDE = { azimuth: -78, elevation: 14 } as const;
const ABOVE = { azimuth: -90, elevation: 62 } as const;
const OBLIQUE = { azimuth: -62, elevation: 28 } as const;
/** The sun, seen from behind the camera: degrees to the left of it, and above the plane. */
const SUN_PLACE = { azimuth: -50, elevation: 54 } as const;

/** A camera at `distance` from the focus, in a direction from it. */
export function viewFrom(
  focus: Vector,
  distance: number,
  azimuth: number,
  elevation: number,
  range: number,
): View {
  const back = direction(azimuth, elevation);
  const forward = plus([0, 0, 0], back, -1);
  const right = normalized(cross(forward, [0, 0, 1]));
  return {
    eye: plus(focus, back, distance),
    right,
    up: cross(right, forward),
    forward,
    focal: 1 / Math.tan(HALF_ANGLE * Math.PI / 180),
    focus,
    range,
    sun: direction(azimuth + SUN_PLACE.azimuth, SUN_PLACE.elevation),
  };
}

/** A ball that has to be in the picture. */
interface Ball {
  readonly center: Vector;
  readonly radius: number;
}

/** Least distance from `focus`, backwards along `view`, from which all balls are seen. */
function distanceFor(balls: readonly Ball[], view: View, aspect: number): number {
  let least = 0;
  for (const { center, radius } of balls) {
    const away = plus(center, view.focus, -1);
    const depth = dot(view.forward, away);
    const across = (Math.abs(dot(view.right, away)) + radius) / aspect;
    const along = Math.abs(dot(view.up, away)) + radius;
    // |p| focal / (distance + depth) <= FILL
    least = Math.max(least, Math.max(across, along) * view.focal / FILL - depth);
  }
  return least;
}

function ballsOf(stage: Stage, take: Take, frame: number, solids: readonly number[]): Ball[] {
  const row = stage.solids.length * POSE_SIZE;
  return solids.map((s) => {
    const at = frame * row + s * POSE_SIZE;
    const [x, y, z] = take.poses.subarray(at, at + 3);
    return { center: [x, y, z], radius: stage.solids[s].mesh.radius };
  });
}

/** Middle of the box around balls. */
function middleOf(balls: readonly Ball[]): Vector {
  const [x, y, z] = [0, 1, 2].map((i) => {
    let [low, high] = [Infinity, -Infinity];
    for (const { center, radius } of balls) {
      low = Math.min(low, center[i] - radius);
      high = Math.max(high, center[i] + radius);
    }
    return (low + high) / 2;
  });
  return [x, y, z];
}

/** Direction from which the robot's movement is seen best. */
function directionFor({ takes, robot, solids }: Stage) {
  const spread = (axis: number) => {
    const values = takes.flatMap(({ poses, frames }) =>
      robot.flatMap((s) =>
        Array.from({ length: frames }, (_, f) => {
          return poses[(f * solids.length + s) * POSE_SIZE + axis];
        })
      )
    );
    let [low, high] = [Infinity, -Infinity];
    for (const value of values) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
    return high - low;
  };
  const [y, z] = [spread(1), spread(2)];
  const x = spread(0);
  const flat = 1e-3 * Math.max(x, y, z);
  if (y <= flat) return SIDE;
  return z <= flat ? ABOVE : OBLIQUE;
}

/** Averages over 2 n + 1 frames, fewer at the ends: [F, 3] */
function smoothed(places: Float32Array, n: number): Float32Array {
  const frames = places.length / 3;
  const out = new Float32Array(places.length);
  for (let f = 0; f < frames; f++) {
    const reach = Math.min(n, f, frames - 1 - f);
    for (let i = 0; i < 3; i++) {
      let sum = 0;
      for (let k = f - reach; k <= f + reach; k++) sum += places[3 * k + i];
      out[3 * f + i] = sum / (2 * reach + 1);
    }
  }
  return out;
}

/** How far the robot goes from its first place, over all takes. */
function travelOf({ takes }: Stage): number {
  let travel = 0;
  for (const { places } of takes) {
    for (let f = 0; f < places.length; f += 3) {
      travel = Math.max(travel, Math.hypot(places[f] - places[0], places[f + 1] - places[1]));
    }
  }
  return travel;
}

/**
 * Cameras of every frame of every take, all with the same direction and distance.
 * @param aspect width of a picture over its height
 * @param dt time between two frames, s
 */
export function camerasFor(
  stage: Stage,
  aspect: number,
  dt: number,
  options: CameraOptions = {},
): View[][] {
  const { takes, robot, goal, reach } = stage;
  const chosen = directionFor(stage);
  const azimuth = options.azimuth ?? chosen.azimuth;
  const elevation = options.elevation ?? chosen.elevation;
  const isWhole = options.camera === undefined
    ? goal.length > 0 || travelOf(stage) < STAYS * reach
    : options.camera === "whole";
  const everything = takes.flatMap((take) =>
    Array.from({ length: take.frames }, (_, f) => ballsOf(stage, take, f, robot)).flat()
  );
  if (isWhole) {
    const balls = [...everything, ...ballsOf(stage, takes[0], 0, goal)];
    const focus = middleOf(balls);
    const range = balls.reduce(
      (far, { center, radius }) => Math.max(far, Math.hypot(...plus(center, focus, -1)) + radius),
      reach,
    );
    const look = viewFrom(focus, 1, azimuth, elevation, range);
    const distance = distanceFor(balls, look, aspect);
    const view = viewFrom(focus, distance, azimuth, elevation, range);
    return takes.map(({ frames }) => new Array<View>(frames).fill(view));
  }
  // the distance at which the robot fits, wherever its smoothed place is
  const paths = takes.map(({ places }) => smoothed(places, Math.round(SMOOTHING / dt)));
  const focusAt = (path: Float32Array, f: number): Vector => {
    return [path[3 * f], path[3 * f + 1], path[3 * f + 2]];
  };
  let distance = 0;
  takes.forEach((take, t) => {
    for (let f = 0; f < take.frames; f++) {
      const look = viewFrom(focusAt(paths[t], f), 1, azimuth, elevation, reach);
      distance = Math.max(distance, distanceFor(ballsOf(stage, take, f, robot), look, aspect));
    }
  });
  // some floor around it shows that it moves
  const roomy = 1.25 * distance;
  return takes.map(({ frames }, t) =>
    Array.from({ length: frames }, (_, f) => {
      return viewFrom(focusAt(paths[t], f), roomy, azimuth, elevation, 1.6 * reach);
    })
  );
}
