/** The sections about training of ProMP and MMAML: how far runs came, learning curves. */
import { CONFIG_KEYS } from "../config/schema.ts";
import { ITERATION_COLUMN } from "../run/log.ts";
import { mean } from "../util/statistics.ts";
import { bandText } from "./band.ts";
import { divergences } from "./events.ts";
import {
  type EnvironmentRuns,
  groupCurve,
  type LabelledRun,
  type RunGroup,
  runsOf,
} from "./groups.ts";
import {
  type ChartBlock,
  type ChartMark,
  type LineSeries,
  type LinesVariant,
  numbered,
  type Section,
  type TableBlock,
} from "./model.ts";
import { columnOf, type MetaRun } from "./read_run.ts";
import { formatCount, formatReturn, formatSeconds, stepsText } from "./text.ts";
import { thinnedText } from "./thin.ts";

/** Points of a curve of returns: all of the longest published training. */
const CURVE_POINTS = 1001;
/** Points of all columns together, so that a file with many runs can still be mailed. */
const ALL_COLUMNS_BUDGET = 60_000;
/** Points of one of these curves. */
const [LEAST_POINTS, MOST_POINTS] = [40, 400];
/** A table says what the last so many iterations have on average. */
const LAST = 10;

function stepColumn(step: number, name = "AverageReturn"): string {
  return `Step_${step}-${name}`;
}

function after(run: MetaRun): (number | null)[] {
  return columnOf(run.progress.rows, stepColumn(run.innerSteps));
}

function before(run: MetaRun): (number | null)[] {
  return columnOf(run.progress.rows, stepColumn(0));
}

function lastMean(values: readonly (number | null)[]): number {
  return mean(values.slice(-LAST).filter((value) => value !== null));
}

/** Seconds of all iterations; the `Time` of a resumed run begins anew. */
function totalSeconds({ progress: { rows } }: MetaRun): number {
  return columnOf(rows, "ItrTime").reduce<number>((sum, value) => sum + (value ?? 0), 0);
}

/** One row per run: how far it came. */
export function overviewTable(environments: readonly EnvironmentRuns[]): TableBlock {
  const hasSeveral = environments.length > 1;
  const rows = environments.flatMap((runs) =>
    runsOf(runs).map(({ run, label }) => {
      const { progress: { rows }, config, seed, innerSteps, path } = run;
      const planned = config?.[CONFIG_KEYS.iterations.published];
      const done = (rows.at(-1)?.[ITERATION_COLUMN] ?? -1) + 1;
      const steps = rows.at(-1)?.n_timesteps ?? null;
      return [
        label,
        ...hasSeveral ? [runs.environment ?? "-"] : [],
        seed === null ? "-" : String(seed),
        typeof planned === "number" ? `${done} of ${planned}` : String(done),
        steps === null ? "-" : formatCount(steps),
        formatSeconds(totalSeconds(run)),
        formatReturn(lastMean(before(run))),
        `${formatReturn(lastMean(after(run)))} (${stepsText(innerSteps)})`,
        path,
      ];
    })
  );
  return {
    kind: "table",
    caption: `Returns are means of the last ${LAST} iterations.`,
    head: [
      ...["run", ...hasSeveral ? ["environment"] : [], "seed", "iterations", "environment steps"],
      ...["time", "before adaptation", "after adaptation", "folder"],
    ],
    rows,
  };
}

function curveSeries(
  group: RunGroup,
  name: string,
  pick: (run: MetaRun) => readonly (number | null)[],
  most: number,
  look: "solid" | "dashed",
): LineSeries {
  return { name, color: group.color, look, ...groupCurve(group, pick, most) };
}

/** Iterations that diverged or left rollouts out. */
function marksOf({ groups }: EnvironmentRuns): ChartMark[] {
  return groups.flatMap(({ label: name, color, runs }) =>
    runs.flatMap(({ run, label }) =>
      divergences(run.progress.rows).map(({ iteration, text }) => ({
        ...{ name, color, x: iteration },
        text: runs.length > 1 ? `${label} ${text}` : text,
      }))
    )
  );
}

