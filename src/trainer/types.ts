/**
 * What a trainer is asked and what it tells while it works. The trainer computes and hands its
 * results to a {@link RunWriter}; whoever called it does the printing.
 */
import type { RunConfig } from "../config/schema.ts";
import type { Checkpoint } from "../run/checkpoint.ts";
import type { ProgressRow } from "../run/log.ts";
import type { RunWriter } from "../run/run_dir.ts";

/** Gradient-based meta-learners. */
export type MetaAlgorithm = "promp" | "mmaml";

/**
 * How long a sampling worker may take for one job (a task of an iteration) before the job is given
 * to a new one. Has no influence on results: a job gives the same bytes whenever it is run.
 */
export interface JobDeadline {
  /** Times the median duration of the run's jobs so far. */
  readonly timesMedian: number;
  /** But not less, in ms. */
  readonly atLeastMs: number;
  /** As long as no job has ended yet, in ms; also for the start of a worker. */
  readonly firstMs: number;
}

/** 20 times as long as others, at least 5 minutes; an hour where there are no others. */
export const JOB_DEADLINE: JobDeadline = {
  timesMedian: 20,
  atLeastMs: 5 * 60_000,
  firstMs: 60 * 60_000,
};

/** One training run. */
export interface TrainRequest {
  /** What to train. */
  readonly algorithm: MetaAlgorithm;
  /** How to train it. */
  readonly config: RunConfig;
  /** Where rows and checkpoints go. */
  readonly writer: RunWriter;
  /** State to go on from, of a run with the same {@link RunConfig} but for its free keys. */
  readonly resume: Checkpoint | null;
  /** What the run was on before it is continued; a line says where that is something else now. */
  readonly deviceBefore?: string | null;
  /** Parameters to start from at iteration 0; not together with `resume`. */
  readonly init: Checkpoint | null;
  /** Number of sampling workers, at least 1. */
  readonly workers: number;
  /** Once aborted: finish the iteration, write a checkpoint, return. */
  readonly stop: AbortSignal;
  /** When a job counts as one that never ends; {@link JOB_DEADLINE} where it is left out. */
  readonly deadline?: JobDeadline;
}

/** One finished iteration. */
export interface IterationReport {
  /** Number of the iteration, from 0. */
  readonly iteration: number;
  /** Average return at steps 0 .. K; the last one is post-adaptation. Empty: sampling diverged. */
  readonly returns: readonly number[];
  /** Environment steps taken in this iteration. */
  readonly environmentSteps: number;
  /** Wall time of this iteration. */
  readonly seconds: number;
  /** What progress.csv got. */
  readonly row: ProgressRow;
}

/** Told while training goes on. */
export interface TrainObserver {
  /** What is being done now, within an iteration: `sampling`, `outer step 2 of 5`. */
  onPhase?(phase: string): void;
  /** An iteration is done and logged. */
  onIteration(report: IterationReport): void;
  /** A line that the user should read: which device was taken and why, a worker that died. */
  onNotice(line: string): void;
}

/** How a run ended. */
export interface TrainSummary {
  /** Whether all iterations were done. */
  readonly status: "finished" | "stopped";
  /** Iterations done, those before a resume included. */
  readonly iteration: number;
  /** Of this call alone, as are `seconds`. */
  readonly environmentSteps: number;
  /** Wall time of this call. */
  readonly seconds: number;
  /** Average returns of the last iteration, steps 0 .. K; `null` where this call did none. */
  readonly returns: readonly number[] | null;
  /** Path of the last checkpoint, `null` where none was written. */
  readonly checkpoint: string | null;
  /** What the kernels ran on. */
  readonly device: string;
}

/** The trainer of ProMP and MMAML, `meta_trainer.ts`. */
export type TrainMeta = (request: TrainRequest, observer: TrainObserver) => Promise<TrainSummary>;
