/**
 * Returns and advantages of the rollouts of one task, float64. Nothing counts after the end of a
 * rollout, whether it terminated or was cut for its length (as in ProMP's sample processing).
 *
 * Axis letters: E rollouts, N samples; rollout e is samples offsets[e] .. offsets[e+1].
 */

/**
 * out[t] = rewards[t] + discount * out[t+1]
 * @param rewards [N]
 * @param offsets [E+1]
 * @param out [N], overwritten
 */
export function discountedReturns(
  rewards: Float32Array | Float64Array,
  offsets: ArrayLike<number>,
  rollouts: number,
  discount: number,
  out: Float64Array,
): void {
  for (let e = 0; e < rollouts; e++) {
    let sum = 0;
    for (let n = offsets[e + 1] - 1; n >= offsets[e]; n--) {
      sum = rewards[n] + discount * sum;
      out[n] = sum;
    }
  }
}

/**
 * Generalised advantage estimate (Schulman et al., "High-Dimensional Continuous Control Using
 * Generalized Advantage Estimation", 2016, eq. 16):
 *
 *     delta[t] = rewards[t] + discount * baseline[t+1] - baseline[t],  baseline = 0 after the end
 *     out[t] = delta[t] + discount * gaeLambda * out[t+1]
 *
 * @param rewards [N]
 * @param baseline [N]
 * @param offsets [E+1]
 * @param out [N], overwritten
 */
export function generalizedAdvantages(
  rewards: Float32Array | Float64Array,
  baseline: Float64Array,
  offsets: ArrayLike<number>,
  rollouts: number,
  discount: number,
  gaeLambda: number,
  out: Float64Array,
): void {
  for (let e = 0; e < rollouts; e++) {
    let next = 0;
    let advantage = 0;
    for (let n = offsets[e + 1] - 1; n >= offsets[e]; n--) {
      const delta = rewards[n] + discount * next - baseline[n];
      advantage = delta + discount * gaeLambda * advantage;
      out[n] = advantage;
      next = baseline[n];
    }
  }
}

/** Keeps divisions by the standard deviation, and shifted advantages, away from 0. */
const EPSILON = 1e-8;

/** (x - mean) / (std + 1e-8) in place over the first `count` values; population std. */
export function normalize(values: Float64Array, count: number): void {
  let sum = 0;
  for (let n = 0; n < count; n++) sum += values[n];
  const mean = sum / count;
  let squares = 0;
  for (let n = 0; n < count; n++) squares += (values[n] - mean) * (values[n] - mean);
  const scale = Math.sqrt(squares / count) + EPSILON;
  for (let n = 0; n < count; n++) values[n] = (values[n] - mean) / scale;
}

/** x - min + 1e-8 in place over the first `count` values. */
export function shiftPositive(values: Float64Array, count: number): void {
  let least = Infinity;
  for (let n = 0; n < count; n++) least = Math.min(least, values[n]);
  for (let n = 0; n < count; n++) values[n] = values[n] - least + EPSILON;
}
