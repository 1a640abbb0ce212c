/**
 * Predictors of the return that are fitted to the very rollouts they are used on. One task at a
 * time, float64.
 *
 * Axis letters: E rollouts, N samples of one task, O observation, F = 2 O + 4 features.
 */
import { RunError } from "../util/errors.ts";

/** Names that a config may use. */
export type BaselineName = "LinearFeatureBaseline" | "ZeroBaseline";

/** Flat arrays over the samples of one task, rollouts behind each other. */
export interface Samples {
  /** [N, O] */
  readonly obs: Float32Array | Float64Array;
  /** [N] */
  readonly rewards: Float32Array | Float64Array;
  /** [E+1] first sample of each rollout, then N */
  readonly offsets: ArrayLike<number>;
  /** E */
  readonly rollouts: number;
  /** O */
  readonly obsDim: number;
}

/** Fits and predicts in one go. */
export interface Baseline {
  /**
   * Fits to the samples and predicts them.
   *
   * @param returns [N] what to fit
   * @param out [N] prediction, overwritten
   */
  fitPredict(samples: Samples, returns: Float64Array, out: Float64Array): void;
}

/** Predicts 0. */
export class ZeroBaseline implements Baseline {
  /** out = 0 [N] */
  fitPredict(samples: Samples, _returns: Float64Array, out: Float64Array): void {
    out.fill(0, 0, samples.offsets[samples.rollouts]);
  }
}

/** Observations are clipped to this size. */
const OBS_LIMIT = 10;
/** Time step is measured in hundreds. */
const TIME_SCALE = 100;
/** Solving is tried with the regularisation times 1, 10, ..., 10^4. */
const SOLVE_TRIES = 5;
/** Rows whose products are summed before they are added to the normal matrix. */
const ROW_BLOCK = 4;

/**
 * Linear regression of the return on features of observation and time (Duan et al.,
 * "Benchmarking Deep Reinforcement Learning for Continuous Control", 2016):
 *
 *     o = clip(obs, -10, 10), features = [o, o^2, t/100, (t/100)^2, (t/100)^3, 1]
 *     coefficients = (F'F + r I)^-1 F' returns
 *
 * with t counted from 0 in every rollout; the constant is penalised like the rest. Solved by a
 * Cholesky factorisation; where that breaks down, with ten times the regularisation.
 */
export class LinearFeatureBaseline implements Baseline {
  /** [F] of the last fit */
  readonly coefficients: Float64Array;
  readonly #obsDim: number;
  readonly #regCoeff: number;
  /** [ROW_BLOCK, F] */
  readonly #rows: Float64Array;
  /** [F, F] upper triangle of F'F */
  readonly #normal: Float64Array;
  /** [F] F' returns */
  readonly #right: Float64Array;
  /** [F, F] lower triangle */
  readonly #factor: Float64Array;

  /** Baseline with r = `regCoeff`. */
  constructor(obsDim: number, regCoeff = 1e-5) {
    const size = featureCount(obsDim);
    this.#obsDim = obsDim;
    this.#regCoeff = regCoeff;
    this.coefficients = new Float64Array(size);
    this.#rows = new Float64Array(ROW_BLOCK * size);
    this.#normal = new Float64Array(size * size);
    this.#right = new Float64Array(size);
    this.#factor = new Float64Array(size * size);
  }

  /**
   * Solves and predicts. @throws RunError `baseline-singular` where the equations can't be solved.
   */
  fitPredict(samples: Samples, returns: Float64Array, out: Float64Array): void {
    if (samples.obsDim !== this.#obsDim) {
      throw new RangeError(
        `Cannot fit: observations have ${samples.obsDim} numbers, baseline takes ${this.#obsDim}`,
      );
    }
    this.#accumulate(samples, returns);
    this.#solve();
    this.#predict(samples, out);
  }

