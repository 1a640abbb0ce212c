/** Tests of src/util/permutation.ts. */
import assert from "node:assert/strict";
import { drawOrder } from "../../src/util/permutation.ts";
import { KeyedRandom, Purpose } from "../../src/util/prng.ts";

function draw(seed: number, count: number, taken: number): number[] {
  const random = new KeyedRandom(seed).at(Purpose.TRAINING_ORDER);
  const out = new Uint32Array(taken + 2).fill(99);
  drawOrder(random, count, taken, new Uint32Array(count), out, 1);
  // nothing is written outside of its place
  assert.equal(out[0], 99);
  assert.equal(out[taken + 1], 99);
  return [...out.subarray(1, taken + 1)];
}

Deno.test("drawOrder() draws different numbers below the count", () => {
  for (const [count, taken] of [[1, 1], [5, 5], [10, 3], [100, 100]]) {
    const drawn = draw(1, count, taken);
    assert.equal(new Set(drawn).size, taken);
    assert.ok(drawn.every((value) => value < count));
  }
});

Deno.test("drawOrder() gives every number the same chance at every place", () => {
  const draws = 6000, counts = new Float64Array(9);
  for (let seed = 0; seed < draws; seed++) {
    draw(seed, 3, 3).forEach((value, place) => counts[3 * place + value]++);
  }
  // binomial with p = 1/3: std sqrt(6000 * 2 / 9) = 36.5; five of them
  for (const count of counts) assert.ok(Math.abs(count - draws / 3) < 183, String(counts));
});

Deno.test("drawOrder() depends on the key alone", () => {
  assert.deepEqual(draw(7, 20, 20), draw(7, 20, 20));
  assert.notDeepEqual(draw(7, 20, 20), draw(8, 20, 20));
});
