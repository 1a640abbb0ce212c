/**
 * Surfaces of shapes as triangles with normals. MuJoCo's conventions: capsules and cylinders stand
 * along z, planes look along z, sizes are radii and half lengths.
 *
 * Axis letters: V vertices, T triangles.
 */
import type { Shape, TriangleMesh } from "../envs/scene.ts";
import { cross, dot, normalized, plus, type Vector } from "./vector.ts";

/** A surface in the shape's own frame. */
export interface Mesh {
  /** [V, 3] m */
  readonly positions: Float32Array;
  /** [V, 3] of length 1 */
  readonly normals: Float32Array;
  /** [T, 3] corners, counterclockwise from outside */
  readonly triangles: Uint32Array;
  /** Distance of the farthest vertex from the origin of the frame. */
  readonly radius: number;
}

/** How finely round surfaces are cut: corners of a circle. A polygon is 0.5 % flatter. */
const SEGMENTS = 32;
/** Half the side of the square that stands for an endless plane, m. */
const ENDLESS = 100;
/** Faces that meet at less than this angle are one smooth surface (cosine of 40 degrees). */
const SMOOTH_COSINE = 0.766;

class MeshBuilder {
  readonly #positions: number[] = [];
  readonly #normals: number[] = [];
  readonly #triangles: number[] = [];

  vertex(position: Vector, normal: Vector): number {
    this.#positions.push(...position);
    this.#normals.push(...normal);
    return this.#positions.length / 3 - 1;
  }

  triangle(a: number, b: number, c: number): void {
    this.#triangles.push(a, b, c);
  }

  /** Joins two rows of vertices; `next` lies to the left of `row` seen along it, from outside. */
  strip(row: readonly number[], next: readonly number[]): void {
    for (let i = 0; i + 1 < row.length; i++) {
      this.triangle(row[i], row[i + 1], next[i + 1]);
      this.triangle(row[i], next[i + 1], next[i]);
    }
  }

