/**
 * Options of planners: each is declared once, with default, range and help, in the planner's file.
 */
import { UserError } from "../util/errors.ts";
import { didYouMean } from "../util/nearest.ts";

/** One option of a planner; all are numbers. */
export interface PlannerOption {
  /** Its value where none is given. */
  readonly default: number;
  /** Smallest value allowed. */
  readonly low: number;
  /** Largest value allowed. */
  readonly high: number;
  /** Whole numbers only? */
  readonly integer: boolean;
  /** What it does, with its unit. */
  readonly help: string;
}

/** Options of one planner by name. */
export type OptionTable = Readonly<Record<string, PlannerOption>>;

/** Options of planners that fit a Gaussian to the best sequences, round by round. */
export const ELITE_OPTIONS = {
  rounds: { default: 5, low: 1, high: 255, integer: true, help: "rounds per plan" },
  elites: {
    default: 50,
    low: 1,
    high: 100_000,
    integer: true,
    help: "best sequences that the next round's distribution is fitted to",
  },
  smoothing: {
    default: 0.1,
    low: 0,
    high: 0.999,
    integer: false,
    help: "part of the old mean and variance that is kept in every round",
  },
  initialStd: {
    default: 0.5,
    low: 1e-6,
    high: 10,
    integer: false,
    help: "standard deviation of the first round, in halves of the action's range",
  },
} as const satisfies OptionTable;

/** A value for every option of a table. */
export type OptionValues<T extends OptionTable> = { readonly [K in keyof T]: number };

/**
 * Values of all options in `table`: those given, defaults for the rest.
 * @throws UserError `planner-option` for an unknown option or a value that is not allowed
 */
export function readPlannerOptions<T extends OptionTable>(
  planner: string,
  table: T,
  given: Readonly<Record<string, unknown>>,
): OptionValues<T> {
  const names = Object.keys(table);
  for (const name of Object.keys(given)) {
    if (names.includes(name)) continue;
    throw new UserError(
      "planner-option",
      `Cannot set "${name}": not an option of the planner ${planner}, it has ` +
        `${names.join(", ")}${didYouMean(name, names)}`,
    );
  }
  const values: Record<string, number> = {};
  for (const [name, row] of Object.entries(table)) {
    const value = Object.hasOwn(given, name) ? given[name] : row.default;
    if (
      typeof value !== "number" || !(value >= row.low && value <= row.high) ||
      (row.integer && !Number.isInteger(value))
    ) {
      throw new UserError(
        "planner-option",
        `Cannot set "${name}" of the planner ${planner} to ${JSON.stringify(value)}; give a ` +
          `${row.integer ? "whole " : ""}number from ${row.low} to ${row.high}`,
      );
    }
    values[name] = value;
  }
  return values as OptionValues<T>;
}

/**
 * Refuses more elites than candidates.
 * @throws UserError `planner-option`
 */
export function checkElites(planner: string, elites: number, population: number): void {
  if (elites <= population) return;
  throw new UserError(
    "planner-option",
    `Cannot keep ${elites} elites out of a population of ${population} in the planner ${planner}; ` +
      'set "elites" to at most "population"',
  );
}
