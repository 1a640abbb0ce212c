/** Tests of the surfaces of shapes. */
import assert from "node:assert/strict";
import { type Mesh, meshOf } from "../../src/render/mesh.ts";
import { shape } from "./helpers.ts";

/** Volume inside of a closed surface, by the divergence theorem. */
function volume({ positions, triangles }: Mesh): number {
  let sum = 0;
  for (let t = 0; t < triangles.length; t += 3) {
    const [a, b, c] = [0, 1, 2].map((i) => positions.subarray(3 * triangles[t + i]));
    sum += a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0]) +
      a[2] * (b[0] * c[1] - b[1] * c[0]);
  }
  return sum / 6;
}

/** Least cosine between a triangle's own normal and those of its corners. */
function leastAgreement({ positions, normals, triangles }: Mesh): number {
  let least = 1;
  for (let t = 0; t < triangles.length; t += 3) {
    const at = [0, 1, 2].map((i) => 3 * triangles[t + i]);
    const side = (i: number) =>
      [0, 1, 2].map((axis) => positions[at[i] + axis] - positions[at[0] + axis]);
    const [u, v] = [side(1), side(2)];
    const face = [0, 1, 2].map((i) => {
      const [j, k] = [(i + 1) % 3, (i + 2) % 3];
      return u[j] * v[k] - u[k] * v[j];
    });
    const length = Math.hypot(...face);
    if (length < 1e-9) continue; // at a pole
    for (const corner of at) {
      const cosine = face.reduce((sum, x, i) => sum + x * normals[corner + i], 0) / length;
      least = Math.min(least, cosine);
    }
  }
  return least;
}

// A polygon of 32 corners has sin(2 pi / 32) / (2 pi / 32) = 0.9936 of its circle's area, and
// cutting a sphere into 16 rings loses that in each of the two other directions as well.
const ROUND = 0.9936 ** 3;

Deno.test("meshOf() encloses the volumes that geometry has formulas for", () => {
  const { PI } = Math;
  const cases = [
    [shape("box", [0.1, 0.2, 0.3]), 8 * 0.1 * 0.2 * 0.3, 1],
    [shape("cylinder", [0.2, 0.5, 0]), PI * 0.04 * 1, ROUND],
    [shape("sphere", [0.3, 0, 0]), 4 / 3 * PI * 0.027, ROUND],
    [shape("ellipsoid", [0.1, 0.2, 0.4]), 4 / 3 * PI * 0.008, ROUND],
    [shape("capsule", [0.1, 0.3, 0]), 4 / 3 * PI * 0.001 + PI * 0.01 * 0.6, ROUND],
  ] as const;
  for (const [each, wanted, least] of cases) {
    const found = volume(meshOf(each));
    assert.ok(found <= wanted * (1 + 1e-6), `${each.kind}: ${found}, at most ${wanted}`);
    assert.ok(found >= wanted * least * (1 - 1e-6), `${each.kind}: ${found}, wanted ${wanted}`);
  }
});

Deno.test("meshOf() gives normals of length 1 that look outwards like their faces", () => {
  for (const kind of ["box", "cylinder", "sphere", "ellipsoid", "capsule", "plane"] as const) {
    const mesh = meshOf(shape(kind, [0.2, 0.3, 0.25]));
    const { normals } = mesh;
    for (let v = 0; v < normals.length; v += 3) {
      const length = Math.hypot(...normals.subarray(v, v + 3));
      assert.ok(Math.abs(length - 1) < 1e-6, `${kind}: ${length}`);
    }
    // a face of a sphere of 32 corners is at most 2 pi / 32 from the normals of its corners
    assert.ok(leastAgreement(mesh) > Math.cos(2 * Math.PI / 32) - 0.01, kind);
  }
});

Deno.test("meshOf() keeps the sharp edges of a mesh and smooths the others", () => {
  // a roof: two faces that meet at a right angle over the edge from vertex 0 to 1, and two that
  // meet at 10 degrees
  const roof = (angle: number) => {
    const [c, s] = [Math.cos(angle / 2), Math.sin(angle / 2)];
    return meshOf(shape("mesh", [0, 0, 0], {
      mesh: {
        vertices: Float32Array.of(0, 0, 0, 0, 1, 0, c, 0.5, -s, -c, 0.5, -s),
        triangles: Uint32Array.of(0, 2, 1, 1, 3, 0),
      },
    }));
  };
  const upwards = (mesh: Mesh) => mesh.normals.filter((_, i) => i % 3 === 2);
  const sharp = roof(Math.PI / 2);
  assert.ok(upwards(sharp).every((z) => Math.abs(z - Math.SQRT1_2) < 1e-6));
  const smooth = roof(Math.PI / 18);
  // four of the six corners lie on the edge and look straight up
  assert.equal(upwards(smooth).filter((z) => Math.abs(z - 1) < 1e-6).length, 4);
  assert.throws(() => meshOf(shape("mesh", [0, 0, 0])), /it has no surface/);
});
