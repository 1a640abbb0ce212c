/** An evaluation in numbers: mean returns by step, with intervals over tasks, in all and per mode. */
import { bootstrapMean, type MeanInterval } from "../util/bootstrap.ts";
import type { Evaluation } from "./evaluate.ts";
import type { LoadedRun } from "./load_run.ts";

/** Numbers of some tasks. */
export interface TasksSummary {
  /** The mode that they are of; `null`: all tasks. */
  readonly mode: number | null;
  /** How many. */
  readonly tasks: number;
  /** [K+1] by step: mean over tasks of the mean return of a task's rollouts */
  readonly returns: readonly MeanInterval[];
  /** Of the policy's action 0. */
  readonly doNothing: MeanInterval;
  /** Of the environment's oracle, where it has one. */
  readonly oracle: MeanInterval | null;
}

/** Numbers of an evaluation. */
export interface EvaluationSummary {
  /** Over all tasks. */
  readonly all: TasksSummary;
  /** By mode; empty where the environment has none. */
  readonly modes: readonly TasksSummary[];
}

function pick(values: Float64Array, indices: readonly number[]): Float64Array {
  return Float64Array.from(indices, (m) => values[m]);
}

function summarizeTasks(
  evaluation: Evaluation,
  mode: number | null,
  indices: readonly number[],
): TasksSummary {
  const of = (values: Float64Array) => bootstrapMean(pick(values, indices));
  return {
    mode,
    tasks: indices.length,
    returns: evaluation.returns.map(of),
    doNothing: of(evaluation.doNothing),
    oracle: evaluation.oracle === null ? null : of(evaluation.oracle),
  };
}

/**
 * Mean returns with 95 % bootstrap intervals.
 *
 * @param modes number of modes of the environment, 0 where it has none
 */
export function summarize(evaluation: Evaluation, modes: number): EvaluationSummary {
  const everyTask = Array.from({ length: evaluation.tasks.count }, (_, m) => m);
  const present = Array.from({ length: modes }, (_, mode) => mode)
    .map((mode) => [mode, everyTask.filter((m) => evaluation.tasks.modes[m] === mode)] as const)
    .filter(([, indices]) => indices.length > 0);
  return {
    all: summarizeTasks(evaluation, null, everyTask),
    modes: present.map(([mode, indices]) => summarizeTasks(evaluation, mode, indices)),
  };
}

/**
 * How much higher the returns of `first` are than those of `second` after the last step both
 * have taken, task by task: both evaluations must be of the same tasks and seed.
 *
 * @returns mean difference with its 95 % bootstrap interval over tasks
 */
export function pairedDifference(first: Evaluation, second: Evaluation): MeanInterval {
  const { tasks } = first;
  const isSame = tasks.rows.length === second.tasks.rows.length &&
    tasks.rows.every((value, i) => value === second.tasks.rows[i]);
  if (!isSame) throw new RangeError("Cannot pair evaluations of different tasks");
  const last = Math.min(first.returns.length, second.returns.length) - 1;
  return bootstrapMean(
    Float64Array.from(
      { length: tasks.count },
      (_, m) => first.returns[last][m] - second.returns[last][m],
    ),
  );
}

/** A line that says how many rollouts of the run were cut; `null` where none was. */
export function cutText({ path, env }: LoadedRun, { nonFinite }: Evaluation): string | null {
  if (nonFinite === 0) return null;
  return `warning: ${nonFinite} ${nonFinite === 1 ? "rollout" : "rollouts"} of ${path} ${
    nonFinite === 1 ? "was" : "were"
  } cut because ${env.spec.name} gave numbers that are not finite`;
}
