/** The sections about runs of ProMP and MMAML: learning curves, fresh tasks, settings, machines. */
import { CONFIG_KEYS, configKeys } from "../config/schema.ts";
import type { EmbeddingMap } from "../evaluation/embedding.ts";
import type { Evaluation, TaskPath } from "../evaluation/evaluate.ts";
import type { LoadedRun } from "../evaluation/load_run.ts";
import type { EvaluationSummary, TasksSummary } from "../evaluation/summary.ts";
import { ITERATION_COLUMN } from "../run/log.ts";
import type { MeanInterval } from "../util/bootstrap.ts";
import type { JsonValue } from "../util/json.ts";
import { mean } from "../util/statistics.ts";
import { bandText } from "./band.ts";
import {
  decidingSettings,
  differingKeys,
  type EnvironmentRuns,
  groupCurve,
  type LabelledRun,
  type RunGroup,
  settingText,
} from "./groups.ts";
import {
  type Bar,
  type Block,
  type ChartBlock,
  type LineSeries,
  type LinesVariant,
  rounded,
  type Section,
  type TableBlock,
} from "./model.ts";
import { columnOf, type MetaRun } from "./read_run.ts";
import { formatCount, formatReturn, formatSeconds } from "./text.ts";

/** What a run does in fresh tasks. */
export interface EvaluatedRun {
  readonly loaded: LoadedRun;
  readonly seed: number;
  readonly evaluation: Evaluation;
  readonly summary: EvaluationSummary;
  /** Of MMAML's task embeddings. */
  readonly map: EmbeddingMap | null;
}

/** Evaluations by path of the run. */
export type Evaluations = ReadonlyMap<string, EvaluatedRun>;

/** Points of a curve of returns. */
const CURVE_POINTS = 1000;
/** Points of all columns together, so that a file with many runs can still be mailed. */
const ALL_COLUMNS_BUDGET = 60_000;
/** Points of one of these curves. */
const [LEAST_POINTS, MOST_POINTS] = [40, 400];
/** A table says what the last so many iterations have on average. */
const LAST = 10;

/** Anchors and names of charts differ by environment. */
function suffix(at: number): string {
  return at === 0 ? "" : `-${at + 1}`;
}

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

function runsOf({ groups }: EnvironmentRuns): LabelledRun[] {
  return groups.flatMap(({ runs }) => runs);
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
        `${formatReturn(lastMean(after(run)))} (${innerSteps} steps)`,
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

/** Returns of all groups, before and after adaptation. */
function returnsChart({ groups }: EnvironmentRuns, at: number): ChartBlock {
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
    .map(({ label, runs }) => ` ${label}: ${bandText(runs.length, "runs")}.`);
  return {
    kind: "chart",
    id: `returns${suffix(at)}`,
    caption: `Average return of each iteration's tasks, by the training log.${bands.join("")}`,
    chart: { kind: "lines", x: { label: "iteration", integer: true }, variants },
  };
}

/** Every column that the runs have, one at a time. */
function columnsChart({ groups }: EnvironmentRuns, at: number): ChartBlock {
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
    id: `columns${suffix(at)}`,
    caption: "Any column of progress.csv.",
    chart: { kind: "lines", x: { label: "iteration", integer: true }, variants },
  };
}

/** Learning curves of the runs on one environment. */
export function learningSection(runs: EnvironmentRuns, at: number, isOnly: boolean): Section {
  return {
    id: `learning${suffix(at)}`,
    title: isOnly ? "Learning" : `Learning: ${runs.environment ?? "environment not known"}`,
    blocks: [
      returnsChart(runs, at),
      { kind: "heading", text: "All columns" },
      columnsChart(runs, at),
    ],
  };
}

function intervalCell({ mean: middle, low, high }: MeanInterval): string {
  return `${formatReturn(middle)} (${formatReturn(low)} to ${formatReturn(high)})`;
}

function adaptationChart(
  evaluated: readonly (readonly [LabelledRun, EvaluatedRun])[],
  at: number,
): ChartBlock {
  const series = evaluated.map(([{ label, color, place }, { summary: { all } }]): LineSeries => ({
    name: label,
    color,
    look: place === 0 ? "solid" : "dashed",
    dots: true,
    x: all.returns.map((_, k) => k),
    y: all.returns.map((value) => rounded(value.mean)),
    low: all.returns.map((value) => rounded(value.low)),
    high: all.returns.map((value) => rounded(value.high)),
  }));
  // the same tasks and starts for all of them
  const [, { summary: { all } }] = evaluated[0];
  const references = [{ y: all.doNothing.mean, label: "do nothing" }];
  if (all.oracle !== null) references.push({ y: all.oracle.mean, label: "knows the task" });
  return {
    kind: "chart",
    id: `adaptation${suffix(at)}`,
    caption: "Return before and after each inner step, mean over fresh tasks with its 95 % " +
      "bootstrap interval; dotted: doing nothing" +
      (all.oracle === null ? "." : ", and a controller that is told the task."),
    chart: {
      kind: "lines",
      x: { label: "inner steps", integer: true },
      variants: [{ label: "return", series, references }],
    },
  };
}

