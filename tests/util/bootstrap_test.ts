/** Tests of src/util/bootstrap.ts. */
import assert from "node:assert/strict";
import { bootstrapMean } from "../../src/util/bootstrap.ts";
import { KeyedRandom, Purpose } from "../../src/util/prng.ts";

Deno.test("bootstrapMean() of equal values has no width", () => {
  assert.deepEqual(bootstrapMean([2, 2, 2]), { mean: 2, low: 2, high: 2 });
  assert.deepEqual(bootstrapMean([5]), { mean: 5, low: 5, high: 5 });
});

Deno.test("bootstrapMean() has the normal interval for many values", () => {
  const random = new KeyedRandom(1);
  random.at(Purpose.TEST_DATA);
  const values = Float64Array.from({ length: 400 }, () => 3 + 2 * random.normal());
  const { mean, low, high } = bootstrapMean(values);
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const half = 1.96 * Math.sqrt(variance / values.length);
  // 4000 resamples place a 2.5 % point with a standard error of about 3 % of half the width
  assert.ok(Math.abs(mean - low - half) < 0.12 * half, `${mean - low} against ${half}`);
  assert.ok(Math.abs(high - mean - half) < 0.12 * half, `${high - mean} against ${half}`);
});

Deno.test("bootstrapMean() covers the true mean as often as it says", () => {
  const random = new KeyedRandom(2);
  let covered = 0;
  const trials = 200;
  for (let trial = 0; trial < trials; trial++) {
    random.at(Purpose.TEST_DATA, trial);
    const { low, high } = bootstrapMean(Float64Array.from({ length: 60 }, () => random.normal()));
    if (low <= 0 && 0 <= high) covered++;
  }
  // binomial with p = 0.94 (the percentile interval is a little short at n = 60): 188 +- 3 * 3.4
  assert.ok(covered >= 177 && covered <= 198, String(covered));
});

Deno.test("bootstrapMean() refuses nothing at all", () => {
  assert.throws(() => bootstrapMean([]), RangeError);
});
