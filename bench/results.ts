/**
 * What the benchmarks give: figures with their spread, and ratios taken in the same run, which hold
 * on other machines too and are what {@link compare} looks at.
 */

import type { Took } from "./clock.ts";

/** Median and quartiles of some measurements. */
export interface Spread {
  readonly median: number;
  /** First and third quartile. */
  readonly low: number;
  readonly high: number;
  /** Number of measurements. */
  readonly count: number;
}

/** One measured number. */
export interface Figure extends Spread {
  readonly part: string;
  /** What was done: "point ProMP". */
  readonly name: string;
  /** Who did it, or what of it: "cpu, 2 threads", "PyTorch, tuned malloc", "sampling". */
  readonly subject: string;
  readonly unit: string;
}

/** Two measurements of the same run divided; larger is better. */
export interface Ratio extends Spread {
  readonly part: string;
  /** What was done: "point ProMP". */
  readonly name: string;
  /** What was divided: "PyTorch / cpu". Unique within its name. */
  readonly label: string;
  /** What the project wants it to be at least. */
  readonly goal?: number;
  /** It swings with what else the machine does, so no later run is held against it. */
  readonly unsteady?: true;
}

/** Something that was not measured. */
export interface Absence {
  readonly part: string;
  readonly what: string;
  readonly why: string;
}

/** The JSON file of a run of the benchmarks. */
export interface BenchResults {
  readonly date: string;
  readonly command: string;
  readonly quick: boolean;
  /** Parts that were run. */
  readonly parts: readonly string[];
  readonly machine: Readonly<Record<string, string>>;
  readonly figures: readonly Figure[];
  readonly ratios: readonly Ratio[];
  /** Goals in units of one machine, GFLOP/s or milliseconds to a goal. */
  readonly goals: readonly Ratio[];
  readonly absent: readonly Absence[];
}

/** Value below which the share `q` of the sorted values lies, between neighbours by proportion. */
function quantile(sorted: Float64Array, q: number): number {
  const at = q * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}

/** @throws RangeError of nothing */
export function spreadOf(values: ArrayLike<number>): Spread {
  if (values.length === 0) throw new RangeError("Cannot take the median: nothing was measured");
  const sorted = Float64Array.from(values).sort();
  return {
    median: quantile(sorted, 0.5),
    low: quantile(sorted, 0.25),
    high: quantile(sorted, 0.75),
    count: sorted.length,
  };
}

/**
 * numerator[turn] / denominator[turn], both taken in turns: what else the machine does meets all of
 * a turn alike.
 */
export function ratioOf(numerator: readonly number[], denominator: readonly number[]): Spread {
  return spreadOf(numerator.map((value, turn) => value / denominator[turn]));
}

/** How long to measure. */
export interface Effort {
  readonly quick: boolean;
  /** Seconds that a measurement takes turns for. */
  readonly seconds: number;
  /** Least and greatest number of turns. */
  readonly least: number;
  readonly most: number;
}

export const FULL: Effort = { quick: false, seconds: 3, least: 7, most: 200 };
export const QUICK: Effort = { quick: true, seconds: 0.4, least: 3, most: 50 };

/** Programs that take part beside ours. */
export const PEERS = ["torch", "tfjs-wasm", "tfjs-webgpu"] as const;
export type Peer = typeof PEERS[number];

/** What of a part is to be measured. */
export interface Choice {
  /** Whether the case of this name is: "point ProMP". */
  wants(name: string): boolean;
  readonly peers: ReadonlySet<Peer>;
}

/**
 * Runs the contenders one after the other, again and again. A contender gives what it measured; its
 * first result is left out, as it compiles and allocates.
 */
export async function takeTurns<Values extends Record<string, unknown>>(
  contenders: { readonly [S in keyof Values]: () => Promise<Values[S]> | Values[S] },
  effort: Effort,
): Promise<{ [S in keyof Values]: Values[S][] }> {
  const subjects = Object.keys(contenders) as (keyof Values)[];
  const values = {} as { [S in keyof Values]: Values[S][] };
  for (const subject of subjects) {
    await contenders[subject]();
    values[subject] = [];
  }
  const end = performance.now() + 1000 * effort.seconds * subjects.length;
  for (let turn = 0; turn < effort.most; turn++) {
    const late = performance.now() - end;
    // three turns are enough of what takes minutes
    if (late > 0 && (turn >= effort.least || turn >= 3 && late > 30_000)) break;
    for (const subject of subjects) values[subject].push(await contenders[subject]());
  }
  return values;
}

