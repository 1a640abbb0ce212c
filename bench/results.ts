/**
 * What the benchmarks give: figures with their spread, and ratios taken in the same run, which hold
 * on other machines too and are what {@link compare} looks at.
 */

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
  /** Who did it: "cpu, 2 threads", "PyTorch, tuned". */
  readonly subject: string;
  readonly unit: string;
}

/** Two measurements of the same run divided; larger is better. */
export interface Ratio extends Spread {
  readonly part: string;
  /** Unique within its part. */
  readonly name: string;
  /** What the project wants it to be at least. */
  readonly goal?: number;
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
 * Values of some quantity taken in turns, by subject: what else the machine does meets all of a
 * turn alike, so ratios are taken turn by turn.
 */
export type Turns<Subject extends string = string> = Readonly<Record<Subject, readonly number[]>>;

/** numerator[turn] / denominator[turn]. */
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

/**
 * Runs the contenders one after the other, again and again. A contender gives what it measured
 * (milliseconds, mostly); its first result is left out, as it compiles and allocates.
 */
export async function takeTurns<Subject extends string>(
  contenders: Readonly<Record<Subject, () => Promise<number> | number>>,
  effort: Effort,
): Promise<Record<Subject, number[]>> {
  const subjects = Object.keys(contenders) as Subject[];
  const values = Object.fromEntries(subjects.map((subject) => [subject, [] as number[]]));
  for (const subject of subjects) await contenders[subject]();
  const end = performance.now() + 1000 * effort.seconds * subjects.length;
  for (let turn = 0; turn < effort.most; turn++) {
    const late = performance.now() - end;
    // three turns are enough of what takes minutes
    if (late > 0 && (turn >= effort.least || turn >= 3 && late > 30_000)) break;
    for (const subject of subjects) values[subject].push(await contenders[subject]());
  }
  return values as Record<Subject, number[]>;
}

/** Milliseconds that `work` takes. */
export function timed(work: () => Promise<unknown> | unknown): () => Promise<number> {
  return async () => {
    const start = performance.now();
    await work();
    return performance.now() - start;
  };
}

/** Collects what the parts measure, prints each line of the table at once. */
export class Report {
  readonly figures: Figure[] = [];
  readonly ratios: Ratio[] = [];
  readonly goals: Ratio[] = [];
  readonly absent: Absence[] = [];

  constructor(readonly print: (line: string) => void) {}

  figure(part: string, name: string, subject: string, unit: string, values: readonly number[]) {
    const figure = { part, name, subject, unit, ...spreadOf(values) };
    this.figures.push(figure);
    this.print(figureLine(figure));
  }

  ratio(part: string, name: string, spread: Spread, goal?: number): void {
    const ratio = { part, name, ...spread, ...(goal === undefined ? {} : { goal }) };
    this.ratios.push(ratio);
    this.print(ratioLine(ratio));
  }

  /** A goal in absolute terms: of one machine, so no later run is held against it. */
  goal(part: string, name: string, spread: Spread, goal: number): void {
    const reached = { part, name, ...spread, goal };
    this.goals.push(reached);
    if (spread.median < goal) this.print(`    ${name}: goal ${digits(goal)} MISSED`);
  }

  /** Everything for the JSON file. */
  contents(): Pick<BenchResults, "figures" | "ratios" | "goals" | "absent"> {
    const { figures, ratios, goals, absent } = this;
    return { figures, ratios, goals, absent };
  }

  missing(part: string, what: string, why: string): void {
    this.absent.push({ part, what, why });
    this.print(`  ${what}: ${why}`);
  }
}

/** At least three digits, and no more than are sure. */
function digits(value: number): string {
  if (Math.abs(value) >= 1000) return value.toFixed(0);
  return value.toPrecision(3);
}

function spreadText({ low, high, count }: Spread): string {
  return `${digits(low)} .. ${digits(high)} (${count})`;
}

function figureLine(figure: Figure): string {
  const { name, subject, unit, median } = figure;
  return `  ${name.padEnd(44)} ${subject.padEnd(30)} ` +
    `${digits(median).padStart(9)} ${unit.padEnd(9)} ${spreadText(figure)}`;
}

function ratioLine(ratio: Ratio): string {
  const { name, median, goal } = ratio;
  const verdict = goal === undefined
    ? ""
    : `   goal ${digits(goal)}: ${median >= goal ? "met" : "MISSED"}`;
  return `    ratio ${name.padEnd(69)}${digits(median).padStart(9)} ${"".padEnd(9)} ` +
    `${spreadText(ratio)}${verdict}`;
}

/** Ratios that a later run is held against. Full and quick runs have ratios of their own. */
export type Baseline = Readonly<Partial<Record<"full" | "quick", BaselineRatios>>>;

export interface BaselineRatios {
  readonly date: string;
  readonly machine: Readonly<Record<string, string>>;
  /** By part, then by name. */
  readonly ratios: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** Largest loss that passes. */
export const ALLOWED_LOSS = 0.2;

const kindOf = ({ quick }: BenchResults) => quick ? "quick" : "full";

/** The medians of a run, as a baseline. What the run did not measure stays as in `before`. */
export function baselineOf(results: BenchResults, before: Baseline): Baseline {
  const kind = kindOf(results);
  const ratios: Record<string, Record<string, number>> = { ...before[kind]?.ratios };
  for (const { part } of results.ratios) ratios[part] = {};
  for (const { part, name, median } of results.ratios) {
    ratios[part][name] = Number(median.toPrecision(4));
  }
  return { ...before, [kind]: { date: results.date, machine: results.machine, ratios } };
}

/** One ratio that was compared. */
export interface Comparison {
  readonly part: string;
  readonly name: string;
  readonly stored: number;
  readonly measured: Spread;
  readonly lost: boolean;
}

/**
 * Holds the ratios of a run against stored ones. A ratio is lost if it is more than
 * {@link ALLOWED_LOSS} below the stored one, and not only by the spread of its measurements.
 *
 * @returns what was compared, and the names of stored ratios (of the parts measured) that this run
 * does not have
 */
export function compare(
  results: BenchResults,
  baseline: Baseline,
): { compared: Comparison[]; unmeasured: string[] } {
  const stored = baseline[kindOf(results)]?.ratios ?? {};
  const compared: Comparison[] = [];
  for (const { part, name, ...measured } of results.ratios) {
    const before = stored[part]?.[name];
    if (before === undefined) continue;
    const lost = measured.high < (1 - ALLOWED_LOSS) * before;
    compared.push({ part, name, stored: before, measured, lost });
  }
  const parts = new Set(results.ratios.map(({ part }) => part));
  const unmeasured = [...parts].flatMap((part) =>
    Object.keys(stored[part] ?? {})
      .filter((name) => !compared.some((one) => one.part === part && one.name === name))
      .map((name) => `${part}: ${name}`)
  );
  return { compared, unmeasured };
}