function stepHead(steps: number): string[] {
  return Array.from(
    { length: steps + 1 },
    (_, k) => k === 0 ? "before" : `after ${k} step${k === 1 ? "" : "s"}`,
  );
}

function summaryCells(summary: TasksSummary, steps: number): string[] {
  return [
    String(summary.tasks),
    ...Array.from(
      { length: steps + 1 },
      (_, k) => k in summary.returns ? intervalCell(summary.returns[k]) : "-",
    ),
    formatReturn(summary.doNothing.mean),
    summary.oracle === null ? "-" : formatReturn(summary.oracle.mean),
  ];
}

function adaptationTables(
  evaluated: readonly (readonly [LabelledRun, EvaluatedRun])[],
): TableBlock[] {
  const steps = Math.max(
    ...evaluated.map(([, { summary }]) => summary.all.returns.length - 1),
  );
  const head = ["tasks", ...stepHead(steps), "do nothing", "knows the task"];
  const all: TableBlock = {
    kind: "table",
    caption: "Return, mean and 95 % bootstrap interval over tasks",
    head: ["run", "checkpoint", ...head],
    rows: evaluated.map(([{ label }, { loaded, summary }]) => [
      ...[label, String(loaded.checkpoint.iteration), ...summaryCells(summary.all, steps)],
    ]),
  };
  const modes = evaluated.flatMap(([{ label }, { summary }]) =>
    summary.modes.map((mode) => [`${label}, mode ${mode.mode}`, ...summaryCells(mode, steps)])
  );
  if (modes.length === 0) return [all];
  return [all, {
    kind: "table",
    caption: "The same for each mode",
    head: ["run", ...head],
    rows: modes,
  }];
}

/** Tasks by what they are coloured by: modes, or none. */
function modeName(mode: number, modes: number): string {
  return modes === 0 ? "task" : `mode ${mode}`;
}

function mapBlocks(
  [{ label }, { loaded, evaluation, map }]: readonly [LabelledRun, EvaluatedRun],
  id: string,
): Block[] {
  if (map === null) return [];
  const { modes } = loaded.env.spec;
  const present = modes === 0 ? [0] : [...new Set(evaluation.tasks.modes)].sort((a, b) => a - b);
  const groupsOf = (points: EmbeddingMap["pca"]) =>
    present.map((mode) => {
      const chosen = points.filter((_, m) => modes === 0 || evaluation.tasks.modes[m] === mode);
      return {
        name: modeName(mode, modes),
        color: mode,
        x: chosen.map(([x]) => rounded(x, 5) ?? 0),
        y: chosen.map(([, y]) => rounded(y, 5) ?? 0),
      };
    });
  const percent = (share: number) => `${(100 * share).toFixed(0)} %`;
  const [first, second] = map.explainedVariance;
  const separation = map.silhouette === null || map.purity === null || map.chance === null
    ? ""
    : ` Silhouette of the modes ${map.silhouette.toFixed(2)} (-1 to 1); k-means finds them with ` +
      `purity ${map.purity.toFixed(2)} (at random ${map.chance.toFixed(2)}).`;
  return [
    { kind: "heading", text: `Task embeddings: ${label}` },
    {
      kind: "chart",
      id,
      caption: `Embeddings that the task encoder made of ${evaluation.tasks.count} fresh tasks.` +
        separation,
      chart: {
        kind: "scatter",
        variants: [
          {
            label: "principal components",
            x: { label: `first component (${percent(first)} of the variance)` },
            y: { label: `second component (${percent(second)})` },
            groups: groupsOf(map.pca),
          },
          {
            label: "t-SNE",
            x: { label: "t-SNE 1 (no unit)" },
            y: { label: "t-SNE 2" },
            groups: groupsOf(map.tsne),
          },
        ],
      },
    },
  ];
}

