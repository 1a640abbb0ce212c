import assert from "node:assert/strict";
import { principalAxes } from "../../src/util/pca.ts";
import { KeyedRandom, Purpose } from "../../src/util/prng.ts";

/** Rounding of a decomposition in double precision. */
const TOLERANCE = 1e-12;

function assertClose(actual: ArrayLike<number>, wanted: readonly number[]): void {
  assert.equal(actual.length, wanted.length);
  wanted.forEach((value, i) => {
    assert.ok(Math.abs(actual[i] - value) < TOLERANCE, `${i}: ${actual[i]}, wanted ${value}`);
  });
}

/**
 * Six points at (5, -2) plus 3u, -u, -2u, 2v, -v, -v with the orthonormal u = (0.6, 0.8) and
 * v = (-0.8, 0.6), in the first two of `width` coordinates. Their mean is (5, -2); the sums of
 * squares are 9 + 1 + 4 = 14 along u and 4 + 1 + 1 = 6 along v, so u has 0.7 of the variance.
 */
function crossOf(width: number): Float64Array {
  const [u, v] = [[0.6, 0.8], [-0.8, 0.6]];
  const points = new Float64Array(6 * width);
  [[3, u], [-1, u], [-2, u], [2, v], [-1, v], [-1, v]].forEach(([factor, axis], n) => {
    for (const c of [0, 1]) {
      points[n * width + c] = [5, -2][c] + (factor as number) * (axis as number[])[c];
    }
  });
  return points;
}
/** The same along u and v. */
const CROSS = [3, 0, -1, 0, -2, 0, 0, 2, 0, -1, 0, -1];

Deno.test("principalAxes() finds the axes of a known covariance, whatever the width", () => {
  // fewer coordinates than points, as many, more
  for (const width of [2, 6, 40]) {
    const { coordinates, explained } = principalAxes(crossOf(width), 6, 2);
    assertClose(coordinates, CROSS);
    assertClose(explained, [0.7, 0.3]);
  }
});

Deno.test("principalAxes() points every axis to the side of its farthest point", () => {
  const mirrored = crossOf(2).map((value) => -value);
  assertClose(principalAxes(mirrored, 6, 2).coordinates, CROSS);
});

Deno.test("principalAxes() keeps all distances where all axes are kept", () => {
  const [count, width] = [9, 4];
  const points = new Float64Array(count * width);
  new KeyedRandom(3).at(Purpose.TEST_DATA).fillNormal(points);
  const { coordinates, explained } = principalAxes(points, count, width);
  const distance = (rows: Float64Array, i: number, j: number) =>
    Math.hypot(
      ...Array.from({ length: width }, (_, c) => rows[i * width + c] - rows[j * width + c]),
    );
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < i; j++) {
      assert.ok(Math.abs(distance(points, i, j) - distance(coordinates, i, j)) < TOLERANCE);
    }
  }
  assert.ok(Math.abs(explained.reduce((sum, share) => sum + share) - 1) < TOLERANCE);
  assert.deepEqual([...explained], [...explained].sort((a, b) => b - a));
});

Deno.test("principalAxes() gives zeros for axes that there are not", () => {
  const line = principalAxes([1, 2, 6], 3, 2);
  assertClose(line.coordinates, [-2, 0, -1, 0, 3, 0]);
  assertClose(line.explained, [1, 0]);
  const same = principalAxes([4, 5, 4, 5, 4, 5], 3, 2);
  assertClose(same.coordinates, [0, 0, 0, 0, 0, 0]);
  assertClose(same.explained, [0, 0]);
});
