/** What `metarl eval` does: evaluates runs on the same tasks, prints returns and differences. */
import { commonMode, taskDifference } from "../evaluation/comparison.ts";
import { evaluate, type Evaluation } from "../evaluation/evaluate.ts";
import { type LoadedRun, loadRun } from "../evaluation/load_run.ts";
import {
  cutText,
  type EvaluationSummary,
  pairedDifference,
  summarize,
  type TasksSummary,
} from "../evaluation/summary.ts";
import type { MeanInterval } from "../util/bootstrap.ts";
import { UserError } from "../util/errors.ts";
import {
  checkpointOption,
  modeOption,
  seedOption,
  stepsOption,
  wholeOption,
  workersOption,
} from "./options.ts";
import type { Output } from "./output.ts";
import { printTable } from "./table.ts";
import { VERSION } from "./version.ts";

/** What the user typed. */
export interface EvalOptions {
  readonly tasks?: string;
  readonly steps?: string;
  readonly checkpoint?: string;
  readonly mode?: string;
  readonly seed?: string;
  readonly workers?: string;
  readonly json?: true;
}

const DEFAULT_TASKS = 200;
const MOST_TASKS = 1_000_000;

/** One run and what came of it. */
interface Evaluated {
  readonly run: LoadedRun;
  readonly steps: number;
  readonly evaluation: Evaluation;
  readonly summary: EvaluationSummary;
}

function checkComparable([first, ...others]: readonly LoadedRun[]): void {
  for (const other of others) {
    const difference = taskDifference(first, other);
    if (difference === "") continue;
    throw new UserError(
      "eval-comparison",
      `can't compare ${first.path} with ${other.path}: their tasks differ: ${difference}; ` +
        "evaluate them one by one",
    );
  }
}

/** How returns are printed: all with the decimals that suit the largest of them. */
class ReturnFormat {
  readonly #decimals: number;

  constructor(values: readonly number[]) {
    const size = Math.max(...values.map(Math.abs));
    this.#decimals = size >= 100 ? 1 : size >= 10 ? 2 : 3;
  }

