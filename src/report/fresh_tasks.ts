/**
 * The section about fresh tasks of ProMP and MMAML: returns by inner step, in all and by mode, the
 * map of the task embeddings, trajectories.
 */
import { taskDifference } from "../evaluation/comparison.ts";
import type { EmbeddingMap } from "../evaluation/embedding.ts";
import type { Evaluation, TaskPath } from "../evaluation/evaluate.ts";
import type { LoadedRun } from "../evaluation/load_run.ts";
import { cutText, type EvaluationSummary, type TasksSummary } from "../evaluation/summary.ts";
import type { MeanInterval } from "../util/bootstrap.ts";
import { type EnvironmentRuns, type LabelledRun, runsOf } from "./groups.ts";
import {
  type Block,
  type ChartBlock,
  type LineSeries,
  numbered,
  type Reference,
  rounded,
  type Section,
  type TableBlock,
} from "./model.ts";
import { formatReturn, stepsText } from "./text.ts";

/** What a run does in fresh tasks. */
export interface EvaluatedRun {
  readonly loaded: LoadedRun;
  readonly seed: number;
  /** That all tasks are of, or `null`. */
  readonly mode: number | null;
  readonly evaluation: Evaluation;
  readonly summary: EvaluationSummary;
  /** Of MMAML's task embeddings, or of the first of them. */
  readonly map: EmbeddingMap | null;
}

/** Evaluations by path of the run. */
export type Evaluations = ReadonlyMap<string, EvaluatedRun>;

/** A run of the report that was evaluated. */
type Evaluated = readonly [LabelledRun, EvaluatedRun];

/** Why returns of the runs can't be compared; "" where they can. */
function differenceAmong([[, first], ...others]: readonly Evaluated[]): string {
  return others.map(([, { loaded }]) => taskDifference(first.loaded, loaded))
    .find((difference) => difference !== "") ?? "";
}

/** A mean, with its interval where it is of several tasks. */
function intervalCell({ mean: middle, low, high }: MeanInterval, tasks: number): string {
  return tasks < 2
    ? formatReturn(middle)
    : `${formatReturn(middle)} (${formatReturn(low)} to ${formatReturn(high)})`;
}

function adaptationChart(
  evaluated: readonly Evaluated[],
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
  const [, { summary: { all } }] = evaluated[0];
  const references: Reference[] = [];
  let dotted = "";
  // what a run of other tasks or rewards would get is in the table alone
  if (differenceAmong(evaluated) === "") {
    references.push({ y: all.doNothing.mean, label: "do nothing" });
    dotted = "; dotted: doing nothing";
    if (all.oracle !== null) {
      references.push({ y: all.oracle.mean, label: "knows the task" });
      dotted += ", and a controller that is told the task";
    }
  }
  return {
    kind: "chart",
    id: numbered("adaptation", at),
    caption: "Return before and after each inner step, mean over fresh tasks with its 95 % " +
      `bootstrap interval${dotted}.`,
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
    (_, k) => k === 0 ? "before" : `after ${stepsText(k)}`,
  );
}

function adaptationTables(
  evaluated: readonly Evaluated[],
): TableBlock[] {
  const steps = Math.max(
    ...evaluated.map(([, { summary }]) => summary.all.returns.length - 1),
  );
  const hasOracle = evaluated.some(([, { summary: { all } }]) => all.oracle !== null);
  const head = [...stepHead(steps), "do nothing", ...hasOracle ? ["knows the task"] : []];
  const cells = ({ tasks, returns, doNothing, oracle }: TasksSummary): string[] => [
    ...Array.from(
      { length: steps + 1 },
      (_, k) => k in returns ? intervalCell(returns[k], tasks) : "-",
    ),
    formatReturn(doNothing.mean),
    ...hasOracle ? [oracle === null ? "-" : formatReturn(oracle.mean)] : [],
  ];
  const all: TableBlock = {
    kind: "table",
    caption: "Return, mean and 95 % bootstrap interval over tasks",
    head: ["run", "checkpoint", ...head],
    rows: evaluated.map(([{ label }, { loaded, summary }]) => [
      ...[label, String(loaded.checkpoint.iteration), ...cells(summary.all)],
    ]),
  };
  const modes = evaluated.flatMap(([{ label }, { summary }]) =>
    summary.modes.map((mode) => [
      ...[`${label}, mode ${mode.mode}`, String(mode.tasks), ...cells(mode)],
    ])
  );
  if (modes.length === 0) return [all];
  return [all, {
    kind: "table",
    caption: "The same for each mode",
    head: ["run", "tasks", ...head],
    rows: modes,
  }];
}

/** Tasks by what they are coloured by: modes, or none. */
function modeName(mode: number, modes: number): string {
  return modes === 0 ? "task" : `mode ${mode}`;
}

function mapBlocks(
  [{ label }, { loaded, evaluation, map }]: Evaluated,
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
      caption: `Embeddings that the task encoder made of ${
        map.pca.length < evaluation.tasks.count ? "the first " : ""
      }${map.pca.length} of these tasks.${separation}`,
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
  [{ label }, { loaded, evaluation }]: Evaluated,
  id: string,
): Block[] {
  const paths = evaluation.paths.toSorted((a, b) => a.mode - b.mode || a.task - b.task);
  if (paths.length === 0) return [];
  const { modes } = loaded.env.spec;
  const panel = (title: string, points: (path: TaskPath) => TaskPath["before"]) => ({
    title,
    paths: paths.map((path) => {
      const all = points(path);
      const last = all.length - 1;
      const every = Math.ceil(all.length / PATH_POINTS);
      const kept = all.filter((_, t) => t % every === 0 || t === last);
      return {
        ...modes === 0
          ? { name: `task ${path.task}`, color: path.task }
          : { name: modeName(path.mode, modes), color: path.mode },
        goal: [rounded(path.goal[0], 4) ?? 0, rounded(path.goal[1], 4) ?? 0] as const,
        ...{ every, last },
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
export function freshTasksSection(
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
  const [, { evaluation: { tasks }, seed, mode }] = evaluated[0];
  const rollouts = [...new Set(evaluated.map(([, { loaded }]) => loaded.config.rolloutsPerTask))];
  const difference = differenceAmong(evaluated);
  return {
    id: numbered("fresh-tasks", at),
    title: isOnly ? "Fresh tasks" : `Fresh tasks: ${runs.environment}`,
    blocks: [
      {
        kind: "text",
        text: `${tasks.count} tasks${mode === null ? "" : ` of mode ${mode}`} that no training ` +
          `has seen (seed ${seed}), ${
            rollouts.join(" or ")
          } rollouts before and after each inner ` +
          `step${
            evaluated.length === 1
              ? ""
              : difference === ""
              ? "; the same tasks for all runs"
              : `. Returns of these runs are not comparable, their tasks differ: ${difference}`
          }.`,
      },
      ...evaluated.flatMap(([, { loaded, evaluation }]) => {
        const text = cutText(loaded, evaluation);
        return text === null ? [] : [{ kind: "text", text } as const];
      }),
      adaptationChart(evaluated, at),
      ...adaptationTables(evaluated),
      ...evaluated.flatMap((each, i) => mapBlocks(each, `${numbered("map", at)}-${i + 1}`)),
      ...evaluated.flatMap((each, i) => pathBlocks(each, `${numbered("paths", at)}-${i + 1}`)),
    ],
  };
}
