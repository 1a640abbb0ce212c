/** Tests of src/util/statistics.ts. */
import assert from "node:assert/strict";
import { mean, meanInterval, median, pairedTestLess } from "../../src/util/statistics.ts";

Deno.test("mean() and median() of even and odd counts", () => {
  assert.equal(mean([1, 2, 6]), 3);
  assert.equal(median([6, 1, 2]), 2);
  assert.equal(median([6, 1, 2, 4]), 3);
});

Deno.test("meanInterval() is Student's t interval", () => {
  // 1 .. 5: mean 3, sample variance 2.5, standard error sqrt(2.5 / 5) = 0.70711, t(4) = 2.776
  const { mean: middle, halfWidth } = meanInterval([1, 2, 3, 4, 5]);
  assert.equal(middle, 3);
  assert.ok(Math.abs(halfWidth! - 2.776 * Math.sqrt(0.5)) < 1e-12);
});

Deno.test("meanInterval() goes on beyond the table of Student's t", () => {
  // alternating 1 and -1: variance n / (n - 1), standard error 1 / sqrt(n - 1)
  const pointOf = (count: number) => {
    const values = Array.from({ length: count }, (_, i) => i % 2 === 0 ? 1 : -1);
    return meanInterval(values).halfWidth! * Math.sqrt(count - 1);
  };
  // published tables: t(29), t(39), t(59), t(119)
  for (const [count, t] of [[30, 2.045], [40, 2.0227], [60, 2.001], [120, 1.9801]]) {
    assert.ok(Math.abs(pointOf(count) - t) < 1e-4 * t, `${count}: ${pointOf(count)}`);
  }
});

Deno.test("meanInterval() of one value has no interval", () => {
  assert.deepEqual(meanInterval([7]), { mean: 7, halfWidth: null });
});

Deno.test("pairedTestLess() counts sign patterns", () => {
  // differences -1, -2, -3: only the pattern seen has a sum of -6 or less, of 8
  assert.equal(pairedTestLess([0, 0, 0], [1, 2, 3]), 1 / 8);
  // the other way round every pattern is at most the sum seen
  assert.equal(pairedTestLess([1, 2, 3], [0, 0, 0]), 1);
  // differences 1, -1: sums -2, 0, 0, 2; 3 of 4 are at most 0
  assert.equal(pairedTestLess([1, 0], [0, 1]), 3 / 4);
});

Deno.test("pairedTestLess() refuses other numbers of pairs", () => {
  assert.throws(() => pairedTestLess([], []), RangeError);
  assert.throws(() => pairedTestLess([1], [1, 2]), RangeError);
});