  text(value: number): string {
    return value.toFixed(this.#decimals);
  }
}

function stepName(step: number, trained: number): string {
  if (step === 0) return "before adaptation";
  const beyond = step > trained ? ` (trained with ${trained})` : "";
  return `after ${step} step${step === 1 ? "" : "s"}${beyond}`;
}

/** The interval for people: of a single task there is none. */
function intervalText(value: MeanInterval, tasks: number, format: ReturnFormat): string {
  return tasks < 2 ? "-" : `${format.text(value.low)} .. ${format.text(value.high)}`;
}

/** Names of the lines of a summary, with their numbers. */
function linesOf({ returns, doNothing, oracle }: TasksSummary, run: LoadedRun) {
  return [
    ...returns.map((value, step) => [stepName(step, run.config.innerSteps), value] as const),
    ["do nothing", doNothing] as const,
    ...oracle === null ? [] : [["oracle", oracle] as const],
  ];
}

function printAll(
  all: TasksSummary,
  run: LoadedRun,
  format: ReturnFormat,
  output: Output,
): void {
  printTable([
    ["", "return", "95 % interval"],
    ...linesOf(all, run).map(([name, value]) => [
      ...[name, format.text(value.mean), intervalText(value, all.tasks, format)],
    ]),
  ], output);
}

/** A line for each step and a column for each mode: modes are few, steps may be many. */
function printModes(
  modes: readonly TasksSummary[],
  run: LoadedRun,
  format: ReturnFormat,
  output: Output,
): void {
  if (modes.length === 0) return;
  const steps = modes[0].returns.length - 1;
  const columns = modes.map((mode) => linesOf(mode, run));
  const lines = columns[0].map(([name], line) => [
    ...[name, ...columns.map((column) => format.text(column[line][1].mean))],
  ]);
  const bound = (pick: (value: MeanInterval) => number) =>
    modes.map(({ tasks, returns }) => tasks < 2 ? "-" : format.text(pick(returns[steps])));
  lines.splice(
    steps + 1,
    0,
    ["  95 % interval from", ...bound(({ low }) => low)],
    ["  to", ...bound(({ high }) => high)],
  );
  output.line("");
  printTable([
    ["", ...modes.map(({ mode }) => `mode ${mode}`)],
    ["tasks", ...modes.map(({ tasks }) => String(tasks))],
    ...lines,
  ], output);
}

function print({ run, evaluation, summary }: Evaluated, seed: number, output: Output): void {
  output.line(
    `${run.path}: ${run.algorithm} on ${run.env.spec.name}, checkpoint of ` +
      `${run.checkpoint.iteration} iterations, ${evaluation.tasks.count} fresh tasks with ` +
      `${run.config.rolloutsPerTask} rollouts per step, seed ${seed}`,
  );
  const { returns, doNothing } = summary.all;
  const format = new ReturnFormat([...returns, doNothing].map(({ mean }) => mean));
  printAll(summary.all, run, format, output);
  printModes(summary.modes, run, format, output);
}

function toJson({ run, steps, evaluation, summary }: Evaluated, seed: number) {
  return {
    run: run.path,
    algorithm: run.algorithm,
    environment: run.params.environment,
    checkpoint: run.checkpoint.iteration,
    seed,
    steps,
    trainedSteps: run.config.innerSteps,
    rolloutsPerTask: run.config.rolloutsPerTask,
    environmentSteps: evaluation.environmentSteps,
    nonFiniteRollouts: evaluation.nonFinite,
    ...summary,
  };
}

/** Every later run against the first one. */
function differences([first, ...others]: readonly Evaluated[]) {
  return others.map((other) => ({
    run: other.run.path,
    minus: first.run.path,
    step: Math.min(first.steps, other.steps),
    ...pairedDifference(other.evaluation, first.evaluation),
  }));
}

/** Evaluates the runs in these folders. @throws UserError for whatever the user has to change */
export async function evaluateRuns(
  folders: readonly string[],
  options: EvalOptions,
  output: Output,
): Promise<void> {
  const tasks = wholeOption("--tasks", options.tasks, DEFAULT_TASKS, 1, MOST_TASKS);
  const askedSteps = stepsOption(options.steps);
  const checkpoint = checkpointOption(options.checkpoint);
  const seed = seedOption(options.seed);
  const workers = workersOption(options.workers);
  const runs: LoadedRun[] = [];
  for (const folder of folders) {
    const run = await loadRun(folder, { checkpoint, version: VERSION });
    run.notices.forEach((line) => output.error(line));
    runs.push(run);
  }
  checkComparable(runs);
  const mode = modeOption(options.mode, runs[0].env.spec) ?? commonMode(runs);

  const all: Evaluated[] = [];
  for (const run of runs) {
    const steps = askedSteps ?? run.config.innerSteps;
    const evaluation = await evaluate(run, {
      ...{ tasks, steps, seed, mode, workers },
      observer: {
        onTasks: (done) => output.status(`${run.path}: ${done}/${tasks} tasks`),
        onNotice: (line) => output.error(line),
      },
    });
    output.status(null);
    const summary = summarize(evaluation, run.env.spec.modes);
    const evaluated = { run, steps, evaluation, summary };
    const cut = cutText(run, evaluation);
    if (cut !== null) output.error(cut);
    if (!options.json) {
      if (all.length > 0) output.line("");
      print(evaluated, seed, output);
    }
    all.push(evaluated);
  }
  const compared = differences(all);
  if (options.json) {
    const report = { runs: all.map((each) => toJson(each, seed)), differences: compared };
    return output.line(JSON.stringify(report));
  }
  if (compared.length === 0) return;
  const format = new ReturnFormat(compared.map(({ mean }) => mean));
  output.line("");
  output.line(`on the same tasks, return above that of ${runs[0].path}:`);
  printTable([
    ["", "step", "difference", "95 % interval"],
    ...compared.map((row) => [
      row.run,
      String(row.step),
      (row.mean > 0 ? "+" : "") + format.text(row.mean),
      intervalText(row, tasks, format),
    ]),
  ], output);
}
