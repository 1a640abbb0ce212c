/**
 * What a picture shows: solids with a surface and a colour, a floor, and where the solids are in
 * each frame of each take. The goal and the direction to go, which most models don't have, are
 * solids as well.
 *
 * Axis letters: F frames of a take, G shapes of the scene, S solids.
 */
import { POSE_SIZE, type Shape } from "../envs/scene.ts";
import { type Mesh, meshOf } from "./mesh.ts";
import { linearColor, shapeColor, THEME } from "./theme.ts";
import type { Vector } from "./vector.ts";

/** Something with a surface. */
export interface Solid {
  readonly mesh: Mesh;
  /** Linear light. */
  readonly color: Vector;
}

/** The plane z = `height` with tiles of the side `tile`, m. */
export interface Floor {
  readonly height: number;
  readonly tile: number;
}

/** One recorded rollout. */
export interface Take {
  /** F */
  readonly frames: number;
  /** [F, S, 12] position and rotation matrix of every solid */
  readonly poses: Float32Array;
  /** [F, 3] where the robot is: the middle of its shapes, m */
  readonly places: Float32Array;
}

/** Everything that renderers and cameras need. */
export interface Stage {
  /** [S] */
  readonly solids: readonly Solid[];
  readonly floor: Floor;
  readonly takes: readonly Take[];
  /** Indices of the solids that are the robot. */
  readonly robot: readonly number[];
  /** Indices of the solids that show the task and don't move with the robot. */
  readonly goal: readonly number[];
  /** How far the robot reaches from its middle, m. */
  readonly reach: number;
}

/** What to show. */
export interface StageSpec {
  /** [G] */
  readonly shapes: readonly Shape[];
  /** Poses of each take: [F, G, 12] */
  readonly takes: readonly Float32Array[];
  /** Where the goal is, in m; z is the floor's where it is left out. */
  readonly goal?: readonly [x: number, y: number, z?: number];
  /** Direction to go, in the plane, any length. */
  readonly heading?: readonly [x: number, y: number];
  /** How far the robot reaches, m; default: what its shapes need. */
  readonly reach?: number;
  /** Motors that don't work as they should. */
  readonly damagedMotors?: readonly number[];
}

/** Flat signs lie this far above the floor, in reaches of the robot, so that they cover it. */
const SIGN_HEIGHT = 0.004;

/** The largest of 1, 2, 5 times a power of ten that is at most `value`. */
function roundNumber(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [5, 2, 1].find((factor) => factor * power <= value)!;
}

/** A flat figure that looks up: its outline, counterclockwise, as a fan around the first corner. */
function flat(outline: readonly (readonly [number, number])[]): Shape["mesh"] {
  const vertices = Float32Array.from(outline.flatMap(([x, y]) => [x, y, 0]));
  const triangles: number[] = [];
  for (let i = 1; i + 1 < outline.length; i++) triangles.push(0, i, i + 1);
  return { vertices, triangles: Uint32Array.from(triangles) };
}

function ring(radius: number, width: number): Shape["mesh"] {
  const segments = 48;
  const vertices: number[] = [];
  const triangles: number[] = [];
  for (let i = 0; i < segments; i++) {
    const angle = 2 * Math.PI * i / segments;
    for (const r of [radius - width, radius]) {
      vertices.push(r * Math.cos(angle), r * Math.sin(angle), 0);
    }
    const [inner, outer] = [2 * i, 2 * i + 1];
    const next = 2 * ((i + 1) % segments);
    triangles.push(inner, outer, next + 1, inner, next + 1, next);
  }
  return { vertices: Float32Array.from(vertices), triangles: Uint32Array.from(triangles) };
}

/** An arrow along x, from 0.3 to 1 of `length`. */
function arrow(length: number): Shape["mesh"] {
  const [tail, neck, tip, half] = [0.3, 0.68, 1, 0.07].map((share) => share * length);
  const shaft = flat([[tail, -half], [neck, -half], [neck, half], [tail, half]])!;
  const head = flat([[neck, -2.4 * half], [tip, 0], [neck, 2.4 * half]])!;
  const count = shaft.vertices.length / 3;
  return {
    vertices: Float32Array.of(...shaft.vertices, ...head.vertices),
    triangles: Uint32Array.of(...shaft.triangles, ...head.triangles.map((v) => v + count)),
  };
}

function signShape(mesh: Shape["mesh"]): Shape {
  const rest = { rgba: null, depth: 0, motors: [], isMarker: true } as const;
  return { name: "sign", kind: "mesh", size: [0, 0, 0], mesh, ...rest };
}

function isFloor({ kind, depth }: Shape, poses: Float32Array, g: number): boolean {
  return kind === "plane" && depth === 0 && poses[g * POSE_SIZE + 11] > 0.999;
}

