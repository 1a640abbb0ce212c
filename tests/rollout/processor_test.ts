import assert from "node:assert/strict";
import { discountedReturns, generalizedAdvantages } from "../../src/rollout/advantage.ts";
import { LinearFeatureBaseline } from "../../src/rollout/baseline.ts";
import {
  pathStatistics,
  type ProcessOptions,
  processPaths,
  SampleProcessor,
} from "../../src/rollout/processor.ts";
import { createTrajectoryBatch, packRollouts } from "../../src/rollout/trajectory_batch.ts";
import { RunError } from "../../src/util/errors.ts";
import { KeyedRandom, Purpose } from "../../src/util/prng.ts";
import golden from "../golden/sample_processing.json" with { type: "json" };

/** Largest difference relative to the largest wanted entry. */
function relativeError(found: ArrayLike<number>, wanted: readonly number[]): number {
  assert.equal(found.length, wanted.length);
  const scale = Math.max(...wanted.map(Math.abs));
  return Math.max(...wanted.map((value, i) => Math.abs(found[i] - value))) / scale;
}

const base: ProcessOptions = {
  discount: 0.9,
  gaeLambda: 0.8,
  baseline: "ZeroBaseline",
  normalizeAdv: false,
  positiveAdv: false,
};

Deno.test("processPaths() reproduces the golden returns, baselines and advantages", () => {
  assert.ok(golden.cases.length > 0);
  for (const { name, paths, expected, ...parameters } of golden.cases) {
    const options: ProcessOptions = {
      discount: parameters.discount,
      gaeLambda: parameters.gae_lambda,
      regCoeff: parameters.reg_coeff,
      baseline: "LinearFeatureBaseline",
      normalizeAdv: false,
      positiveAdv: false,
    };
    const raw = processPaths(paths, options);
    const normalized = processPaths(paths, { ...options, normalizeAdv: true });
    const shifted = processPaths(paths, { ...options, normalizeAdv: true, positiveAdv: true });
    const rows: [string, ArrayLike<number>, readonly number[]][] = [
      ["returns", raw.returns, expected.returns.flat()],
      ["baselines", raw.baselines, expected.baselines.flat()],
      ["advantages", raw.advantages, expected.advantages.flat()],
      ["normalized", normalized.advantages, expected.advantages_normalized],
      ["shifted", shifted.advantages, expected.advantages_normalized_shifted_positive],
      ["average return", [raw.averageReturn], [expected.average_return]],
      ["discounted", [raw.averageDiscountedReturn], [expected.average_discounted_return]],
    ];
    for (const [what, found, wanted] of rows) {
      const error = relativeError(found, wanted);
      assert.ok(error < 1e-9, `${name} ${what}: ${error}`);
    }
  }
});

Deno.test("discountedReturns() and generalizedAdvantages() follow their recursions", () => {
  const rewards = Float64Array.of(1, 2, 4, 10);
  const offsets = [0, 3, 3, 4]; // the second rollout is empty
  const returns = new Float64Array(4);
  discountedReturns(rewards, offsets, 3, 0.5, returns);
  // 4; 2 + 4/2; 1 + (2 + 4/2)/2
  assert.deepEqual(Array.from(returns), [3, 4, 4, 10]);
  const advantages = new Float64Array(4);
  generalizedAdvantages(rewards, Float64Array.of(1, 3, 2, 4), offsets, 3, 0.5, 0.5, advantages);
  // deltas: 1 + 3/2 - 1 = 1.5;  2 + 2/2 - 3 = 0;  4 - 2 = 2;  10 - 4 = 6.  A[t] = delta + A[t+1]/4
  assert.deepEqual(Array.from(advantages), [1.625, 0.5, 2, 6]);
});

Deno.test("lambda 1 without a baseline makes the advantage the return", () => {
  const paths = [{ observations: [[0], [0], [0]], rewards: [1, -2, 3] }];
  const { advantages, returns } = processPaths(paths, { ...base, gaeLambda: 1 });
  advantages.forEach((advantage, n) => assert.ok(Math.abs(advantage - returns[n]) < 1e-15));
});

