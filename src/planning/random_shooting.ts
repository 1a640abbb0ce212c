/**
 * Random shooting: uniform action sequences, the best one wins. No warm start. What FAMLE
 * (Kaushik, Anne, Mouret: "Fast Online Adaptation in Robotics through Meta-Learning Embeddings of
 * Simulated Priors", IROS 2020) plans with.
 */
import { type KeyedRandom, Purpose } from "../util/prng.ts";
import type { OptionTable, OptionValues } from "./options.ts";
import type { Evaluate, Plan, Planner, PlanPosition, PlanProblem } from "./planner.ts";
import { Search } from "./search.ts";

/** Options of {@link RandomShooting}. */
export const RANDOM_SHOOTING_OPTIONS = {
  candidates: {
    default: 10_000,
    low: 1,
    high: 10_000_000,
    integer: true,
    help: "sequences scored per plan",
  },
} as const satisfies OptionTable;

/** Random shooting, see the module's header. */
export class RandomShooting implements Planner {
  readonly name = "random";
  readonly #search: Search;

  /** A planner for one problem. */
  constructor(
    problem: PlanProblem,
    private readonly options: OptionValues<typeof RANDOM_SHOOTING_OPTIONS>,
  ) {
    this.#search = new Search(problem, options.candidates);
  }

  /** {@link Planner.plan} */
  async plan(evaluate: Evaluate, random: KeyedRandom, at: PlanPosition): Promise<Plan> {
    const search = this.#search;
    search.begin();
    random.at(Purpose.PLANNER, at.iteration, at.task, 0, 0, at.step);
    random.fillUniform(search.sequences, search.low, search.high);
    await search.score(evaluate, 0, this.options.candidates);
    return search.best();
  }

  /** Nothing is remembered between plans. */
  reset(): void {}
}
