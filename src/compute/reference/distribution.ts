/**
 * Diagonal Gaussian, one sample at a time, float64. Formulas: README of the golden data,
 * "Diagonal Gaussian"; the 1e-8 in the KL is the original's (ProMP, `diagonal_gaussian.py`).
 *
 * Arrays are read from an offset on, A numbers each: x action, m mean, s log standard deviation.
 */

/** A part of an array: A numbers from `at` on. */
export interface Row {
  readonly data: ArrayLike<number>;
  readonly at: number;
}

/** log p(x; m, s) in nats. */
export function logLikelihood(x: Row, m: Row, s: Row, actDim: number): number {
  let sum = -0.5 * actDim * Math.log(2 * Math.PI);
  for (let a = 0; a < actDim; a++) {
    const logStd = s.data[s.at + a];
    const z = (x.data[x.at + a] - m.data[m.at + a]) / Math.exp(logStd);
    sum -= logStd + 0.5 * z * z;
  }
  return sum;
}

/** KL(old || new) in nats. */
export function klDivergence(
  oldMean: Row,
  oldLogStd: Row,
  newMean: Row,
  newLogStd: Row,
  actDim: number,
): number {
  let sum = 0;
  for (let a = 0; a < actDim; a++) {
    const so = oldLogStd.data[oldLogStd.at + a];
    const sn = newLogStd.data[newLogStd.at + a];
    const difference = oldMean.data[oldMean.at + a] - newMean.data[newMean.at + a];
    const newVariance = Math.exp(2 * sn);
    sum += (difference * difference + Math.exp(2 * so) - newVariance) / (2 * newVariance + 1e-8) +
      sn - so;
  }
  return sum;
}

/** Entropy in nats. */
export function entropy(s: Row, actDim: number): number {
  let sum = 0;
  for (let a = 0; a < actDim; a++) sum += s.data[s.at + a] + 0.5 * Math.log(2 * Math.PI * Math.E);
  return sum;
}