/** Widths of a row: label, number, unit. With the quartiles beside them 80 columns at most. */
const LABEL_WIDTH = 34;
const NUMBER_WIDTH = 8;
const UNIT_WIDTH = 8;

/** Collects what the parts measure, prints each line of the table at once. */
export class Report {
  readonly figures: Figure[] = [];
  readonly ratios: Ratio[] = [];
  readonly goals: Ratio[] = [];
  readonly absent: Absence[] = [];
  /** Name above the last rows. */
  #heading = "";

  /** @param columns of the terminal; Infinity where lines may be as long as they like */
  constructor(readonly print: (line: string) => void, readonly columns = Infinity) {}

  figure(part: string, name: string, subject: string, unit: string, values: readonly number[]) {
    const figure = { part, name, subject, unit, ...spreadOf(values) };
    this.figures.push(figure);
    this.#row(name, subject, figure, unit);
  }

  ratio(
    part: string,
    name: string,
    label: string,
    spread: Spread,
    more: Pick<Ratio, "goal" | "unsteady"> = {},
  ): void {
    const ratio = { part, name, label, ...spread, ...more };
    this.ratios.push(ratio);
    const { goal } = more;
    this.#row(name, label, spread, "", goal === undefined ? "" : verdict(spread, goal));
  }

  /** A goal in absolute terms: of one machine, so no later run is held against it. */
  goal(part: string, name: string, label: string, spread: Spread, goal: number): void {
    this.goals.push({ part, name, label, ...spread, goal });
    if (spread.median < goal) this.print(`      ${label}: ${verdict(spread, goal)}`);
  }

  missing(part: string, what: string, why: string): void {
    this.absent.push({ part, what, why });
    this.print(`  ${what}: ${why}`);
  }

  /** Everything for the JSON file. */
  contents(): Pick<BenchResults, "figures" | "ratios" | "goals" | "absent"> {
    const { figures, ratios, goals, absent } = this;
    return { figures, ratios, goals, absent };
  }

  #row(name: string, label: string, spread: Spread, unit: string, verdict = ""): void {
    if (name !== this.#heading) this.print(`  ${name}`);
    this.#heading = name;
    if (label.length > LABEL_WIDTH) {
      this.print(`    ${label}`);
      label = "";
    }
    const { median, low, high, count } = spread;
    const line = `    ${label.padEnd(LABEL_WIDTH)} ${digits(median).padStart(NUMBER_WIDTH)} ` +
      `${unit.padEnd(UNIT_WIDTH)} ${digits(low)} .. ${digits(high)} (${count})`;
    const fits = verdict !== "" && line.length + 2 + verdict.length <= this.columns;
    this.print(fits ? `${line}  ${verdict}` : line);
    if (verdict !== "" && !fits) this.print(`      ${verdict}`);
  }
}

/**
 * The ratios of two programs that took turns: of the time on the wall; where both work on the
 * processor's cores alike also of processor time, which swings less.
 *
 * @param between `alike`: with one thread each, or on the same driver. Threads that wait in loops,
 * or share a core with other programs, take processor time too.
 */
export function reportRatios(
  report: Report,
  part: string,
  name: string,
  between: {
    readonly theirs: string;
    readonly ours: string;
    readonly onCores: boolean;
    readonly alike: boolean;
  },
  turns: { readonly theirs: readonly Took[]; readonly ours: readonly Took[] },
  more: Pick<Ratio, "goal"> = {},
): void {
  const { theirs, ours, onCores, alike } = between;
  const ratio = (unit: keyof Took) => {
    const [over, under] = [turns.theirs, turns.ours].map((took) => took.map((one) => one[unit]));
    return ratioOf(over, under);
  };
  const label = `${theirs} / ${ours}`;
  const wall = onCores ? { ...more, unsteady: true as const } : more;
  report.ratio(part, name, label, ratio("ms"), wall);
  if (onCores && alike) {
    report.ratio(part, name, `${label}, processor time`, ratio("processorMs"));
  }
}