/** A square that holds all paths and goals, with a margin: xmin, xmax, ymin, ymax. */
function pathBounds(paths: readonly TaskPath[]): [number, number, number, number] {
  const points = paths.flatMap(({ goal, before, after }) => [goal, ...before, ...after])
    .filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
  const range = (axis: 0 | 1) => {
    let [low, high] = [Infinity, -Infinity];
    for (const point of points) {
      low = Math.min(low, point[axis]);
      high = Math.max(high, point[axis]);
    }
    return [low, high] as const;
  };
  const [[left, right], [bottom, top]] = [range(0), range(1)];
  const half = Math.max(right - left, top - bottom, 1e-6) / 2 * 1.05;
  const [x, y] = [(left + right) / 2, (bottom + top) / 2];
  return [x - half, x + half, y - half, y + half];
}

/** Most points of a path. */
const PATH_POINTS = 200;

function pathBlocks(
  [{ label }, { loaded, evaluation }]: readonly [LabelledRun, EvaluatedRun],
  id: string,
): Block[] {
  const paths = evaluation.paths.toSorted((a, b) => a.mode - b.mode || a.task - b.task);
  if (paths.length === 0) return [];
  const { modes } = loaded.env.spec;
  const panel = (title: string, points: (path: TaskPath) => TaskPath["before"]) => ({
    title,
    paths: paths.map((path) => {
      const all = points(path);
      const every = Math.ceil(all.length / PATH_POINTS);
      const kept = all.filter((_, t) => t % every === 0 || t === all.length - 1);
      return {
        name: modeName(path.mode, modes),
        color: modes === 0 ? path.task : path.mode,
        goal: [rounded(path.goal[0], 4) ?? 0, rounded(path.goal[1], 4) ?? 0] as const,
        x: kept.map(([x]) => rounded(x, 4) ?? 0),
        y: kept.map(([, y]) => rounded(y, 4) ?? 0),
      };
    }),
  });
  return [
    { kind: "heading", text: `Trajectories: ${label}` },
    {
      kind: "chart",
      id,
      caption:
        `The first rollout in ${paths.length} of these tasks; dot: its end, cross: the goal.`,
      chart: {
        kind: "paths",
        x: { label: "x (m)" },
        y: { label: "y (m)" },
        bounds: pathBounds(paths),
        panels: [
          panel("before adaptation", (path) => path.before),
          panel("after adaptation", (path) => path.after),
        ],
      },
    },
  ];
}

/** Fresh tasks of the runs on one environment; `null` where none was evaluated. */
export function evaluationSection(
  runs: EnvironmentRuns,
  evaluations: Evaluations,
  at: number,
  isOnly: boolean,
): Section | null {
  const evaluated = runsOf(runs).flatMap((run) => {
    const evaluation = evaluations.get(run.run.path);
    return evaluation === undefined ? [] : [[run, evaluation] as const];
  });
  if (evaluated.length === 0) return null;
  const [, { evaluation: { tasks }, seed, loaded }] = evaluated[0];
  return {
    id: `fresh-tasks${suffix(at)}`,
    title: isOnly ? "Fresh tasks" : `Fresh tasks: ${runs.environment}`,
    blocks: [
      {
        kind: "text",
        text: `${tasks.count} tasks that no training has seen (seed ${seed}), ` +
          `${loaded.config.rolloutsPerTask} rollouts before and after each inner step; the same ` +
          "tasks for all runs.",
      },
      adaptationChart(evaluated, at),
      ...adaptationTables(evaluated),
      ...evaluated.flatMap((each, i) => mapBlocks(each, `map${suffix(at)}-${i + 1}`)),
      ...evaluated.flatMap((each, i) => pathBlocks(each, `paths${suffix(at)}-${i + 1}`)),
    ],
  };
}

/** What an iteration is made of: name, seconds by its columns, `null` where it isn't told apart. */
const PHASES: readonly (readonly [string, (seconds: (name: string) => number | null) => number])[] =
  [
    ["environment", (of) => of("Time-EnvStep") ?? 0],
    [
      "policy while sampling",
      (of) => of("Time-EnvStep") === null ? 0 : (of("Time-Sampling") ?? 0) - of("Time-EnvStep")!,
    ],
    [
      "sampling, environment and policy",
      (of) => of("Time-EnvStep") === null ? of("Time-Sampling") ?? 0 : 0,
    ],
    ["processing of samples", (of) => of("Time-SampleProc") ?? 0],
    ["inner steps", (of) => of("Time-InnerStep") ?? 0],
    ["outer steps", (of) => of("Time-OuterStep") ?? 0],
  ];

