/**
 * What every planner is: a search for the action sequence with the best score, that knows nothing
 * but the bounds of the actions and a function that scores sequences. What a score is (a model's
 * predicted reward over the horizon, a simulator) is the caller's.
 *
 * Axis letters: N sequences, H planning horizon, A action, S = H * A.
 */
import type { KeyedRandom } from "../util/prng.ts";

/**
 * Scores of action sequences, larger is better. A score that is not finite loses against every
 * finite one.
 *
 * @param sequences [N, H*A] row-major, action of step h in columns h*A ..; within the bounds. The
 * planner overwrites them after the promise is settled: copy what is needed longer.
 * @param count N
 * @returns [N], which the planner has read when it calls again
 */
export type Evaluate = (
  sequences: Float32Array,
  count: number,
) => Promise<Float32Array | Float64Array>;

/** What is planned for: fixed during the life of a planner. */
export interface PlanProblem {
  /** H, steps that a sequence looks ahead */
  readonly horizon: number;
  /** [A] smallest value of every action component */
  readonly actionLow: ArrayLike<number>;
  /** [A] largest value */
  readonly actionHigh: ArrayLike<number>;
}

/** Where in a run a plan is made: coordinates of its random numbers. */
export interface PlanPosition {
  /** Episode. */
  readonly iteration: number;
  /** Situation, or which of several robots that are controlled at the same time; 0 by default. */
  readonly task?: number;
  /** Control step within the episode. */
  readonly step: number;
}

/** Outcome of one plan. */
export interface Plan {
  /** [H*A] the plan; the middle of the bounds where no sequence had a finite score */
  readonly sequence: Float32Array;
  /** [A] its first action, the one to execute */
  readonly action: Float32Array;
  /** Its score; -Infinity where no sequence had a finite one: stop the episode then. */
  readonly score: number;
  /** Sequences that were scored. */
  readonly evaluated: number;
  /** How many of them had a score that is not finite. */
  readonly nonFinite: number;
}

/** A planner, with its memory of the last plan (the warm start) and its buffers. */
export interface Planner {
  /** Name it has in `createPlanner`. */
  readonly name: string;
  /**
   * The best plan found from here on. One call at a time.
   * @param random positioned by the planner: purpose PLANNER, `at`, and its own rounds
   * @throws RangeError where `evaluate` gives another count of scores than sequences
   */
  plan(evaluate: Evaluate, random: KeyedRandom, at: PlanPosition): Promise<Plan>;
  /** Forgets the last plan. To be called at the start of an episode. */
  reset(): void;
}
