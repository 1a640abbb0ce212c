/**
 * Model-predictive path integral control (Williams et al.: "Information Theoretic MPC for
 * Model-Based Reinforcement Learning", ICRA 2017): the plan is the mean of noisy candidates,
 * weighted by the exponential of their scores:
 *
 *     x_n  = clip(mean + std z_n, bounds)                    z_n ~ N(0, 1), x_0 = mean
 *     w_n  = exp((score_n - best score) / (lambda spread))   spread: std of the round's scores
 *     mean = sum_n w_n x_n / sum_n w_n
 *
 * repeated for some rounds; the next plan starts from the mean, one step on. Differs from the
 * paper: lambda counts in standard deviations of the scores, so that it fits rewards of any size;
 * there is no cost on the actions besides the score; several rounds instead of one.
 *
 * Axis letters: N candidates of a round, H planning horizon, A action, S = H * A.
 */
import { exp } from "../util/math.ts";
import { type KeyedRandom, Purpose } from "../util/prng.ts";
import { Gaussian } from "./gaussian.ts";
import type { OptionTable, OptionValues } from "./options.ts";
import type { Evaluate, Plan, Planner, PlanPosition, PlanProblem } from "./planner.ts";
import { Search } from "./search.ts";

/** Options of {@link Mppi}: 5 rounds of 2,000 candidates, and one to score the plan. */
export const MPPI_OPTIONS = {
  population: {
    default: 2000,
    low: 2,
    high: 1_000_000,
    integer: true,
    help: "sequences scored per round",
  },
  rounds: { default: 5, low: 1, high: 255, integer: true, help: "rounds per plan" },
  lambda: {
    default: 0.3,
    low: 1e-6,
    high: 1e6,
    integer: false,
    help: "temperature of the weights, in standard deviations of a round's scores",
  },
  std: {
    default: 0.3,
    low: 1e-6,
    high: 10,
    integer: false,
    help: "standard deviation of the noise, in halves of the action's range",
  },
} as const satisfies OptionTable;

/** Path integral control, see the module's header. */
export class Mppi implements Planner {
  readonly name = "mppi";
  readonly #search: Search;
  readonly #gaussian: Gaussian;
  /** [S] weighted sum of candidates */
  readonly #sum: Float64Array;

  /** A planner for one problem. */
  constructor(
    problem: PlanProblem,
    private readonly options: OptionValues<typeof MPPI_OPTIONS>,
  ) {
    this.#search = new Search(problem, options.population);
    this.#gaussian = new Gaussian(this.#search);
    this.#gaussian.spread(options.std);
    this.#sum = new Float64Array(this.#search.length);
  }

  /** {@link Planner.plan} */
  async plan(evaluate: Evaluate, random: KeyedRandom, at: PlanPosition): Promise<Plan> {
    const { population, rounds, lambda } = this.options;
    const search = this.#search;
    const gaussian = this.#gaussian;
    search.begin();
    for (let round = 0; round < rounds; round++) {
      random.at(Purpose.PLANNER, at.iteration, at.task, round, 0, at.step);
      gaussian.putMean(0);
      gaussian.sample(random, 1, population);
      await search.score(evaluate, 0, population);
      this.#moveMean(lambda);
    }
    gaussian.putMean(0);
    await search.score(evaluate, 0, 1);
    if (search.allLost) this.reset();
    else gaussian.shift();
    return search.candidate(0);
  }

  /** {@link Planner.reset} */
  reset(): void {
    this.#gaussian.reset();
  }

  /** Makes the mean the weighted mean of the candidates; leaves it where none has a score. */
  #moveMean(lambda: number): void {
    const { sequences, scores, length } = this.#search;
    let best = -Infinity;
    let sum = 0;
    let count = 0;
    for (let n = 0; n < scores.length; n++) {
      if (scores[n] === -Infinity) continue;
      if (scores[n] > best) best = scores[n];
      sum += scores[n];
      count++;
    }
    if (count === 0) return;
    const center = sum / count;
    let squares = 0;
    for (let n = 0; n < scores.length; n++) {
      if (scores[n] !== -Infinity) squares += (scores[n] - center) ** 2;
    }
    const scale = lambda * Math.sqrt(squares / count);
    this.#sum.fill(0);
    let weights = 0;
    for (let n = 0; n < scores.length; n++) {
      if (scores[n] === -Infinity) continue;
      // scores that are all the same carry no information: every candidate weighs the same
      const weight = scale > 0 ? exp((scores[n] - best) / scale) : 1;
      if (weight === 0) continue;
      weights += weight;
      for (let i = 0, o = n * length; i < length; i++, o++) this.#sum[i] += weight * sequences[o];
    }
    for (let i = 0; i < length; i++) this.#gaussian.mean[i] = this.#sum[i] / weights;
  }
}
