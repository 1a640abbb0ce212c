/** A small training problem and a writer that keeps what it is given, for tests of the trainer. */
import { resolveConfig } from "../../src/config/parse.ts";
import type { RunConfig } from "../../src/config/schema.ts";
import type { JsonValue } from "../../src/util/json.ts";
import { type Checkpoint, encodeCheckpoint } from "../../src/run/checkpoint.ts";
import { isTimeColumn, type ProgressRow } from "../../src/run/log.ts";
import type { RunWriter } from "../../src/run/run_dir.ts";
import { trainMeta } from "../../src/trainer/meta_trainer.ts";
import type { MetaAlgorithm, TrainRequest, TrainSummary } from "../../src/trainer/types.ts";

/** 5 tasks with 3 rollouts of 12 steps, 2 inner steps, 2 outer steps, on the point mass. */
export const TINY = {
  env: "MetaPointEnvMomentumModes",
  meta_batch_size: 5,
  rollouts_per_meta_task: 3,
  max_path_length: 12,
  num_inner_grad_steps: 2,
  num_promp_steps: 2,
  hidden_sizes: [8, 8],
  cell_size: 6,
  inner_lr: 0.01,
  learning_rate: 0.01,
  n_itr: 2,
  save_steps: 1000,
  device: "cpu",
};

/** A valid configuration: {@link TINY} with changes, under published names. */
export function tinyConfig(changes: Readonly<Record<string, unknown>> = {}): RunConfig {
  const values = { ...TINY, ...changes } as Record<string, JsonValue>;
  return resolveConfig([{ source: "test", values }]).config;
}

/** What a run wrote. */
export class MemoryWriter implements RunWriter {
  readonly rows: ProgressRow[] = [];
  readonly checkpoints: Checkpoint[] = [];
  readonly notes: string[] = [];
  device = "";
  columns: readonly string[] = [];
  firstIteration = -1;

  recordDevice(description: string): void {
    this.device = description;
  }

  startProgress(columns: readonly string[], firstIteration: number): void {
    this.columns = columns;
    this.firstIteration = firstIteration;
  }

  appendRow(row: ProgressRow): void {
    this.rows.push(row);
  }

  saveCheckpoint(checkpoint: Checkpoint): Promise<string> {
    this.checkpoints.push(checkpoint);
    return Promise.resolve(`checkpoint ${checkpoint.iteration}`);
  }

  note(line: string): void {
    this.notes.push(line);
  }

  /** Rows without the columns that measure time. */
  results(): Record<string, number | null>[] {
    return this.rows.map((row) =>
      Object.fromEntries(Object.entries(row).filter(([name]) => !isTimeColumn(name)))
    );
  }

  /** Bytes of the last checkpoint. */
  lastBytes(): Promise<Uint8Array> {
    return encodeCheckpoint(this.checkpoints[this.checkpoints.length - 1]);
  }
}

/** Trains, and gives back what was written and told. */
export async function train(
  algorithm: MetaAlgorithm,
  config: RunConfig,
  { writer = new MemoryWriter(), ...options }:
    & { readonly writer?: MemoryWriter }
    & Partial<Pick<TrainRequest, "resume" | "init" | "workers" | "deadline">> = {},
): Promise<{ writer: MemoryWriter; summary: TrainSummary; notices: string[] }> {
  const notices: string[] = [];
  const summary = await trainMeta({
    algorithm,
    config,
    writer,
    resume: null,
    init: null,
    workers: 1,
    stop: new AbortController().signal,
    ...options,
  }, { onIteration: () => {}, onNotice: (line) => notices.push(line) });
  return { writer, summary, notices };
}
