/**
 * The Gaussian over action sequences that CEM, iCEM and MPPI sample from and move: independent in
 * every step and action component (iCEM's noise is correlated over steps, `colored_noise.ts`).
 *
 * Axis letters: N candidates, H planning horizon, A action, S = H * A, K elites.
 */
import type { KeyedRandom } from "../util/prng.ts";
import { type Search, shiftSequence } from "./search.ts";

/** Mean and standard deviation of every entry of a sequence. */
export class Gaussian {
  /** [S] */
  readonly mean: Float64Array;
  /** [S] */
  readonly std: Float64Array;
  readonly #search: Search;

  /** A distribution for the candidates of `search`, its mean in the middle of the bounds. */
  constructor(search: Search) {
    this.#search = search;
    this.mean = Float64Array.from(search.centre);
    this.std = new Float64Array(search.length);
  }

  /** Puts the mean back into the middle of the bounds. */
  reset(): void {
    this.mean.set(this.#search.centre);
  }

  /** Moves the mean one control step on. */
  shift(): void {
    shiftSequence(this.mean, this.#search.actDim);
  }

  /** Sets the standard deviation to `factor` halves of the bounds' range. */
  spread(factor: number): void {
    for (let i = 0; i < this.std.length; i++) this.std[i] = factor * this.#search.halfRange[i];
  }

  /** Makes the mean candidate `n`. */
  putMean(n: number): void {
    this.#search.sequences.set(this.mean, n * this.mean.length);
  }

  /** Draws candidates `from` .. `to` - 1. */
  sample(random: KeyedRandom, from: number, to: number): void {
    const length = this.mean.length;
    random.fillNormalByQuantile(this.#search.sequences.subarray(from * length, to * length));
    this.scale(from, to);
  }

  /** Candidates `from` .. `to` - 1, which hold noise z, become clip(mean + std z, bounds). */
  scale(from: number, to: number): void {
    const { sequences, low, high, length } = this.#search;
    for (let n = from, o = from * length; n < to; n++) {
      for (let i = 0; i < length; i++, o++) {
        const value = this.mean[i] + this.std[i] * sequences[o];
        sequences[o] = value < low[i] ? low[i] : value > high[i] ? high[i] : value;
      }
    }
  }
}

/**
 * Moves mean and variance towards those of the elites; `smoothing` of the old ones is kept.
 * @param elites [K] candidates of `search`, at least one
 */
export function fitElites(
  gaussian: Gaussian,
  search: Search,
  elites: Uint32Array,
  smoothing: number,
): void {
  const { mean, std } = gaussian;
  const { sequences, length } = search;
  for (let i = 0; i < length; i++) {
    let sum = 0;
    for (let k = 0; k < elites.length; k++) sum += sequences[elites[k] * length + i];
    const eliteMean = sum / elites.length;
    let squares = 0;
    for (let k = 0; k < elites.length; k++) {
      const deviation = sequences[elites[k] * length + i] - eliteMean;
      squares += deviation * deviation;
    }
    const variance = squares / elites.length;
    mean[i] = smoothing * mean[i] + (1 - smoothing) * eliteMean;
    std[i] = Math.sqrt(smoothing * std[i] * std[i] + (1 - smoothing) * variance);
  }
}
