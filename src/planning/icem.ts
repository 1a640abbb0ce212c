/**
 * iCEM: CEM for real time (Pinneri et al.: "Sample-efficient Cross-Entropy Method for Real-time
 * Planning", CoRL 2020). On top of CEM (`cem.ts`):
 *
 * - noise that is coloured along the steps, so that candidates go somewhere instead of trembling;
 * - elites that are kept: a part of a round's elites competes in the next round, and in the first
 *   round of the next plan, one step on;
 * - a population that shrinks: round r has max(population / decay^r, 2 elites) new candidates;
 * - the mean itself is a candidate of the last round;
 * - the best sequence scored is the plan.
 *
 * Differs from the paper: elites kept within a plan keep their scores instead of being scored
 * again (same model, same state, same score), those kept from the last plan count as candidates of
 * the first round, and the step behind their end repeats their last action.
 *
 * Axis letters: N candidates of a round, H planning horizon, A action, S = H * A, K elites.
 */
import { type KeyedRandom, Purpose } from "../util/prng.ts";
import { coloringMatrix, colorNoise } from "./colored_noise.ts";
import { fitElites, Gaussian } from "./gaussian.ts";
import { checkElites, ELITE_OPTIONS, type OptionTable, type OptionValues } from "./options.ts";
import type { Evaluate, Plan, Planner, PlanPosition, PlanProblem } from "./planner.ts";
import { Search, selectElites, shiftSequence } from "./search.ts";

/** Options of {@link ICem}: 2,975 + 2,380 + 1,904 + 1,523 + 1,218 = 10,000 candidates. */
export const ICEM_OPTIONS = {
  population: {
    default: 2975,
    low: 2,
    high: 1_000_000,
    integer: true,
    help: "sequences scored in the first round",
  },
  ...ELITE_OPTIONS,
  decay: {
    default: 1.25,
    low: 1,
    high: 10,
    integer: false,
    help: "factor by which the population shrinks from round to round",
  },
  keep: {
    default: 0.3,
    low: 0,
    high: 1,
    integer: false,
    help: "part of the elites that competes again in the next round and the next plan",
  },
  colour: {
    default: 1,
    low: 0,
    high: 8,
    integer: false,
    help: "exponent of the noise's power spectrum 1/f^colour; 0 is white, larger is smoother",
  },
} as const satisfies OptionTable;

/** iCEM, see the module's header. */
export class ICem implements Planner {
  readonly name = "icem";
  readonly #search: Search;
  readonly #gaussian: Gaussian;
  /** [K] */
  readonly #elites: Uint32Array;
  /** [keep K, S] kept elites, best first, and their scores */
  readonly #kept: Float32Array;
  readonly #keptScores: Float64Array;
  #keptCount = 0;
  /** New candidates of every round. */
  readonly #populations: readonly number[];
  /** [H, H] */
  readonly #coloring: Float64Array;
  /** [H] */
  readonly #scratch: Float64Array;

  /** A planner for one problem. @throws UserError `planner-option` for more elites than candidates */
  constructor(
    problem: PlanProblem,
    private readonly options: OptionValues<typeof ICEM_OPTIONS>,
  ) {
    const { population, rounds, elites, decay, keep, colour } = options;
    checkElites(this.name, elites, population);
    const populations: number[] = [];
    for (let round = 0, size = population; round < rounds; round++, size /= decay) {
      populations.push(round === 0 ? population : Math.max(Math.floor(size), 2 * elites));
    }
    this.#populations = populations;
    const most = Math.floor(keep * elites);
    this.#search = new Search(problem, Math.max(...populations) + most);
    this.#gaussian = new Gaussian(this.#search);
    this.#elites = new Uint32Array(elites);
    this.#kept = new Float32Array(most * this.#search.length);
    this.#keptScores = new Float64Array(most);
    this.#coloring = coloringMatrix(problem.horizon, colour);
    this.#scratch = new Float64Array(problem.horizon);
  }

  /** {@link Planner.plan} */
  async plan(evaluate: Evaluate, random: KeyedRandom, at: PlanPosition): Promise<Plan> {
    const { rounds, smoothing, initialStd } = this.options;
    const search = this.#search;
    const gaussian = this.#gaussian;
    search.begin();
    gaussian.spread(initialStd);
    for (let round = 0; round < rounds; round++) {
      random.at(Purpose.PLANNER, at.iteration, at.task, round, 0, at.step);
      const kept = this.#keptCount;
      search.sequences.set(this.#kept.subarray(0, kept * search.length));
      search.scores.set(this.#keptScores.subarray(0, kept));
      // the scores of the last plan's elites are those of another state
      const scoredFrom = round === 0 ? 0 : kept;
      const end = scoredFrom + this.#populations[round];
      this.#sample(random, kept, end);
      if (round === rounds - 1 && kept < end) gaussian.putMean(kept);
      await search.score(evaluate, scoredFrom, end);
      const found = selectElites(search.scores, end, this.#elites);
      this.#keep(found);
      if (found > 0) fitElites(gaussian, search, this.#elites.subarray(0, found), smoothing);
    }
    if (search.allLost) this.reset();
    else this.#shift();
    return search.best();
  }

  /** {@link Planner.reset} */
  reset(): void {
    this.#gaussian.reset();
    this.#keptCount = 0;
  }

  /** Draws candidates `from` .. `to` - 1. */
  #sample(random: KeyedRandom, from: number, to: number): void {
    const { sequences, length, actDim } = this.#search;
    const noise = sequences.subarray(from * length, to * length);
    random.fillNormalByQuantile(noise);
    colorNoise(noise, this.#coloring, actDim, this.#scratch);
    this.#gaussian.scale(from, to);
  }

  /** Keeps the first of the `found` elites. */
  #keep(found: number): void {
    const { sequences, scores, length } = this.#search;
    this.#keptCount = Math.min(found, this.#keptScores.length);
    for (let k = 0; k < this.#keptCount; k++) {
      const n = this.#elites[k];
      this.#kept.set(sequences.subarray(n * length, (n + 1) * length), k * length);
      this.#keptScores[k] = scores[n];
    }
  }

  /** Moves the mean and the kept elites one control step on. */
  #shift(): void {
    const { length, actDim } = this.#search;
    this.#gaussian.shift();
    for (let k = 0; k < this.#keptCount; k++) {
      shiftSequence(this.#kept.subarray(k * length, (k + 1) * length), actDim);
    }
  }
}
