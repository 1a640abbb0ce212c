/**
 * Bootstrap intervals of a mean (Efron, Tibshirani, "An Introduction to the Bootstrap", 1993,
 * chapter 13: the percentile interval): the values are drawn again with replacement, many times,
 * and the middle 95 % of the means are the interval.
 */
import { KeyedRandom, Purpose } from "./prng.ts";
import { mean } from "./statistics.ts";

/** How often the values are drawn anew. */
const RESAMPLES = 4000;
/** The interval leaves so much of the means out at either end. */
const TAIL = 0.025;

/** A mean and its 95 % interval. */
export interface MeanInterval {
  /** Arithmetic mean. */
  readonly mean: number;
  /** Lower end; the mean itself for a single value. */
  readonly low: number;
  /** Upper end. */
  readonly high: number;
}

/**
 * Mean of the values with its 95 % percentile bootstrap interval. The same values give the same
 * interval.
 *
 * @param values [n], n >= 1
 */
export function bootstrapMean(values: ArrayLike<number>): MeanInterval {
  const count = values.length;
  if (count === 0) throw new RangeError("Cannot take the mean of no values");
  const random = new KeyedRandom(0);
  const means = new Float64Array(RESAMPLES);
  for (let draw = 0; draw < RESAMPLES; draw++) {
    random.at(Purpose.BOOTSTRAP, draw);
    let sum = 0;
    for (let i = 0; i < count; i++) sum += values[random.integer(count)];
    means[draw] = sum / count;
  }
  means.sort();
  const cut = Math.floor(TAIL * RESAMPLES);
  return { mean: mean(values), low: means[cut], high: means[RESAMPLES - 1 - cut] };
}