function timeBar({ run: { progress: { rows, columns } }, label }: LabelledRun): Bar {
  const average = (name: string) => {
    if (!columns.includes(name)) return null;
    const values = columnOf(rows, name).filter((value) => value !== null);
    return values.length === 0 ? null : mean(values);
  };
  const parts = PHASES.map(([name, seconds], color) => ({
    ...{ name, color },
    value: rounded(Math.max(0, seconds(average))) ?? 0,
  }));
  const known = parts.reduce((sum, { value }) => sum + value, 0);
  const rest = rounded(Math.max(0, (average("ItrTime") ?? 0) - known)) ?? 0;
  return { name: label, parts: [...parts, { name: "other", color: PHASES.length, value: rest }] };
}

/** Mean seconds of an iteration by phase. */
export function timeSection(environments: readonly EnvironmentRuns[]): Section | null {
  const all = environments.flatMap(runsOf)
    .filter(({ run }) => run.progress.columns.includes("ItrTime")).map(timeBar);
  if (all.length === 0) return null;
  // phases that no run has are not shown
  const used = new Set(
    all.flatMap(({ parts }) => parts.filter(({ value }) => value > 0).map(({ name }) => name)),
  );
  const bars = all.map(({ name, parts }) => ({
    name,
    parts: parts.filter((part) => used.has(part.name)),
  }));
  const seconds = (value: number) => value === 0 ? "0" : value.toPrecision(3);
  return {
    id: "time",
    title: "Time",
    blocks: [
      {
        kind: "chart",
        id: "time",
        caption:
          "Mean wall time of an iteration. Work of sampling workers counts as its share of " +
          "it; other: waiting for the last worker, logging, checkpoints.",
        chart: { kind: "bars", x: { label: "seconds per iteration" }, bars },
      },
      {
        kind: "table",
        caption: "Seconds per iteration",
        head: ["run", "in all", ...bars[0].parts.map(({ name }) => name)],
        rows: bars.map(({ name, parts }) => [
          name,
          seconds(parts.reduce((sum, { value }) => sum + value, 0)),
          ...parts.map(({ value }) => seconds(value)),
        ]),
      },
    ],
  };
}

const COMPAT = CONFIG_KEYS.compat.published;

function compatText(value: JsonValue | undefined): string {
  if (value === undefined || value === "none") return "none: follows the paper";
  return `${settingText(value)}: as the published code, the task encoder sees 5 steps of a rollout`;
}

/** Settings, where they were given, and how the runs differ. */
export function settingsSection(environments: readonly EnvironmentRuns[]): Section | null {
  const runs = environments.flatMap(runsOf).filter(({ run }) => run.config !== null);
  if (runs.length === 0) return null;
  const blocks: Block[] = [];
  const differing = differingKeys(runs.map(({ run }) => run));
  if (runs.length > 1) {
    const settings = runs.map(({ run }) => decidingSettings(run));
    blocks.push(
      differing.length === 0
        ? { kind: "text", text: "The runs differ in nothing but the seed." }
        : {
          kind: "table",
          caption: "Where the runs differ",
          head: ["setting", ...runs.map(({ label }) => label)],
          rows: differing.map((key) => [key, ...settings.map((each) => settingText(each[key]))]),
        },
    );
  }
  const ours = runs.filter(({ run }) => run.params !== null);
  for (const { run, label } of ours) {
    const sources = run.params!.provenance?.sources;
    const given = sources === undefined ? [] : Object.entries(sources);
    blocks.push(
      { kind: "heading", text: ours.length === 1 ? "What was set" : `What was set: ${label}` },
      { kind: "text", text: `Compatibility: ${compatText(run.config![COMPAT])}.` },
    );
    if (sources === undefined) {
      blocks.push({ kind: "text", text: "Where settings were given was not recorded." });
    } else if (given.length === 0) {
      blocks.push({ kind: "text", text: "Nothing but defaults." });
    } else {
      const standards = new Map(
        configKeys().map(([, key]) => [key.published, key.default as JsonValue | undefined]),
      );
      blocks.push({
        kind: "table",
        head: ["setting", "value", "default", "given by"],
        rows: given.map(([key, source]) => [
          ...[key, settingText(run.config![key]), settingText(standards.get(key)), source],
        ]),
      });
    }
  }
  const keys = [...new Set(runs.flatMap(({ run }) => Object.keys(run.config!)))];
  blocks.push({
    kind: "table",
    folded: "All settings",
    head: ["setting", ...runs.map(({ label }) => label)],
    rows: keys.map((key) => [key, ...runs.map(({ run }) => settingText(run.config![key]))]),
  });
  return { id: "settings", title: "Settings", blocks };
}
