/**
 * Rollouts in the plane as a stage in space, for the page that can be turned: a ball that goes the
 * way, with dots where it has been, the goal, and walls that stand on the floor.
 *
 * Axis letters: F places of a path, G shapes, V corners of a wall's line.
 */
import type { RoundWall } from "../envs/env.ts";
import { POSE_SIZE, type Shape } from "../envs/scene.ts";
import { type PlaneShow, squareOf, wallLine } from "./plane.ts";
import { buildStage, type Stage } from "./stage.ts";
import { fromLinear, linearColor, THEME } from "./theme.ts";

/** Sizes as shares of half the side of the square that everything lies in. */
const BALL = 0.025;
const DOT = 0.008;
const WALL_HEIGHT = 0.08;
const WALL_WIDTH = 0.015;
/** What a robot of this size would reach: signs and the floor's tiles go by it. */
const REACH = 0.3;
/** Most dots of a way. */
const MOST_DOTS = 100;

const PLAIN = { name: "", motors: [], isMarker: false } as const;

/** A wall of some width and height above its line [V, 2]. */
function wallMesh(wall: RoundWall, width: number, height: number): NonNullable<Shape["mesh"]> {
  const line = wallLine(wall);
  const [outer, inner] = [1, -1].map((side) => 1 + side * width / 2 / wall.radius);
  // outside at the bottom and the top, inside at the bottom and the top
  const vertices = line.flatMap(([x, y]) =>
    [outer, inner].flatMap((share) => [0, height].flatMap((z) => [share * x, share * y, z]))
  );
  const triangles: number[] = [];
  const face = (a: number, b: number, c: number, d: number) => triangles.push(a, b, c, a, c, d);
  for (let i = 0; i + 1 < line.length; i++) {
    const [here, next] = [4 * i, 4 * (i + 1)];
    face(here, next, next + 1, here + 1);
    face(here + 2, here + 3, next + 3, next + 2);
    face(here + 1, next + 1, next + 3, here + 3);
  }
  const last = 4 * (line.length - 1);
  face(2, 0, 1, 3);
  face(last, last + 2, last + 3, last + 1);
  return { vertices: Float32Array.from(vertices), triangles: Uint32Array.from(triangles) };
}

/** The stage; its takes are the show's paths. */
export function planeStage({ paths, goal, walls, ...show }: PlaneShow): Stage {
  const { half } = squareOf({ paths, goal, walls, ...show });
  const longest = Math.max(...paths.map(({ places }) => places.length / 2));
  const every = Math.ceil((longest - 1) / MOST_DOTS) || 1;
  const dots = Math.floor((longest - 1) / every);
  const [r, g, b] = linearColor(THEME.limbs[1]).map(fromLinear);
  const shapes: Shape[] = [
    { ...PLAIN, kind: "sphere", size: [BALL * half, 0, 0], rgba: null, depth: 1 },
    ...Array.from({ length: dots }, (): Shape => ({
      ...PLAIN,
      ...{ kind: "sphere", size: [DOT * half, 0, 0], rgba: [r, g, b, 1], depth: 0 },
    })),
    ...walls.map((wall): Shape => ({
      ...PLAIN,
      ...{ kind: "mesh", size: [0, 0, 0], rgba: null, depth: 0 },
      mesh: wallMesh(wall, WALL_WIDTH * half, WALL_HEIGHT * half),
    })),
  ];
  const row = shapes.length * POSE_SIZE;
  const takes = paths.map(({ places }) => {
    const frames = places.length / 2;
    const poses = new Float32Array(frames * row);
    for (let f = 0; f < frames; f++) {
      shapes.forEach((_, s) => {
        const at = f * row + s * POSE_SIZE;
        poses.set([0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1], at);
        if (s > dots) return;
        // a dot lies within the ball until the ball goes on
        const step = s === 0 ? f : Math.min((s - 1) * every, f);
        poses[at] = places[2 * step];
        poses[at + 1] = places[2 * step + 1];
        poses[at + 2] = (s === 0 ? BALL : DOT) * half;
      });
    }
    return poses;
  });
  const stage = buildStage({ shapes, takes, goal: goal ?? undefined, reach: REACH * half });
  // walls are a part of the task: the camera shows them
  return { ...stage, goal: [...walls.map((_, w) => 1 + dots + w), ...stage.goal] };
}
