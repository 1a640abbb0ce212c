/**
 * The part that all planners share: buffers of candidates and scores, the best candidate so far,
 * and the bookkeeping of scores that are not finite.
 *
 * Axis letters: N candidates, H planning horizon, A action, S = H * A.
 */
import type { Evaluate, Plan, PlanProblem } from "./planner.ts";

/** Candidates of one planner and the best of a plan under way. */
export class Search {
  /** S */
  readonly length: number;
  /** A */
  readonly actDim: number;
  /** [S] bounds of a sequence */
  readonly low: Float32Array;
  /** [S] */
  readonly high: Float32Array;
  /** [S] middle of the bounds */
  readonly centre: Float32Array;
  /** [S] half of the distance between the bounds */
  readonly halfRange: Float32Array;
  /** [N, S] candidates, filled by the planner */
  readonly sequences: Float32Array;
  /** [N] their scores, -Infinity where not finite */
  readonly scores: Float64Array;
  readonly #best: Float32Array;
  #bestScore = -Infinity;
  #evaluated = 0;
  #nonFinite = 0;

  /**
   * Buffers for N candidates.
   * @throws RangeError for an impossible problem: a defect of the caller
   */
  constructor(problem: PlanProblem, candidates: number) {
    const { horizon, actionLow, actionHigh } = problem;
    const actDim = actionLow.length;
    if (!Number.isInteger(horizon) || horizon < 1) {
      throw new RangeError(`Cannot plan over ${horizon} steps; give a whole number from 1 on`);
    }
    if (actDim === 0 || actionHigh.length !== actDim) {
      throw new RangeError(
        `Cannot plan with ${actDim} lower and ${actionHigh.length} upper bounds; give one of each ` +
          "for every action component",
      );
    }
    for (let a = 0; a < actDim; a++) {
      if (!(actionLow[a] < actionHigh[a]) || !Number.isFinite(actionHigh[a] - actionLow[a])) {
        throw new RangeError(
          `Cannot plan action component ${a} between ${actionLow[a]} and ${actionHigh[a]}; give ` +
            "finite bounds, the lower one first",
        );
      }
    }
    this.actDim = actDim;
    this.length = horizon * actDim;
    this.low = Float32Array.from({ length: this.length }, (_, i) => actionLow[i % actDim]);
    this.high = Float32Array.from({ length: this.length }, (_, i) => actionHigh[i % actDim]);
    this.centre = this.low.map((low, i) => (low + this.high[i]) / 2);
    this.halfRange = this.low.map((low, i) => (this.high[i] - low) / 2);
    this.sequences = new Float32Array(candidates * this.length);
    this.scores = new Float64Array(candidates);
    this.#best = new Float32Array(this.length);
  }

  /** Starts a plan. */
  begin(): void {
    this.#best.set(this.centre);
    this.#bestScore = -Infinity;
    this.#evaluated = 0;
    this.#nonFinite = 0;
  }

  /**
   * Scores candidates `from` .. `to` - 1 into `scores`; the first maximum becomes the best unless
   * an earlier one is as good.
   */
  async score(evaluate: Evaluate, from: number, to: number): Promise<void> {
    const count = to - from;
    const found = await evaluate(
      this.sequences.subarray(from * this.length, to * this.length),
      count,
    );
    if (found.length !== count) {
      throw new RangeError(
        `Cannot plan: evaluate() gave ${found.length} scores for ${count} sequences`,
      );
    }
    let best = -1;
    for (let n = 0; n < count; n++) {
      const score = found[n];
      if (Number.isFinite(score)) {
        this.scores[from + n] = score;
        if (score > this.#bestScore) {
          this.#bestScore = score;
          best = from + n;
        }
      } else {
        this.scores[from + n] = -Infinity;
        this.#nonFinite++;
      }
    }
    this.#evaluated += count;
    if (best >= 0) {
      this.#best.set(this.sequences.subarray(best * this.length, (best + 1) * this.length));
    }
  }

  /** Has no finite score been seen in this plan? */
  get allLost(): boolean {
    return this.#bestScore === -Infinity;
  }

  /** The plan with the best sequence seen. */
  best(): Plan {
    return this.#plan(this.#best, this.#bestScore);
  }

  /** The plan with candidate `n`, already scored, or the best where that score is not finite. */
  candidate(n: number): Plan {
    if (this.scores[n] === -Infinity) return this.best();
    const row = this.sequences.subarray(n * this.length, (n + 1) * this.length);
    return this.#plan(row, this.scores[n]);
  }

  #plan(sequence: Float32Array, score: number): Plan {
    return {
      sequence: sequence.slice(),
      action: sequence.slice(0, this.actDim),
      score,
      evaluated: this.#evaluated,
      nonFinite: this.#nonFinite,
    };
  }
}

/**
 * Indices of the largest of the first `count` scores, best first, equal ones in their order.
 * -Infinity is never taken.
 *
 * @param out [K] overwritten at the front
 * @returns how many were found, at most K
 */
export function selectElites(scores: Float64Array, count: number, out: Uint32Array): number {
  let found = 0;
  for (let n = 0; n < count; n++) {
    const score = scores[n];
    if (score === -Infinity || (found === out.length && score <= scores[out[found - 1]])) continue;
    let place = found < out.length ? found++ : found - 1;
    for (; place > 0 && scores[out[place - 1]] < score; place--) out[place] = out[place - 1];
    out[place] = n;
  }
  return found;
}

/**
 * Moves a sequence one step on: step h gets what step h + 1 had, the last one keeps its own.
 * @param sequence [S] overwritten
 */
export function shiftSequence(sequence: Float32Array | Float64Array, actDim: number): void {
  sequence.copyWithin(0, actDim);
}
