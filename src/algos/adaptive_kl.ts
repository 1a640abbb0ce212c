/**
 * The weight of the inner KL penalty, by the KL that it led to (ProMP, Rothfuss et al. 2019, as
 * published: docs/algorithms.md).
 */

/** Bounds of the KL, relative to its set point, between which its weight stays. */
const KL_BAND = 1.5;
const KL_FACTOR = 2;

/** New weight of the inner KL penalty of each step, after an iteration with these KLs. */
export function adaptKlCoeff(
  klCoeff: readonly number[],
  innerKls: readonly number[],
  target: number,
): number[] {
  return klCoeff.map((coeff, k) => {
    if (innerKls[k] < target / KL_BAND) return coeff / KL_FACTOR;
    if (innerKls[k] > target * KL_BAND) return coeff * KL_FACTOR;
    return coeff;
  });
}
