/**
 * `metarl mmaml|promp --dry-run`: what a run would take, from real iterations of it that leave
 * nothing behind. Where the first iteration is short, workers that start and code that is not
 * compiled yet would weigh too much in it, so the second one is measured.
 */
import { loadEnv } from "../envs/registry.ts";
import type { RunWriter } from "../run/run_dir.ts";
import { metaBatchBytes } from "../trainer/meta_batch.ts";
import { envOptions, objectiveSpec } from "../trainer/specs.ts";
import type { IterationReport, MetaAlgorithm, TrainMeta, TrainObserver } from "../trainer/types.ts";
import { UserError } from "../util/errors.ts";
import { headline, workerCount } from "./headline.ts";
import type { Output } from "./output.ts";
import { type SettledRun, settleNew } from "./prepare_run.ts";
import { formatRate } from "./progress.ts";
import type { TrainOptions } from "./train_options.ts";

/** A first iteration that takes longer than this, in s, is the measured one. */
const LONG_ITERATION = 10;

/** Keeps nothing. */
const NO_WRITER: RunWriter = {
  recordDevice: () => {},
  startProgress: () => {},
  appendRow: () => {},
  saveCheckpoint: () => Promise.resolve("none"),
  note: () => {},
};

/** What was measured, and what follows for the whole run; sizes in bytes, times in s. */
interface Forecast {
  readonly iterations: number;
  readonly workers: number;
  readonly device: string;
  readonly secondsPerIteration: number;
  readonly expectedSeconds: number;
  readonly environmentStepsPerIteration: number;
  readonly residentBytes: number;
  readonly trajectoryBytes: number;
  readonly phaseSeconds: Readonly<Record<string, number>>;
}

/** Columns of the phases, and what they are called here. */
const PHASES: Readonly<Record<string, string>> = {
  "Time-Sampling": "sampling",
  "Time-EnvStep": "of that environment",
  "Time-SampleProc": "sample processing",
  "Time-InnerStep": "inner steps",
  "Time-OuterStep": "outer steps",
};

/** `0.512 s`. */
export function seconds(value: number): string {
  return `${Number(value.toPrecision(3))} s`;
}

/** `40 s`, `33 min`, `2 h 5 min`: as exact as a forecast is. */
export function roughDuration(value: number): string {
  const minutes = Math.round(value / 60);
  if (value < 100) return `${Math.ceil(value)} s`;
  return minutes < 100 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `184 MiB`. */
export function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}

function print(forecast: Forecast, output: Output): void {
  const { iterations, secondsPerIteration, environmentStepsPerIteration } = forecast;
  const phases = Object.entries(forecast.phaseSeconds)
    .map(([name, value]) => `${name} ${seconds(value)}`);
  output.line(
    `one iteration: ${seconds(secondsPerIteration)}, ` +
      `${formatRate(environmentStepsPerIteration / secondsPerIteration)} steps/s; ` +
      phases.join(", "),
  );
  output.line(
    `expected: ${iterations} iterations in ${roughDuration(forecast.expectedSeconds)}, ` +
      `${formatRate(iterations * environmentStepsPerIteration)} environment steps`,
  );
  output.line(
    `memory: ${mebibytes(forecast.residentBytes)} resident, of which trajectories take ` +
      mebibytes(forecast.trajectoryBytes),
  );
}

/** What one iteration took. */
export interface MeasuredIteration {
  /** What the kernels ran on. */
  readonly device: string;
  readonly report: IterationReport;
  /** Largest resident size seen, in bytes. */
  readonly residentBytes: number;
}

/**
 * Trains one iteration, or two where the first one is not long, and keeps nothing.
 *
 * @param long seconds of a first iteration that is measured itself
 * @param tell what is being done; lines that the user should read
 * @param trainMeta the trainer to call, for tests
 */
export async function measureIteration(
  algorithm: MetaAlgorithm,
  { config, init }: Pick<SettledRun, "config" | "init">,
  long: number,
  tell: Pick<TrainObserver, "onPhase" | "onNotice">,
  trainMeta?: TrainMeta,
): Promise<MeasuredIteration> {
  const stop = new AbortController();
  const workers = workerCount(config);
  let report: IterationReport | null = null;
  let residentBytes = 0;
  const lookAtMemory = () => {
    residentBytes = Math.max(residentBytes, Deno.memoryUsage().rss);
  };
  const call = trainMeta ?? (await import("../trainer/meta_trainer.ts")).trainMeta;
  const { device } = await call(
    { algorithm, config, writer: NO_WRITER, resume: null, init, workers, stop: stop.signal },
    {
      onPhase: (phase) => {
        lookAtMemory();
        tell.onPhase?.(phase);
      },
      onIteration: (done) => {
        lookAtMemory();
        report = done;
        if (done.iteration > 0 || done.seconds > long) stop.abort();
      },
      onNotice: tell.onNotice,
    },
  );
  return { device, report: report! as IterationReport, residentBytes };
}

/** Bytes that the trajectories of one iteration take. */
async function trajectoryBytesOf(
  algorithm: MetaAlgorithm,
  { config, spec: tables }: Pick<SettledRun, "config" | "spec">,
): Promise<number> {
  const { spec } = await loadEnv(config.env, envOptions(config, tables));
  return metaBatchBytes(objectiveSpec(config, algorithm, spec), spec);
}

/** Measures and prints; `trainMeta` is the trainer to call, for tests. */
export async function dryRun(
  algorithm: MetaAlgorithm,
  configPath: string | undefined,
  options: TrainOptions,
  output: Output,
  trainMeta?: TrainMeta,
): Promise<void> {
  if (options.resume !== undefined) {
    throw new UserError("usage", "--dry-run can't be combined with --resume");
  }
  const settled = await settleNew(configPath, options);
  const { config, notices } = settled;
  const workers = workerCount(config);
  if (!options.json) output.line(`${headline(algorithm, config, workers)}, dry run`);
  notices.forEach((line) => output.error(line));

  const tell = {
    onPhase: (phase: string) => output.status(phase),
    onNotice: (line: string) => output.error(line),
  };
  const measured = await measureIteration(algorithm, settled, LONG_ITERATION, tell, trainMeta);
  const { device, report, residentBytes } = measured;
  output.status(null);
  const { seconds: secondsPerIteration, environmentSteps, row } = report;
  const forecast: Forecast = {
    iterations: config.iterations,
    workers,
    device,
    secondsPerIteration,
    expectedSeconds: config.iterations * secondsPerIteration,
    environmentStepsPerIteration: environmentSteps,
    residentBytes,
    trajectoryBytes: await trajectoryBytesOf(algorithm, settled),
    phaseSeconds: Object.fromEntries(
      Object.entries(PHASES)
        .filter(([column]) => typeof row[column] === "number")
        .map(([column, name]) => [name, row[column] as number]),
    ),
  };
  if (options.json) output.line(JSON.stringify({ type: "dry-run", ...forecast }));
  else print(forecast, output);
}
