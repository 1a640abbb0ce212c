/**
 * From rewards to advantages, one task and round at a time (Rothfuss et al., "ProMP: Proximal
 * Meta-Policy Search", 2019, sample processing): returns, baseline, GAE, normalisation over all
 * rollouts of the task. Float64 inside; the batch gets float32.
 *
 * Axis letters: E rollouts, N samples, O observation.
 */
import { discountedReturns, generalizedAdvantages, normalize, shiftPositive } from "./advantage.ts";
import { type Baseline, type BaselineName, createBaseline, type Samples } from "./baseline.ts";
import { nonFiniteCount, sampleCount, type TrajectoryBatch } from "./trajectory_batch.ts";

/** How advantages are made. */
export interface ProcessOptions {
  /** Per step, 0 to 1. */
  readonly discount: number;
  /** Lambda of the GAE, 0 to 1. */
  readonly gaeLambda: number;
  /** Predictor of the return. */
  readonly baseline: BaselineName;
  /** Zero mean, unit standard deviation per task. */
  readonly normalizeAdv: boolean;
  /** Shifted (after the normalisation) so that the least one is 1e-8. */
  readonly positiveAdv: boolean;
  /** Regularisation of the linear baseline, 1e-5 where not given. */
  readonly regCoeff?: number;
}

/** Processes batches of up to `capacity` samples; made once per worker. */
export class SampleProcessor {
  readonly #options: ProcessOptions;
  readonly #baseline: Baseline;
  /** [capacity] each, of the batch processed last */
  readonly returns: Float64Array;
  /** [capacity] predicted returns */
  readonly baselines: Float64Array;
  /** [capacity] as the options have them */
  readonly advantages: Float64Array;

  /** A processor of batches with at most `capacity` samples. */
  constructor(capacity: number, obsDim: number, options: ProcessOptions) {
    this.#options = options;
    this.#baseline = createBaseline(options.baseline, obsDim, options.regCoeff);
    this.returns = new Float64Array(capacity);
    this.baselines = new Float64Array(capacity);
    this.advantages = new Float64Array(capacity);
  }

  /**
   * Writes `advantages` and `discountedReturns` of the batch.
   * @throws RunError `baseline-singular`.
   */
  process(batch: TrajectoryBatch): void {
    const { rollouts, obsDim } = batch.sizes;
    const { obs, rewards, offsets } = batch;
    this.processSamples({ obs, rewards, offsets, rollouts, obsDim });
    for (let e = 0; e < rollouts; e++) {
      const first = offsets[e];
      batch.discountedReturns[e] = first < offsets[e + 1] ? this.returns[first] : 0;
    }
    const count = sampleCount(batch);
    for (let n = 0; n < count; n++) batch.advantages[n] = this.advantages[n];
  }

  /** Fills `returns`, `baselines` and `advantages` [N] of this object. */
  processSamples(samples: Samples): void {
    const { rewards, offsets, rollouts } = samples;
    const { discount, gaeLambda, normalizeAdv, positiveAdv } = this.#options;
    const { returns, baselines, advantages } = this;
    const count = offsets[rollouts];
    if (count > returns.length) {
      throw new RangeError(`Cannot process ${count} samples: made for ${returns.length}`);
    }
    discountedReturns(rewards, offsets, rollouts, discount, returns);
    this.#baseline.fitPredict(samples, returns, baselines);
    generalizedAdvantages(rewards, baselines, offsets, rollouts, discount, gaeLambda, advantages);
    if (normalizeAdv) normalize(advantages, count);
    if (positiveAdv) shiftPositive(advantages, count);
  }
}

/** One rollout as nested lists (golden files). */
export interface Path {
  /** [T][O] */
  readonly observations: readonly (readonly number[])[];
  /** [T] */
  readonly rewards: readonly number[];
}