/** At least three digits, and no more than are sure. */
export function digits(value: number): string {
  if (Math.abs(value) >= 1000) return value.toFixed(0);
  return value.toPrecision(3);
}

function verdict({ median }: Spread, goal: number): string {
  return `goal ${digits(goal)}: ${median >= goal ? "met" : "MISSED"}`;
}

/** Ratios that a later run is held against. Full and quick runs have ratios of their own. */
export type Baseline = Readonly<
  Partial<Record<"full" | "quick", Readonly<Record<string, BaselinePart>>>>
>;

/** Those of one part; parts may be stored one at a time. */
export interface BaselinePart {
  readonly date: string;
  readonly machine: Readonly<Record<string, string>>;
  /** By {@link keyOf}. */
  readonly ratios: Readonly<Record<string, number>>;
}

/** Largest loss that passes. */
export const ALLOWED_LOSS = 0.2;

const kindOf = ({ quick }: Pick<BenchResults, "quick">) => quick ? "quick" : "full";

const keyOf = ({ name, label }: Ratio) => `${name}: ${label}`;

/** What is stored for a kind of run, by part. */
export function storedFor(
  results: Pick<BenchResults, "quick">,
  baseline: Baseline,
): Readonly<Record<string, BaselinePart>> {
  return baseline[kindOf(results)] ?? {};
}

/** The medians of a run, as a baseline. Parts that were not run stay as in `before`. */
export function baselineOf(results: BenchResults, before: Baseline): Baseline {
  const { date, machine, ratios } = results;
  const parts: Record<string, BaselinePart> = { ...storedFor(results, before) };
  for (const part of new Set(ratios.map(({ part }) => part))) {
    const entries = ratios.filter((ratio) => ratio.part === part && !ratio.unsteady)
      .map((ratio) => [keyOf(ratio), Number(ratio.median.toPrecision(4))]);
    parts[part] = { date, machine, ratios: Object.fromEntries(entries) };
  }
  return { ...before, [kindOf(results)]: parts };
}

/** One ratio that was compared. */
export interface Comparison {
  readonly ratio: Ratio;
  readonly stored: number;
  readonly lost: boolean;
}

/** How a run stands to stored ratios. */
export interface Compared {
  readonly compared: readonly Comparison[];
  /** Stored ratios of the parts that were run which this run does not have, by part. */
  readonly unmeasured: Readonly<Record<string, readonly string[]>>;
}

/**
 * Holds the ratios of a run against stored ones. A ratio is lost if it is more than
 * {@link ALLOWED_LOSS} below the stored one, and not only by the spread of its measurements.
 */
export function compare(results: BenchResults, baseline: Baseline): Compared {
  const stored = storedFor(results, baseline);
  const compared: Comparison[] = [];
  const seen = new Set<string>();
  for (const ratio of results.ratios) {
    const before = ratio.unsteady ? undefined : stored[ratio.part]?.ratios[keyOf(ratio)];
    if (before === undefined) continue;
    seen.add(`${ratio.part}: ${keyOf(ratio)}`);
    const lost = ratio.high < (1 - ALLOWED_LOSS) * before;
    compared.push({ ratio, stored: before, lost });
  }
  const unmeasured = Object.fromEntries(
    results.parts.map((part) => {
      const keys = Object.keys(stored[part]?.ratios ?? {});
      return [part, keys.filter((key) => !seen.has(`${part}: ${key}`))];
    }),
  );
  return { compared, unmeasured };
}

/** A run with each ratio that another run has too as the better of both. */
export function betterOf(results: BenchResults, again: readonly Ratio[]): BenchResults {
  const ratios = results.ratios.map((ratio) => {
    const other = again.find((one) => one.part === ratio.part && keyOf(one) === keyOf(ratio));
    return other !== undefined && other.high > ratio.high ? other : ratio;
  });
  return { ...results, ratios };
}
