/**
 * Iterations that diverged, or that left rollouts out: the column of progress.csv that tells of
 * them, and its numbers in words (docs/runs.md, "When a run diverges").
 */
import { ITERATION_COLUMN, type ProgressRow } from "../run/log.ts";

/** Column of the numbers; 0 or empty: nothing diverged. */
const EVENT_COLUMN = "Divergence";

/** By number. */
const TEXTS: Readonly<Record<number, string>> = {
  1: "numbers of the environment are not finite",
  2: "a number of an inner step is not finite",
  3: "a loss or a KL is not finite",
  4: "a gradient is not finite",
  5: "a parameter is not finite",
  6: "the inner KL is above max_inner_kl",
  7: "the outer KL is above max_outer_kl",
  8: "the return has fallen by more than max_return_drop",
};

/** Number of an iteration that was done without some rollouts. */
const CUT = 9;

/** An iteration that diverged, or that left rollouts out. */
export interface Divergence {
  readonly iteration: number;
  readonly text: string;
}

/** The iterations of these rows that diverged or left rollouts out, in order. */
export function divergences(rows: readonly ProgressRow[]): Divergence[] {
  return rows.flatMap((row) => {
    const number = row[EVENT_COLUMN];
    const iteration = row[ITERATION_COLUMN];
    if (!number || iteration === null) return [];
    const text = number === CUT
      ? "rollouts were cut: numbers of the environment are not finite"
      : `diverged: ${TEXTS[number] ?? `event ${number}`}`;
    return [{ iteration, text }];
  });
}
