/**
 * Gaussian noise over H steps whose power falls with frequency f as 1 / f^colour: 0 is white, 1
 * pink, 2 red (Brownian). Timmer and Koenig: "On generating power law noise", 1995. The frequency 0
 * gets the power of the lowest other one.
 *
 * As H is small, the inverse Fourier transform is a matrix [H, H] made once: noise = C z with white
 * z. Its rows have length 1, so that every step has variance 1 (Timmer and Koenig leave the mean
 * out of the normalisation).
 *
 * Axis letters: H step, A action component.
 */
import { cos, exp, log, sin } from "../util/math.ts";

const TWO_PI = 6.283185307179586;

/** C [H, H], row-major. */
export function coloringMatrix(horizon: number, colour: number): Float64Array {
  const matrix = new Float64Array(horizon * horizon);
  // column 0: the mean; 2k-1, 2k: cosine and sine of frequency k; the last one where H is even:
  // the alternating sign, whose weight is half as the sine of that frequency is 0
  for (let column = 0; column < horizon; column++) {
    const k = (column + 1) >> 1;
    const isSine = column > 0 && column % 2 === 0;
    const alone = column === 0 || 2 * k === horizon;
    const amplitude = exp(-0.5 * colour * log(Math.max(k, 1))) * (alone ? Math.SQRT1_2 : 1);
    for (let h = 0; h < horizon; h++) {
      const angle = TWO_PI * ((k * h) % horizon) / horizon;
      matrix[h * horizon + column] = amplitude * (isSine ? sin(angle) : cos(angle));
    }
  }
  for (let h = 0; h < horizon; h++) {
    const row = matrix.subarray(h * horizon, (h + 1) * horizon);
    const norm = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
    for (let column = 0; column < horizon; column++) row[column] /= norm;
  }
  return matrix;
}

/**
 * Turns white noise into coloured noise along the steps, every action component by itself.
 * @param noise [N, H, A] white, overwritten
 * @param matrix [H, H] from {@link coloringMatrix}
 * @param scratch [H]
 */
export function colorNoise(
  noise: Float32Array,
  matrix: Float64Array,
  actDim: number,
  scratch: Float64Array,
): void {
  const horizon = scratch.length;
  for (let start = 0; start < noise.length; start += horizon * actDim) {
    for (let a = 0; a < actDim; a++) {
      for (let h = 0; h < horizon; h++) scratch[h] = noise[start + h * actDim + a];
      for (let h = 0; h < horizon; h++) {
        let sum = 0;
        for (let k = 0; k < horizon; k++) sum += matrix[h * horizon + k] * scratch[k];
        noise[start + h * actDim + a] = sum;
      }
    }
  }
}
