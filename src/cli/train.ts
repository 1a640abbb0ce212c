/**
 * What `metarl mmaml` and `metarl promp` do: take the run folder, call the trainer, show its
 * progress, end well when interrupted.
 */
import type { RunConfig } from "../config/schema.ts";
import { isEnvModule } from "../envs/registry.ts";
import { TENSORBOARD_FOLDER, TensorBoardWriter } from "../run/tensorboard.ts";
import type { MetaAlgorithm, TrainMeta, TrainSummary } from "../trainer/types.ts";
import { ExitCode } from "./failure.ts";
import { headline, workerCount } from "./headline.ts";
import { Interrupt } from "./interrupt.ts";
import type { Output } from "./output.ts";
import { type PreparedRun, prepareRun } from "./prepare_run.ts";
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

/** What training is shown by and written to. */
interface Training {
  readonly algorithm: MetaAlgorithm;
  readonly prepared: PreparedRun;
  readonly options: TrainOptions;
  readonly workers: number;
  readonly output: Output;
  /** A line for the user and the run's log. */
  readonly say: (line: string) => void;
}

/**
 * Trains until the end, a stop or an error; the run's folder is left as the error demands.
 *
 * @param onFailure called where an error ended a run that has results
 */
async function runTrainer(
  { algorithm, prepared, options, workers, output, say }: Training,
  trainMeta: TrainMeta | undefined,
  onFailure: () => Promise<void>,
): Promise<TrainSummary> {
  const { config, run, resume, init, notices } = prepared;
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
  try {
    using board = options.tensorboard
      ? new TensorBoardWriter(run, `${run.path}/${TENSORBOARD_FOLDER}`)
      : null;
    const call = trainMeta ?? (await import("../trainer/meta_trainer.ts")).trainMeta;
    const writer = board ?? run;
    const summary = await call(
      {
        ...{ algorithm, config, writer, resume, init, workers, stop: interrupt.signal },
        deviceBefore: run.params.device,
      },
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
    view.summary(summary, run.path);
    return summary;
  } catch (error) {
    leaveFailed(run, error, rows === 0 && resume === null);
    if (rows > 0) await onFailure();
    throw error;
  }
}

/**
 * Trains; gives the exit code.
 *
 * @param trainMeta the trainer to call, for tests; no report is written then
 */
export async function train(
  algorithm: MetaAlgorithm,
  configPath: string | undefined,
  options: TrainOptions,
  output: Output,
  trainMeta?: TrainMeta,
): Promise<number> {
  const prepared = await prepareRun(algorithm, configPath, options);
  const { config, run } = prepared;
  using _run = run;
  const workers = workerCount(config);
  const say = (line: string) => {
    output.error(line);
    run.note(line);
  };
  const hasReport = options.report !== false && trainMeta === undefined;
  const report = async (evaluates: boolean) => {
    if (!hasReport) return;
    const { writeRunReport } = await import("./report_runs.ts");
    const evaluation = { tasks: config.metaBatchSize, seed: config.seed, workers };
    const isJson = options.json === true;
    await writeRunReport(run.path, evaluates ? evaluation : null, output, isJson);
  };
  const training = { algorithm, prepared, options, workers, output, say };
  const { status } = await runTrainer(training, trainMeta, () => report(false));
  const finished = status === "finished";
  await report(finished && !output.isClosed);
  if (finished) return ExitCode.OK;
  const module = isEnvModule(config.env) ? ` --env ${shellWord(config.env)}` : "";
  say(`continue with: metarl ${algorithm} --resume ${shellWord(run.path)}${module}`);
  return ExitCode.INTERRUPTED;
}