/** Builds the stage. @throws RangeError where there is nothing to show. */
export function buildStage(spec: StageSpec): Stage {
  const { shapes, heading, damagedMotors = [] } = spec;
  const first = spec.takes[0];
  const row = shapes.length * POSE_SIZE;
  if (
    shapes.length === 0 || first === undefined || spec.takes.some((poses) => poses.length < row)
  ) {
    throw new RangeError("Cannot draw a scene without shapes or without frames");
  }
  const floors = shapes.map((_, g) => g).filter((g) => isFloor(shapes[g], first, g));
  const shown = shapes.map((_, g) => g).filter((g) => !floors.includes(g));
  const trunk = Math.min(...shown.map((g) => shapes[g].depth || Infinity));
  const solids = shown.map((g): Solid => {
    const shape = shapes[g];
    const isTrunk = shape.depth === trunk && shape.rgba === null && !shape.isMarker &&
      !shape.motors.some((motor) => damagedMotors.includes(motor));
    return {
      mesh: meshOf(shape),
      color: isTrunk
        ? linearColor(THEME.trunk)
        : shapeColor(shape, (motor) => damagedMotors.includes(motor)),
    };
  });
  const moving = shown.map((g, s) => ({ g, s }))
    .filter(({ g }) => shapes[g].depth > 0 && !shapes[g].isMarker);
  const robot = moving.length > 0 ? moving.map(({ s }) => s) : solids.map((_, s) => s);
  const goal = shown.flatMap((g, s) => shapes[g].isMarker ? [s] : []);

  const places = spec.takes.map((poses) => placesOf(poses, row, robot.map((s) => shown[s])));
  let reach = 0;
  let lowest = Infinity;
  spec.takes.forEach((poses, t) => {
    for (let f = 0; f * row < poses.length; f++) {
      for (const s of robot) {
        const at = f * row + shown[s] * POSE_SIZE;
        const [x, y, z] = [0, 1, 2].map((i) => poses[at + i] - places[t][3 * f + i]);
        reach = Math.max(reach, Math.hypot(x, y, z) + solids[s].mesh.radius);
        if (floors.length === 0) lowest = Math.min(lowest, lowestOf(solids[s].mesh, poses, at));
      }
    }
  });
  reach = spec.reach ?? reach;
  const height = floors.length > 0 ? first[floors[0] * POSE_SIZE + 2] : lowest;
  const floor = { height, tile: roundNumber(0.8 * reach) };

  // what the model does not have: signs on the floor
  const extras: { shape: Shape; poseAt: (place: Float32Array) => Float32Array }[] = [];
  const signZ = height + SIGN_HEIGHT * reach;
  if (spec.goal !== undefined) {
    const [x, y, z = height] = spec.goal;
    const radius = 0.22 * reach;
    const still = (at: Vector) => Float32Array.of(...at, 1, 0, 0, 0, 1, 0, 0, 0, 1);
    const ringPose = still([x, y, signZ]);
    extras.push({ shape: signShape(ring(radius, 0.3 * radius)), poseAt: () => ringPose });
    if (goal.length === 0) {
      const ball = 0.4 * radius;
      const ballPose = still([x, y, Math.max(z, height + ball)]);
      const rest = { rgba: null, depth: 0, motors: [], isMarker: true } as const;
      extras.push({
        shape: { name: "goal", kind: "sphere", size: [ball, 0, 0], ...rest },
        poseAt: () => ballPose,
      });
    }
    extras.forEach((_, i) => goal.push(solids.length + i));
  }
  if (heading !== undefined) {
    const length = Math.hypot(...heading);
    const [c, s] = [heading[0] / length, heading[1] / length];
    extras.push({
      shape: signShape(arrow(1.6 * reach)),
      poseAt: (place) => Float32Array.of(place[0], place[1], signZ, c, -s, 0, s, c, 0, 0, 0, 1),
    });
  }
  for (const { shape } of extras) {
    solids.push({ mesh: meshOf(shape), color: linearColor(THEME.goal) });
  }

  const takes = spec.takes.map((poses, t): Take => {
    const frames = poses.length / row;
    const out = new Float32Array(frames * solids.length * POSE_SIZE);
    let to = 0;
    for (let f = 0; f < frames; f++) {
      for (const g of shown) {
        const at = f * row + g * POSE_SIZE;
        out.set(poses.subarray(at, at + POSE_SIZE), to);
        to += POSE_SIZE;
      }
      for (const { poseAt } of extras) {
        out.set(poseAt(places[t].subarray(3 * f, 3 * f + 3)), to);
        to += POSE_SIZE;
      }
    }
    return { frames, poses: out, places: places[t] };
  });
  return { solids, floor, takes, robot, goal, reach };
}

/** Height of a solid's lowest vertex in its pose. */
function lowestOf({ positions }: Mesh, poses: Float32Array, at: number): number {
  const [x, y, z] = poses.subarray(at + 9, at + 12);
  let lowest = Infinity;
  for (let v = 0; v < positions.length; v += 3) {
    lowest = Math.min(lowest, x * positions[v] + y * positions[v + 1] + z * positions[v + 2]);
  }
  return poses[at + 2] + lowest;
}

/** [F, 3] middle of the box around the positions of the shapes */
function placesOf(poses: Float32Array, row: number, shapes: readonly number[]): Float32Array {
  const frames = poses.length / row;
  const places = new Float32Array(3 * frames);
  for (let f = 0; f < frames; f++) {
    for (let i = 0; i < 3; i++) {
      let [low, high] = [Infinity, -Infinity];
      for (const g of shapes) {
        const value = poses[f * row + g * POSE_SIZE + i];
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
      places[3 * f + i] = (low + high) / 2;
    }
  }
  return places;
}