/** Result of {@link processPaths}; samples of all paths concatenated. */
export interface ProcessedPaths {
  /** [N] */
  readonly returns: Float64Array;
  /** [N] */
  readonly baselines: Float64Array;
  /** [N] */
  readonly advantages: Float64Array;
  /** Mean undiscounted return of a path. */
  readonly averageReturn: number;
  /** Mean discounted return. */
  readonly averageDiscountedReturn: number;
}

/** The processing of one task in float64 from end to end; lengths of the paths may differ. */
export function processPaths(paths: readonly Path[], options: ProcessOptions): ProcessedPaths {
  const obsDim = paths[0].observations[0].length;
  const rewards = Float64Array.from(paths.flatMap((path) => path.rewards));
  const obs = Float64Array.from(paths.flatMap((path) => path.observations.flat()));
  const offsets = [0];
  for (const path of paths) offsets.push(offsets[offsets.length - 1] + path.rewards.length);
  const processor = new SampleProcessor(rewards.length, obsDim, options);
  processor.processSamples({ obs, rewards, offsets, rollouts: paths.length, obsDim });
  const { returns, baselines, advantages } = processor;
  const sum = (values: Iterable<number>) => {
    let total = 0;
    for (const value of values) total += value;
    return total;
  };
  return {
    returns,
    baselines,
    advantages,
    averageReturn: sum(rewards) / paths.length,
    averageDiscountedReturn: sum(paths.map((_, p) => returns[offsets[p]])) / paths.length,
  };
}

/** Figures of the rollouts of one round, all tasks together. */
export interface PathStatistics {
  /** Mean undiscounted return. */
  readonly averageReturn: number;
  /** Mean discounted return. */
  readonly averageDiscountedReturn: number;
  /** Population standard deviation of the undiscounted return. */
  readonly stdReturn: number;
  /** Largest undiscounted return. */
  readonly maxReturn: number;
  /** Smallest undiscounted return. */
  readonly minReturn: number;
  /** Rollouts counted: those with at least one step. */
  readonly numTrajs: number;
  /** Steps of all of them. */
  readonly numSteps: number;
  /** Rollouts cut because the simulator gave a number that is not finite. */
  readonly numNonFinite: number;
  /** [R] mean undiscounted sum of each reward part */
  readonly rewardPartReturns: readonly number[];
}

/** Statistics of processed batches, one per task. */
export function pathStatistics(batches: readonly TrajectoryBatch[]): PathStatistics {
  const parts = batches[0].sizes.rewardParts;
  const partSums = new Array<number>(parts).fill(0);
  let numTrajs = 0;
  let numSteps = 0;
  let numNonFinite = 0;
  let sum = 0;
  let discountedSum = 0;
  let maxReturn = -Infinity;
  let minReturn = Infinity;
  const eachRollout = (visit: (batch: TrajectoryBatch, e: number) => void) => {
    for (const batch of batches) {
      for (let e = 0; e < batch.sizes.rollouts; e++) {
        if (batch.offsets[e + 1] > batch.offsets[e]) visit(batch, e);
      }
    }
  };
  for (const batch of batches) {
    numSteps += sampleCount(batch);
    numNonFinite += nonFiniteCount(batch);
  }
  eachRollout((batch, e) => {
    numTrajs++;
    sum += batch.returns[e];
    discountedSum += batch.discountedReturns[e];
    maxReturn = Math.max(maxReturn, batch.returns[e]);
    minReturn = Math.min(minReturn, batch.returns[e]);
    for (let r = 0; r < parts; r++) partSums[r] += batch.rewardPartSums[e * parts + r];
  });
  const averageReturn = sum / numTrajs;
  let squares = 0;
  eachRollout((batch, e) => squares += (batch.returns[e] - averageReturn) ** 2);
  return {
    averageReturn,
    averageDiscountedReturn: discountedSum / numTrajs,
    stdReturn: Math.sqrt(squares / numTrajs),
    maxReturn,
    minReturn,
    numTrajs,
    numSteps,
    numNonFinite,
    rewardPartReturns: partSums.map((partSum) => partSum / numTrajs),
  };
}
