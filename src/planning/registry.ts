/**
 * Planners by name. Their defaults score 10,000 sequences per control step each (MPPI: 10,001), so
 * that they can be compared.
 */
import { UserError } from "../util/errors.ts";
import { didYouMean } from "../util/nearest.ts";
import { Cem, CEM_OPTIONS } from "./cem.ts";
import { ICem, ICEM_OPTIONS } from "./icem.ts";
import { Mppi, MPPI_OPTIONS } from "./mppi.ts";
import { type OptionTable, readPlannerOptions } from "./options.ts";
import type { Planner, PlanProblem } from "./planner.ts";
import { RANDOM_SHOOTING_OPTIONS, RandomShooting } from "./random_shooting.ts";

/** Names of the planners. */
export const PLANNER_NAMES = ["random", "cem", "icem", "mppi"] as const;
/** Name of a planner. */
export type PlannerName = typeof PLANNER_NAMES[number];

/** What each planner can be told: defaults, ranges, help. */
export const PLANNER_OPTIONS: Readonly<Record<PlannerName, OptionTable>> = {
  random: RANDOM_SHOOTING_OPTIONS,
  cem: CEM_OPTIONS,
  icem: ICEM_OPTIONS,
  mppi: MPPI_OPTIONS,
};

/**
 * The planner of that name; `given`: what should differ from its defaults.
 * @throws UserError `planner-unknown` for a name that is none, `planner-option` for an option that
 * it does not have or a value out of range
 * @throws RangeError for an impossible problem: a defect of the caller
 */
export function createPlanner(
  name: string,
  problem: PlanProblem,
  given: Readonly<Record<string, unknown>> = {},
): Planner {
  switch (name as PlannerName) {
    case "random":
      return new RandomShooting(problem, readPlannerOptions(name, RANDOM_SHOOTING_OPTIONS, given));
    case "cem":
      return new Cem(problem, readPlannerOptions(name, CEM_OPTIONS, given));
    case "icem":
      return new ICem(problem, readPlannerOptions(name, ICEM_OPTIONS, given));
    case "mppi":
      return new Mppi(problem, readPlannerOptions(name, MPPI_OPTIONS, given));
  }
  throw new UserError(
    "planner-unknown",
    `Cannot plan with "${name}": no planner of that name; take one of ` +
      `${PLANNER_NAMES.join(", ")}${didYouMean(name, PLANNER_NAMES)}`,
  );
}
