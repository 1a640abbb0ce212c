/** Means, intervals and a test for results over seeds. */

/** Two-sided 95 % points of Student's t distribution for 1 .. 30 degrees of freedom. */
const T_95 = [
  ...[12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228],
  ...[2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086],
  ...[2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042],
];
/** The same point of the normal distribution. */
const NORMAL_95 = 1.959964;

/**
 * The point for `degrees` of freedom; beyond the table by the first terms of its expansion around
 * the normal distribution's (Abramowitz, Stegun, 26.7.5), which is right to 4 digits there.
 */
function student95(degrees: number): number {
  const z = NORMAL_95;
  return T_95[degrees - 1] ??
    z + (z ** 3 + z) / (4 * degrees) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * degrees ** 2);
}

/** Arithmetic mean. NaN of nothing. */
export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  return sum / values.length;
}

/** Middle value, or mean of the two in the middle. NaN of nothing. */
export function median(values: ArrayLike<number>): number {
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** Mean and its 95 % interval (Student's t); no interval for fewer than two values. */
export function meanInterval(
  values: ArrayLike<number>,
): { readonly mean: number; readonly halfWidth: number | null } {
  const middle = mean(values);
  const degrees = values.length - 1;
  if (degrees < 1) return { mean: middle, halfWidth: null };
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += (values[i] - middle) ** 2;
  const standardError = Math.sqrt(squares / degrees / values.length);
  return { mean: middle, halfWidth: student95(degrees) * standardError };
}

/** Pairs up to which all sign patterns are tried: 2^20. */
export const MOST_PAIRS = 20;

/**
 * One-sided permutation test of paired values: the share of all 2^n sign patterns of the
 * differences whose sum is at most the one seen. Small: the first of each pair is smaller than
 * chance would make it. Exact; needs no distribution.
 *
 * @param first [n] n from 1 to 20
 * @param second [n]
 */
export function pairedTestLess(first: ArrayLike<number>, second: ArrayLike<number>): number {
  const count = first.length;
  if (count !== second.length || count < 1 || count > MOST_PAIRS) {
    throw new RangeError(
      `Cannot compare ${count} with ${second.length} values; wanted the same number, 1 to ` +
        `${MOST_PAIRS}`,
    );
  }
  const sizes = Float64Array.from({ length: count }, (_, i) => Math.abs(first[i] - second[i]));
  let seen = 0;
  for (let i = 0; i < count; i++) seen += first[i] - second[i];
  // sums of the same numbers in other orders may differ in the last digits
  const limit = seen + 1e-9 * (1 + Math.abs(seen));
  let atMost = 0;
  for (let pattern = 0; pattern < 2 ** count; pattern++) {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += (pattern >> i) & 1 ? sizes[i] : -sizes[i];
    if (sum <= limit) atMost++;
  }
  return atMost / 2 ** count;
}