/** Random walks with returns that a function of observation and time step gives. */
function samples(lengths: readonly number[], obsDim: number) {
  const random = new KeyedRandom(21).at(Purpose.TEST_DATA);
  const offsets = [0];
  for (const length of lengths) offsets.push(offsets[offsets.length - 1] + length);
  const count = offsets[lengths.length];
  const obs = new Float64Array(count * obsDim);
  random.fillNormal(obs);
  return { obs, offsets, rollouts: lengths.length, obsDim, rewards: new Float64Array(count) };
}

Deno.test("LinearFeatureBaseline finds a function that its features span", () => {
  const data = samples([40, 13, 1, 30], 2); // lengths that are no multiples of the row block
  const returns = new Float64Array(84);
  for (let e = 0; e < 4; e++) {
    for (let n = data.offsets[e]; n < data.offsets[e + 1]; n++) {
      const time = (n - data.offsets[e]) / 100;
      const [x, y] = data.obs.subarray(2 * n, 2 * n + 2);
      returns[n] = 3 * x - y + 0.5 * x * x - 2 * y * y + time - 4 * time ** 2 + time ** 3 + 7;
    }
  }
  const baseline = new LinearFeatureBaseline(2, 1e-12);
  const out = new Float64Array(84);
  baseline.fitPredict(data, returns, out);
  // regularisation and rounding move the fit by about 1e-12 times the condition number
  assert.ok(relativeError(out, Array.from(returns)) < 1e-8);
  const wanted = [3, -1, 0.5, -2];
  assert.ok(relativeError(baseline.coefficients.subarray(0, 4), wanted) < 1e-6);
});

Deno.test("LinearFeatureBaseline satisfies its regularised normal equations", () => {
  // The residual is orthogonal to every feature: F'(y - F c) = r c, here for clipped observations.
  const data = samples([31, 22], 3);
  for (let i = 0; i < data.obs.length; i++) data.obs[i] *= 20;
  const returns = new Float64Array(53);
  new KeyedRandom(22).at(Purpose.TEST_DATA).fillNormal(returns);
  const baseline = new LinearFeatureBaseline(3, 0.5);
  const out = new Float64Array(53);
  baseline.fitPredict(data, returns, out);
  for (let i = 0; i < 3; i++) {
    let linear = 0;
    let square = 0;
    for (let n = 0; n < 53; n++) {
      const o = Math.min(Math.max(data.obs[3 * n + i], -10), 10);
      linear += o * (returns[n] - out[n]);
      square += o * o * (returns[n] - out[n]);
    }
    // sums of 53 terms of size 100 in float64
    assert.ok(Math.abs(linear - 0.5 * baseline.coefficients[i]) < 1e-9);
    assert.ok(Math.abs(square - 0.5 * baseline.coefficients[3 + i]) < 1e-9);
  }
});

Deno.test("LinearFeatureBaseline multiplies the regularisation by ten, four times at most", () => {
  // 16 rollouts of one step with observation 1: the columns o, o^2 and 1 are equal, F'F has 16 in
  // their rows. Without regularisation the second pivot is 16 - (16 / 4)^2 = 0 exactly, and so it
  // is while r is lost in 16 + r, that is up to 1e-15.
  const offsets = Array.from({ length: 17 }, (_, e) => e);
  const obs = new Float64Array(16).fill(1);
  const data = { obs, offsets, rollouts: 16, obsDim: 1, rewards: new Float64Array(16) };
  const returns = new Float64Array(16).fill(5);
  const out = new Float64Array(16);
  assert.throws(
    () => new LinearFeatureBaseline(1, 1e-19).fitPredict(data, returns, out), // last try: 1e-15
    (error) => error instanceof RunError && error.code === "baseline-singular",
  );
  new LinearFeatureBaseline(1, 1e-18).fitPredict(data, returns, out); // last try: 1e-14
  // the backward error of the solution is some 1e-15, but pivots of 1e-14 magnify it
  for (const value of out) assert.ok(Math.abs(value - 5) < 0.5, `${value}`);
});

