/** Selection of a situation; the rest of FAMLE's algorithm is checked by tests/golden. */
import assert from "node:assert/strict";
import { drawSituation, mostLikely, situationLikelihoods } from "../../src/algos/famle.ts";
import { RunError } from "../../src/util/errors.ts";

Deno.test("situationLikelihoods() is the softmax of minus the mean squared error", () => {
  const likelihoods = situationLikelihoods([2, 4, 8], 2);
  // exp(-1), exp(-2), exp(-4) over their sum
  const parts = [-1, -2, -4].map(Math.exp);
  const sum = parts.reduce((total, x) => total + x);
  likelihoods.forEach((value, g) => assert.ok(Math.abs(value - parts[g] / sum) < 1e-15));
});

Deno.test("situationLikelihoods() does not underflow where all models are bad", () => {
  // exp(-5000) is 0; the published code divides 0 by 0 here
  const likelihoods = situationLikelihoods([5000, 5001, 9000], 1);
  assert.ok(Math.abs(likelihoods[0] - 1 / (1 + Math.exp(-1))) < 1e-12);
  assert.equal(likelihoods[2], 0);
});

Deno.test("situationLikelihoods() refuses an error that is not finite", () => {
  for (const bad of [NaN, Infinity]) {
    assert.throws(
      () => situationLikelihoods([1, bad], 1),
      (error) => error instanceof RunError && /embedding 1/.test(error.message),
    );
  }
});

Deno.test("mostLikely() takes the first of equals", () => {
  assert.equal(mostLikely([0.2, 0.4, 0.4]), 1);
});

Deno.test("drawSituation() divides [0, 1) by the likelihoods", () => {
  const likelihoods = [0.25, 0.5, 0.25];
  assert.deepEqual(
    [0, 0.2499, 0.25, 0.7499, 0.75, 0.9999].map((u) => drawSituation(likelihoods, u)),
    [0, 0, 1, 1, 2, 2],
  );
  // rounding may leave the sum below 1
  assert.equal(drawSituation([0.3, 0.6999999], 0.99999995), 1);
});