  build(): Mesh {
    const positions = Float32Array.from(this.#positions);
    let squares = 0;
    for (let v = 0; v < positions.length; v += 3) {
      const [x, y, z] = positions.subarray(v, v + 3);
      squares = Math.max(squares, x * x + y * y + z * z);
    }
    return {
      positions,
      normals: Float32Array.from(this.#normals),
      triangles: Uint32Array.from(this.#triangles),
      radius: Math.sqrt(squares),
    };
  }
}

function onCircle(i: number): readonly [number, number] {
  const angle = 2 * Math.PI * i / SEGMENTS;
  return [Math.cos(angle), Math.sin(angle)];
}

const AROUND = Array.from({ length: SEGMENTS + 1 }, (_, i) => i);

/** A sphere whose halves are `half` away from the middle, stretched by `scale`. */
function capsule(radius: number, half: number, scale: Vector = [1, 1, 1]): Mesh {
  const builder = new MeshBuilder();
  const rows: number[][] = [];
  const rings = SEGMENTS / 2;
  for (let ring = 0; ring <= rings; ring++) {
    const angle = Math.PI * (ring / rings - 0.5);
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    const row = (shift: number) =>
      AROUND.map((i) => {
        const [x, y] = onCircle(i);
        const normal: Vector = [c * x / scale[0], c * y / scale[1], s / scale[2]];
        const position: Vector = [
          radius * scale[0] * c * x,
          radius * scale[1] * c * y,
          radius * scale[2] * s + shift,
        ];
        return builder.vertex(position, normalized(normal));
      });
    if (half > 0 && ring === rings / 2) rows.push(row(-half), row(half));
    else rows.push(row(ring < rings / 2 ? -half : half));
  }
  for (let i = 0; i + 1 < rows.length; i++) builder.strip(rows[i], rows[i + 1]);
  return builder.build();
}

function cylinder(radius: number, half: number): Mesh {
  const builder = new MeshBuilder();
  const ring = (z: number, normalOf: (x: number, y: number) => Vector) =>
    AROUND.map((i) => {
      const [x, y] = onCircle(i);
      return builder.vertex([radius * x, radius * y, z], normalOf(x, y));
    });
  const outwards = (x: number, y: number): Vector => [x, y, 0];
  builder.strip(ring(-half, outwards), ring(half, outwards));
  for (const side of [-1, 1]) {
    const normal: Vector = [0, 0, side];
    const middle = builder.vertex([0, 0, side * half], normal);
    const rim = ring(side * half, () => normal);
    for (let i = 0; i < SEGMENTS; i++) {
      if (side > 0) builder.triangle(middle, rim[i], rim[i + 1]);
      else builder.triangle(middle, rim[i + 1], rim[i]);
    }
  }
  return builder.build();
}

function box(half: Vector): Mesh {
  const builder = new MeshBuilder();
  for (const axis of [0, 1, 2]) {
    for (const side of [-1, 1]) {
      const unit = (i: number): Vector => [+(i === 0), +(i === 1), +(i === 2)];
      const normal = plus([0, 0, 0], unit(axis), side);
      // the two other axes in an order that makes (u, v, normal) right-handed
      const u = unit((axis + (side > 0 ? 1 : 2)) % 3);
      const v = unit((axis + (side > 0 ? 2 : 1)) % 3);
      const corner = (a: number, b: number) => {
        const at = plus(plus(normal, u, a), v, b);
        return builder.vertex([at[0] * half[0], at[1] * half[1], at[2] * half[2]], normal);
      };
      const [p, q, r, s] = [corner(-1, -1), corner(1, -1), corner(1, 1), corner(-1, 1)];
      builder.triangle(p, q, r);
      builder.triangle(p, r, s);
    }
  }
  return builder.build();
}

/** Both sides of a rectangle. */
function plane([x, y]: Vector): Mesh {
  const [w, h] = [x || ENDLESS, y || ENDLESS];
  const builder = new MeshBuilder();
  for (const side of [-1, 1]) {
    const corner = (a: number, b: number) => builder.vertex([a * w, b * h, 0], [0, 0, side]);
    const [p, q, r, s] = [corner(-1, -side), corner(1, -side), corner(1, side), corner(-1, side)];
    builder.triangle(p, q, r);
    builder.triangle(p, r, s);
  }
  return builder.build();
}

/** A mesh with normals: those of the faces, averaged where faces meet at a small angle. */
function smoothed({ vertices, triangles }: TriangleMesh): Mesh {
  const builder = new MeshBuilder();
  const at = (v: number): Vector => [vertices[3 * v], vertices[3 * v + 1], vertices[3 * v + 2]];
  const faces: Vector[] = [];
  const facesAt = new Map<number, number[]>();
  for (let t = 0; t < triangles.length; t += 3) {
    const [a, b, c] = [...triangles.subarray(t, t + 3)].map(at);
    faces.push(cross(plus(b, a, -1), plus(c, a, -1)));
    for (const v of triangles.subarray(t, t + 3)) {
      facesAt.set(v, [...(facesAt.get(v) ?? []), t / 3]);
    }
  }
  faces.forEach((face, f) => {
    if (Math.hypot(...face) === 0) return; // without area
    const own = normalized(face);
    const corners = [...triangles.subarray(3 * f, 3 * f + 3)].map((v) => {
      const sum = facesAt.get(v)!
        .map((other) => faces[other])
        .filter((other) => dot(own, other) >= SMOOTH_COSINE * Math.hypot(...other))
        .reduce((total, other) => plus(total, other), [0, 0, 0]);
      return builder.vertex(at(v), normalized(sum));
    });
    builder.triangle(corners[0], corners[1], corners[2]);
  });
  return builder.build();
}

/** The surface of a shape. @throws RangeError for a mesh without triangles. */
export function meshOf({ kind, size, mesh, name }: Shape): Mesh {
  switch (kind) {
    case "plane":
      return plane(size);
    case "sphere":
      return capsule(size[0], 0);
    case "capsule":
      return capsule(size[0], size[1]);
    case "ellipsoid":
      return capsule(1, 0, size);
    case "cylinder":
      return cylinder(size[0], size[1]);
    case "box":
      return box(size);
    case "mesh":
      if (mesh === undefined) throw new RangeError(`Cannot draw mesh "${name}": it has no surface`);
      return smoothed(mesh);
  }
}