Deno.test("LinearFeatureBaseline gives up with a clear error on returns that are not finite", () => {
  const data = samples([10], 1);
  const returns = new Float64Array(10).fill(Infinity);
  assert.throws(
    () => new LinearFeatureBaseline(1).fitPredict(data, returns, new Float64Array(10)),
    (error) => error instanceof RunError && error.code === "baseline-singular",
  );
  const other = samples([10], 2);
  assert.throws(
    () => new LinearFeatureBaseline(1).fitPredict(other, new Float64Array(10), returns),
    RangeError,
  );
});

Deno.test("SampleProcessor.process() normalises over the rollouts of the task together", () => {
  const sizes = { rollouts: 3, maxSteps: 4, obsDim: 1, actDim: 1, rewardParts: 1 };
  const batch = createTrajectoryBatch(sizes);
  batch.rewards.set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  packRollouts(batch, [4, 0, 2]);
  const processor = new SampleProcessor(12, 1, { ...base, normalizeAdv: true });
  processor.process(batch);
  const count = 6;
  const found = Array.from(batch.advantages.subarray(0, count));
  const mean = found.reduce((sum, value) => sum + value, 0) / count;
  const variance = found.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count;
  // float32 results
  assert.ok(Math.abs(mean) < 1e-6 && Math.abs(variance - 1) < 1e-6);
  // 1 + .9 (2 + .9 (3 + .9 * 4)) = 8.146; an empty rollout; 9 + .9 * 10
  const wanted = [8.146, 0, 18];
  wanted.forEach((value, e) => assert.ok(Math.abs(batch.discountedReturns[e] - value) < 1e-12));
  const shifted = new SampleProcessor(12, 1, { ...base, normalizeAdv: true, positiveAdv: true });
  shifted.process(batch);
  const least = Math.min(...batch.advantages.subarray(0, count));
  assert.equal(least, Math.fround(1e-8));
  assert.throws(() => new SampleProcessor(5, 1, base).process(batch), RangeError);
});

Deno.test("SampleProcessor.process() is the float64 processing of the batch", () => {
  const sizes = { rollouts: 2, maxSteps: 30, obsDim: 2, actDim: 1, rewardParts: 1 };
  const batch = createTrajectoryBatch(sizes);
  const random = new KeyedRandom(31).at(Purpose.TEST_DATA);
  random.fillNormal(batch.obs);
  random.fillNormal(batch.rewards);
  packRollouts(batch, [30, 17]);
  const options: ProcessOptions = {
    ...base,
    baseline: "LinearFeatureBaseline",
    normalizeAdv: true,
  };
  new SampleProcessor(60, 2, options).process(batch);
  const paths = [[0, 30], [30, 47]].map(([start, end]) => ({
    observations: Array.from({ length: end - start }, (_, t) => {
      return Array.from(batch.obs.subarray(2 * (start + t), 2 * (start + t) + 2));
    }),
    rewards: Array.from(batch.rewards.subarray(start, end)),
  }));
  const wanted = processPaths(paths, options).advantages;
  wanted.forEach((value, n) => assert.equal(batch.advantages[n], Math.fround(value)));
});

Deno.test("pathStatistics() counts every rollout of every task once", () => {
  const sizes = { rollouts: 2, maxSteps: 3, obsDim: 1, actDim: 1, rewardParts: 2 };
  const first = createTrajectoryBatch(sizes);
  const second = createTrajectoryBatch(sizes);
  packRollouts(first, [3, 2]);
  packRollouts(second, [0, 1]); // the first rollout broke in its first step
  first.returns.set([1, 3]);
  first.discountedReturns.set([0.5, 2]);
  first.rewardPartSums.set([1, 0, 2, 1]);
  second.returns.set([0, 8]);
  second.discountedReturns.set([0, 8]);
  second.rewardPartSums.set([0, 0, 9, -1]);
  second.nonFinite[0] = 1;
  assert.deepEqual(pathStatistics([first, second]), {
    averageReturn: 4, // (1 + 3 + 8) / 3
    averageDiscountedReturn: 3.5,
    stdReturn: Math.sqrt(26 / 3), // deviations -3, -1, 4
    maxReturn: 8,
    minReturn: 1,
    numTrajs: 3,
    numSteps: 6,
    numNonFinite: 1,
    rewardPartReturns: [4, 0],
  });
});