/** What the marks of a chart are; nothing where it has none. */
function marksText(marks: readonly ChartMark[]): string {
  return marks.length === 0 ? "" : ` Triangles: iterations that diverged or left rollouts out, ` +
    `${formatCount(marks.length)} in all.`;
}

/** Iterations of the longest run. */
function longest(groups: readonly RunGroup[]): number {
  return Math.max(...groups.flatMap(({ runs }) => runs.map(({ run }) => run.progress.rows.length)));
}

/** From where on the mean is not of all runs; nothing where they all have come as far. */
function endedText(runs: readonly LabelledRun[]): string {
  const ends = runs.map(({ run }) => run.progress.rows.at(-1)![ITERATION_COLUMN] ?? 0);
  const first = Math.min(...ends);
  return first === Math.max(...ends)
    ? ""
    : `; after iteration ${first}, where the first has ended, of those that go on, without a band`;
}

/** Returns of all groups, before and after adaptation. */
function returnsChart(environment: EnvironmentRuns, at: number): ChartBlock {
  const { groups } = environment;
  const marks = marksOf(environment);
  const make = (group: RunGroup, isAfter: boolean) =>
    curveSeries(
      group,
      isAfter ? group.label : `${group.label}, before adaptation`,
      isAfter ? after : before,
      CURVE_POINTS,
      isAfter ? "solid" : "dashed",
    );
  const [afterwards, all] = [
    groups.map((group) => make(group, true)),
    groups.flatMap((group) => [make(group, true), make(group, false)]),
  ];
  const variants: LinesVariant[] = [
    { label: "average return, after and before adaptation", series: all },
    { label: "average return after adaptation", series: afterwards },
  ];
  const bands = groups.filter(({ runs }) => runs.length > 1)
    .map(({ label, runs }) => ` ${label}: ${bandText(runs.length, "runs")}${endedText(runs)}.`);
  return {
    kind: "chart",
    id: numbered("returns", at),
    caption: `Average return of each iteration's tasks, by the training log.${bands.join("")}` +
      thinnedText(longest(groups), CURVE_POINTS) + marksText(marks),
    chart: { kind: "lines", x: { label: "iteration", integer: true }, variants, marks },
  };
}

/** Every column that the runs have, one at a time. */
function columnsChart(environment: EnvironmentRuns, at: number): ChartBlock {
  const { groups } = environment;
  const marks = marksOf(environment);
  const runs = groups.flatMap((group) => group.runs.map(({ run }) => run));
  const names = [...new Set(runs.flatMap(({ progress: { columns } }) => columns))]
    .filter((name) => ![ITERATION_COLUMN, "n_timesteps", "Time"].includes(name));
  const most = Math.max(
    LEAST_POINTS,
    Math.min(MOST_POINTS, Math.floor(ALL_COLUMNS_BUDGET / (names.length * groups.length))),
  );
  const first = ["LossAfter", "KLInner"].filter((name) => names.includes(name));
  const order = [...first, ...names.filter((name) => !first.includes(name))];
  const variants = order.map((name): LinesVariant => ({
    label: name,
    series: groups
      .filter((group) => group.runs.some(({ run }) => run.progress.columns.includes(name)))
      .map((group) =>
        curveSeries(
          group,
          group.label,
          (run) => columnOf(run.progress.rows, name),
          most,
          "solid",
        )
      ),
  }));
  return {
    kind: "chart",
    id: numbered("columns", at),
    caption: `Any column of progress.csv.${thinnedText(longest(groups), most)}${marksText(marks)}`,
    chart: { kind: "lines", x: { label: "iteration", integer: true }, variants, marks },
  };
}

/** Learning curves of the runs on one environment. */
export function learningSection(runs: EnvironmentRuns, at: number, isOnly: boolean): Section {
  return {
    id: numbered("learning", at),
    title: isOnly ? "Learning" : `Learning: ${runs.environment ?? "environment not known"}`,
    blocks: [
      returnsChart(runs, at),
      { kind: "heading", text: "All columns" },
      columnsChart(runs, at),
    ],
  };
}