  /** F'F and F' returns. */
  #accumulate(samples: Samples, returns: Float64Array): void {
    const size = this.coefficients.length;
    const rows = this.#rows;
    const normal = this.#normal;
    const right = this.#right;
    normal.fill(0);
    right.fill(0);
    for (let e = 0; e < samples.rollouts; e++) {
      const start = samples.offsets[e];
      const end = samples.offsets[e + 1];
      for (let n = start; n < end; n += ROW_BLOCK) {
        for (let b = 0; b < ROW_BLOCK; b++) {
          if (n + b < end) writeFeatures(samples, n + b, n + b - start, rows, b * size);
          else rows.fill(0, b * size, (b + 1) * size);
        }
        const y0 = returns[n];
        const y1 = n + 1 < end ? returns[n + 1] : 0;
        const y2 = n + 2 < end ? returns[n + 2] : 0;
        const y3 = n + 3 < end ? returns[n + 3] : 0;
        for (let i = 0; i < size; i++) {
          const f0 = rows[i];
          const f1 = rows[size + i];
          const f2 = rows[2 * size + i];
          const f3 = rows[3 * size + i];
          right[i] += f0 * y0 + f1 * y1 + f2 * y2 + f3 * y3;
          for (let j = i; j < size; j++) {
            normal[i * size + j] += f0 * rows[j] + f1 * rows[size + j] +
              f2 * rows[2 * size + j] + f3 * rows[3 * size + j];
          }
        }
      }
    }
  }

  #solve(): void {
    let reg = this.#regCoeff;
    for (let tries = 0; tries < SOLVE_TRIES; tries++, reg *= 10) {
      if (
        factorise(this.#normal, reg, this.#factor, this.#right.length) &&
        substitute(this.#factor, this.#right, this.coefficients)
      ) return;
    }
    throw new RunError(
      "baseline-singular",
      `Cannot fit the linear baseline: no solution with a regularisation up to ${reg / 10}; ` +
        "observations or rewards are too large or not finite, use ZeroBaseline or rescale them",
    );
  }

  /** out = F coefficients */
  #predict(samples: Samples, out: Float64Array): void {
    const { coefficients } = this;
    const features = this.#rows;
    for (let e = 0; e < samples.rollouts; e++) {
      const start = samples.offsets[e];
      for (let n = start; n < samples.offsets[e + 1]; n++) {
        writeFeatures(samples, n, n - start, features, 0);
        let sum = 0;
        for (let i = 0; i < coefficients.length; i++) sum += features[i] * coefficients[i];
        out[n] = sum;
      }
    }
  }
}

/** F */
function featureCount(obsDim: number): number {
  return 2 * obsDim + 4;
}

/** Features of sample n, step t of its rollout, to out[offset ..]. */
function writeFeatures(
  samples: Samples,
  n: number,
  t: number,
  out: Float64Array,
  offset: number,
): void {
  const { obs, obsDim } = samples;
  for (let i = 0; i < obsDim; i++) {
    const o = Math.min(Math.max(obs[n * obsDim + i], -OBS_LIMIT), OBS_LIMIT);
    out[offset + i] = o;
    out[offset + obsDim + i] = o * o;
  }
  const time = t / TIME_SCALE;
  const last = offset + 2 * obsDim;
  out[last] = time;
  out[last + 1] = time * time;
  out[last + 2] = time * time * time;
  out[last + 3] = 1;
}

/**
 * L L' = upper triangle of `matrix` [n, n] + reg I.
 * @param factor [n, n], lower triangle overwritten
 * @returns whether it exists
 */
function factorise(matrix: Float64Array, reg: number, factor: Float64Array, n: number): boolean {
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[j * n + i] + (i === j ? reg : 0);
      for (let k = 0; k < j; k++) sum -= factor[i * n + k] * factor[j * n + k];
      if (i !== j) {
        factor[i * n + j] = sum / factor[j * n + j];
      } else {
        if (!(sum > 0 && sum < Infinity)) return false;
        factor[i * n + i] = Math.sqrt(sum);
      }
    }
  }
  return true;
}

/** Solves L L' x = b; returns whether x is finite. */
function substitute(factor: Float64Array, b: Float64Array, x: Float64Array): boolean {
  const n = b.length;
  for (let i = 0; i < n; i++) {
    let sum = b[i];
    for (let k = 0; k < i; k++) sum -= factor[i * n + k] * x[k];
    x[i] = sum / factor[i * n + i];
  }
  let finite = true;
  for (let i = n - 1; i >= 0; i--) {
    let sum = x[i];
    for (let k = i + 1; k < n; k++) sum -= factor[k * n + i] * x[k];
    x[i] = sum / factor[i * n + i];
    finite &&= Number.isFinite(x[i]);
  }
  return finite;
}

/** The baseline of a config. */
export function createBaseline(name: BaselineName, obsDim: number, regCoeff?: number): Baseline {
  switch (name) {
    case "LinearFeatureBaseline":
      return new LinearFeatureBaseline(obsDim, regCoeff);
    case "ZeroBaseline":
      return new ZeroBaseline();
  }
}
