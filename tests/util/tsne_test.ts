import assert from "node:assert/strict";
import { KeyedRandom, Purpose } from "../../src/util/prng.ts";
import { tsne } from "../../src/util/tsne.ts";

const COUNT = 24;
const WIDTH = 5;

/** Two clouds of 12 points in 5 dimensions, 8 standard deviations apart in each. */
function twoClouds(): Float64Array {
  const points = new Float64Array(COUNT * WIDTH);
  new KeyedRandom(1).at(Purpose.TEST_DATA).fillNormal(points);
  return points.map((value, i) => i < points.length / 2 ? value : value + 8);
}

Deno.test("tsne() keeps near what is near", () => {
  const map = tsne(twoClouds(), COUNT, new KeyedRandom(2));
  assert.equal(map.length, 2 * COUNT);
  for (let n = 0; n < COUNT; n++) {
    const distances = Array.from(
      { length: COUNT },
      (_, other) =>
        other === n
          ? Infinity
          : Math.hypot(map[2 * n] - map[2 * other], map[2 * n + 1] - map[2 * other + 1]),
    );
    const nearest = distances.indexOf(Math.min(...distances));
    assert.equal(nearest < COUNT / 2, n < COUNT / 2, `point ${n} lies at ${nearest}`);
  }
});

Deno.test("tsne() depends on its seed alone, never on Math.random or the clock", () => {
  const map = tsne(twoClouds(), COUNT, new KeyedRandom(0));
  const { random } = Math;
  Math.random = () => {
    throw new Error("Math.random was called");
  };
  try {
    assert.deepEqual(tsne(twoClouds(), COUNT, new KeyedRandom(0).at(Purpose.TASK, 3)), map);
  } finally {
    Math.random = random;
  }
  assert.notDeepEqual(tsne(twoClouds(), COUNT, new KeyedRandom(1)), map);
});

Deno.test("tsne() draws the same map at every scale", () => {
  const map = tsne(twoClouds(), COUNT, new KeyedRandom(1));
  for (const scale of [2 ** -60, 2 ** 60]) {
    // powers of two change no digit
    const scaled = twoClouds().map((value) => scale * value);
    assert.deepEqual(tsne(scaled, COUNT, new KeyedRandom(1)), map);
  }
});

Deno.test("tsne() gives finite places for few points, equal points and equal distances", () => {
  for (const count of [1, 2, 3, 5]) {
    const points = twoClouds().subarray(0, count * WIDTH);
    assert.ok(tsne(points, count, new KeyedRandom(1)).every(Number.isFinite), `${count} points`);
  }
  assert.ok(tsne(new Float64Array(60).fill(3), 20, new KeyedRandom(1)).every(Number.isFinite));
  // unit vectors all have the same distances, points of a grid many: no neighbourhood has the
  // wanted size
  for (let count = 6; count <= 40; count++) {
    const corners = Float64Array.from(
      { length: count * count },
      (_, i) => i % (count + 1) === 0 ? 1 : 0,
    );
    const grid = Float64Array.from(
      { length: 2 * count },
      (_, i) => i % 2 === 0 ? (i >> 1) % 5 : Math.floor(i / 10),
    );
    for (const points of [corners, grid]) {
      assert.ok(tsne(points, count, new KeyedRandom(1)).every(Number.isFinite), `${count} points`);
    }
  }
});
