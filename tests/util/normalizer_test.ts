/** Tests of src/util/normalizer.ts; the statistics are those of tests/rollout/transitions_test.ts. */
import assert from "node:assert/strict";
import { denormalizeRows, normalizerOf, normalizeRows } from "../../src/util/normalizer.ts";

Deno.test("normalizeRows() subtracts the mean and divides by the std, column by column", () => {
  const rows = normalizeRows([1, 2, 3, 4], Float64Array.of(1, 1), Float64Array.of(2, 0.5));
  // (1 - 1) / 2, (2 - 1) / 0.5, (3 - 1) / 2, (4 - 1) / 0.5
  assert.deepEqual([...rows], [0, 2, 1, 6]);
});

Deno.test("denormalizeRows() undoes normalizeRows()", () => {
  const mean = Float64Array.of(-3, 0.5), std = Float64Array.of(2, 0.25);
  const rows = [1, 2, -3, 4.5, 0, 0.125];
  // all numbers are sums of few powers of two: exact
  assert.deepEqual([...denormalizeRows(normalizeRows(rows, mean, std), mean, std)], rows);
});

Deno.test("normalizerOf() takes the rows of all parts together", () => {
  const parts = [{ inputs: [1, 10], targets: [2] }, { inputs: [3, 10], targets: [6] }];
  const { meanIn, stdIn, meanOut, stdOut } = normalizerOf(parts, 2, 1);
  assert.deepEqual([...meanIn], [2, 10]);
  // population standard deviations 1, 0 and 2, each + 1e-10
  assert.deepEqual([...stdIn], [1 + 1e-10, 1e-10]);
  assert.deepEqual([...meanOut], [4]);
  assert.deepEqual([...stdOut], [2 + 1e-10]);
});
