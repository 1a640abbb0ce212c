/** What `metarl eval` does: evaluates runs on the same tasks, prints returns and differences. */
import { commonMode, taskDifference } from "../evaluation/comparison.ts";
import { evaluate, type Evaluation } from "../evaluation/evaluate.ts";
import { type LoadedRun, loadRun } from "../evaluation/load_run.ts";
import {
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

  interval({ low, high }: MeanInterval): string {
    return `${this.text(low)} .. ${this.text(high)}`;
  }
}

function stepName(step: number, trained: number): string {
  if (step === 0) return "before adaptation";
  const beyond = step > trained ? ` (trained with ${trained})` : "";
  return `after ${step} step${step === 1 ? "" : "s"}${beyond}`;
}

function printAll(
  all: TasksSummary,
  run: LoadedRun,
  format: ReturnFormat,
  output: Output,
): void {
  const rows: [string, MeanInterval][] = all.returns.map((value, step) => [
    stepName(step, run.config.innerSteps),
    value,
  ]);
  rows.push(["do nothing", all.doNothing]);
  if (all.oracle !== null) rows.push(["oracle", all.oracle]);
  printTable([
    ["", "return", "95 % interval"],
    ...rows.map(([name, value]) => [name, format.text(value.mean), format.interval(value)]),
  ], output);
}

function printModes(
  modes: readonly TasksSummary[],
  format: ReturnFormat,
  output: Output,
): void {
  if (modes.length === 0) return;
  const steps = modes[0].returns.length - 1;
  const afters = Array.from({ length: steps }, (_, k) => `after ${k + 1}`);
  const hasOracle = modes[0].oracle !== null;
  output.line("");
  printTable([
    [
      ...["mode", "tasks", "before", ...afters, "95 % interval", "do nothing"],
      ...hasOracle ? ["oracle"] : [],
    ],
    ...modes.map((mode) => [
      String(mode.mode),
      String(mode.tasks),
      ...mode.returns.map(({ mean }) => format.text(mean)),
      format.interval(mode.returns[steps]),
      format.text(mode.doNothing.mean),
      ...mode.oracle === null ? [] : [format.text(mode.oracle.mean)],
    ]),
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
  printModes(summary.modes, format, output);
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
    if (evaluation.nonFinite > 0) {
      output.error(
        `warning: ${evaluation.nonFinite} rollouts of ${run.path} were cut because ` +
          `${run.env.spec.name} gave numbers that are not finite`,
      );
    }
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
      format.interval(row),
    ]),
  ], output);
}
