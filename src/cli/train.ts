/**
 * What `metarl mmaml` and `metarl promp` do: take the run folder, call the trainer, show its
 * progress, end well when interrupted.
 */
import type { RunConfig } from "../config/schema.ts";
import type { MetaAlgorithm, TrainMeta, TrainSummary } from "../trainer/types.ts";
import { ExitCode } from "./failure.ts";
import { headline, workerCount } from "./headline.ts";
import { Interrupt } from "./interrupt.ts";
import type { Output } from "./output.ts";
import { prepareRun } from "./prepare_run.ts";
import { IterationLines, JsonView, LineView, type ProgressView, StatusView } from "./progress.ts";
import { leaveFailed, shellWord } from "./run_folder.ts";
import type { TrainOptions } from "./train_options.ts";

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

/** Trains; gives the exit code. `trainMeta` is the trainer to call, for tests. */
export async function train(
  algorithm: MetaAlgorithm,
  configPath: string | undefined,
  options: TrainOptions,
  output: Output,
  trainMeta?: TrainMeta,
): Promise<number> {
  const { config, run, resume, init, notices } = await prepareRun(algorithm, configPath, options);
  using _run = run;
  const workers = workerCount(config);

  const say = (line: string) => {
    output.error(line);
    run.note(line);
  };
  using interrupt = new Interrupt(() =>
    say("finishing this iteration, then writing a checkpoint; Ctrl-C again ends at once")
  );
  const first = `${headline(algorithm, config, workers)}, run folder ${run.path}`;
  run.note(`${new Date().toISOString()} ${first}`);
  if (!options.json) output.line(first);
  notices.forEach(say);

  const view = viewFor(options, output, config, resume?.iteration ?? 0);
  const lines = new IterationLines(config.iterations);
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
          run.note(lines.of(report));
          if (output.isClosed) interrupt.abort();
        },
        // the trainer has put it into the run's log
        onNotice: (line) => output.error(line),
      },
    );
  } catch (error) {
    leaveFailed(run, error, rows === 0 && resume === null);
    throw error;
  }
  view.summary(summary, run.path);
  if (summary.status === "finished") return ExitCode.OK;
  say(`continue with: metarl ${algorithm} --resume ${shellWord(run.path)}`);
  return ExitCode.INTERRUPTED;
}
