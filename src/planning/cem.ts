/**
 * Cross-entropy method: rounds of Gaussian candidates; mean and variance move towards those of the
 * best candidates, the elites (Rubinstein 1999; as in Chua et al.: "Deep Reinforcement Learning in
 * a Handful of Trials using Probabilistic Dynamics Models", NeurIPS 2018):
 *
 *     x_n      = clip(mean + std z_n, bounds)      z_n ~ N(0, 1), x_0 = mean
 *     mean     = smoothing mean + (1 - smoothing) elite mean
 *     std^2    = smoothing std^2 + (1 - smoothing) elite variance
 *
 * The next plan starts from the last mean, one step on. Differs from Chua et al. in clipping
 * where they truncate the Gaussian, and in returning the best sequence scored, not the mean.
 *
 * Axis letters: N candidates of a round, H planning horizon, A action, S = H * A, K elites.
 */
import { type KeyedRandom, Purpose } from "../util/prng.ts";
import { checkElites, ELITE_OPTIONS, type OptionTable, type OptionValues } from "./options.ts";
import type { Evaluate, Plan, Planner, PlanPosition, PlanProblem } from "./planner.ts";
import { fitElites, Gaussian } from "./gaussian.ts";
import { Search, selectElites } from "./search.ts";

/** Options of {@link Cem}: 5 rounds of 2,000 candidates. */
export const CEM_OPTIONS = {
  population: {
    default: 2000,
    low: 2,
    high: 1_000_000,
    integer: true,
    help: "sequences scored per round",
  },
  ...ELITE_OPTIONS,
} as const satisfies OptionTable;

/** The cross-entropy method, see the module's header. */
export class Cem implements Planner {
  readonly name = "cem";
  readonly #search: Search;
  readonly #gaussian: Gaussian;
  /** [K] */
  readonly #elites: Uint32Array;

  /** A planner for one problem. @throws UserError `planner-option` for more elites than candidates */
  constructor(
    problem: PlanProblem,
    private readonly options: OptionValues<typeof CEM_OPTIONS>,
  ) {
    checkElites(this.name, options.elites, options.population);
    this.#search = new Search(problem, options.population);
    this.#gaussian = new Gaussian(this.#search);
    this.#elites = new Uint32Array(options.elites);
  }

  /** {@link Planner.plan} */
  async plan(evaluate: Evaluate, random: KeyedRandom, at: PlanPosition): Promise<Plan> {
    const { population, rounds, smoothing, initialStd } = this.options;
    const search = this.#search;
    const gaussian = this.#gaussian;
    search.begin();
    gaussian.spread(initialStd);
    for (let round = 0; round < rounds; round++) {
      random.at(Purpose.PLANNER, at.iteration, at.task, round, 0, at.step);
      gaussian.putMean(0);
      gaussian.sample(random, 1, population);
      await search.score(evaluate, 0, population);
      const found = selectElites(search.scores, population, this.#elites);
      // without a finite score the distribution stays; other candidates may fare better
      if (found > 0) fitElites(gaussian, search, this.#elites.subarray(0, found), smoothing);
    }
    if (search.allLost) this.reset();
    else gaussian.shift();
    return search.best();
  }

  /** {@link Planner.reset} */
  reset(): void {
    this.#gaussian.reset();
  }
}
