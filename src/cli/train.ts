/**
 * What `metarl mmaml` and `metarl promp` do: take the run folder, call the trainer, show its
 * progress, end well when interrupted.
 */
import type { RunConfig } from "../config/schema.ts";
import type { MetaAlgorithm, TrainMeta, TrainSummary } from "../trainer/types.ts";
import { messageOf, UserError } from "../util/errors.ts";
import { ExitCode } from "./failure.ts";
import { Interrupt } from "./interrupt.ts";
import type { Output } from "./output.ts";
import { type PreparedRun, prepareRun } from "./prepare_run.ts";
import { JsonView, LineView, type ProgressView, StatusView } from "./progress.ts";
import type { TrainOptions } from "./train_options.ts";
import { VERSION } from "./version.ts";

function viewFor(
  options: TrainOptions,
  output: Output,
  config: RunConfig,
  firstIteration: number,
): ProgressView {
  if (options.json) return new JsonView(output);
  if (!output.isTerminal) return new LineView(output, config.iterations);
  return new StatusView(output, config.iterations, firstIteration);
}

function headline(algorithm: MetaAlgorithm, { config, run }: PreparedRun, workers: number): string {
  const compat = config.compat === "none" ? "" : `, compat ${config.compat}`;
  const mode = config.mode === null ? "" : `, mode ${config.mode}`;
  return `metarl ${VERSION}: ${algorithm} on ${config.env}${mode}, seed ${config.seed}` +
    `${compat}, ${config.iterations} iterations, ${workers} workers, run folder ${run.path}`;
}

/** How many sampling workers: as asked, or one per core; never more than there are tasks. */
function workerCount(config: RunConfig): number {
  const wanted = config.workers ?? (config.parallel ? navigator.hardwareConcurrency : 1);
  return Math.min(wanted, config.metaBatchSize);
}

/** Path as an argument for a shell. */
function shellWord(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}

/** Trains; gives the exit code. `trainMeta` is the trainer to call, for tests. */
export async function train(
  algorithm: MetaAlgorithm,
  configPath: string | undefined,
  options: TrainOptions,
  output: Output,
  trainMeta?: TrainMeta,
): Promise<number> {
  const prepared = await prepareRun(algorithm, configPath, options);
  const { config, run, resume, init } = prepared;
  using _run = run;
  const workers = workerCount(config);

  const say = (line: string) => {
    output.error(line);
    run.note(line);
  };
  using interrupt = new Interrupt(() =>
    say("finishing this iteration, then writing a checkpoint; Ctrl-C again ends at once")
  );
  const first = headline(algorithm, prepared, workers);
  run.note(`${new Date().toISOString()} ${first}`);
  if (!options.json) output.line(first);
  prepared.notices.forEach(say);

  const view = viewFor(options, output, config, resume?.iteration ?? 0);
  let rows = 0;
  let summary: TrainSummary;
  try {
    const call = trainMeta ?? (await import("../trainer/meta_trainer.ts")).trainMeta;
    summary = await call(
      { algorithm, config, writer: run, resume, init, workers, stop: interrupt.signal },
      {
        onPhase: (phase) => view.phase(phase),
        onIteration: (report) => {
          rows++;
          view.iteration(report);
          if (output.isClosed) interrupt.abort();
        },
        // the trainer has put it into the run's log
        onNotice: (line) => output.error(line),
      },
    );
  } catch (error) {
    try {
      // asked wrongly and nothing done: leave nothing behind
      if (error instanceof UserError && rows === 0 && resume === null) run.discard();
      else run.note(`error: ${messageOf(error)}`);
    } catch {
      // the disk may be what failed; the first error says more
    }
    throw error;
  }
  view.summary(summary, run.path);
  if (summary.status === "finished") return ExitCode.OK;
  say(`continue with: metarl ${algorithm} --resume ${shellWord(run.path)}`);
  return ExitCode.INTERRUPTED;
}
