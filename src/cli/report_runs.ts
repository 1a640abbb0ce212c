/** What `metarl report` does, and what is written at the end of a training run. */
import { dirname } from "node:path";
import { commonMode } from "../evaluation/comparison.ts";
import { type EmbeddingMap, embeddingMap } from "../evaluation/embedding.ts";
import { evaluate, type Evaluation } from "../evaluation/evaluate.ts";
import { type LoadedRun, loadRun } from "../evaluation/load_run.ts";
import { cutText, summarize } from "../evaluation/summary.ts";
import { buildReport } from "../report/build.ts";
import { reportHtml } from "../report/html.ts";
import type { EvaluatedRun } from "../report/fresh_tasks.ts";
import { type MetaRun, readSource, type ReportSource } from "../report/read_run.ts";
import { writeFileAtomic } from "../run/files.ts";
import { REPORT_FILE } from "../run/run_dir.ts";
import { writeTensorBoard } from "../run/tensorboard.ts";
import { messageOf, RunError, UserError } from "../util/errors.ts";
import { refuseOptions, seedOption, stepsOption, wholeOption, workersOption } from "./options.ts";
import { outFile, sizeText } from "./out_file.ts";
import type { Output } from "./output.ts";
import { VERSION } from "./version.ts";

/** What the user typed. */
export interface ReportOptions {
  readonly out?: string;
  readonly tasks?: string;
  readonly steps?: string;
  readonly seed?: string;
  readonly workers?: string;
  /** False with --no-eval. */
  readonly eval?: boolean;
  readonly tensorboard?: true;
  readonly force?: true;
}

const DEFAULT_TASKS = 40;
const MOST_TASKS = 100_000;
/** Fewer task embeddings than this say nothing on a map. */
const LEAST_MAPPED = 10;
/** Time and memory of a map grow with the square; more tasks than this show nothing more. */
const MOST_MAPPED = 500;
/** Trajectories that are drawn. */
const PATHS = 12;

/** How runs are evaluated. */
interface EvaluationSetting {
  readonly tasks: number;
  /** `null`: as in training. */
  readonly steps: number | null;
  readonly seed: number;
  readonly workers: number;
}

async function evaluateRun(
  loaded: LoadedRun,
  setting: EvaluationSetting,
  mode: number | null,
  output: Output,
): Promise<EvaluatedRun> {
  const { tasks, seed } = setting;
  const evaluation = await evaluate(loaded, {
    ...{ tasks, seed, mode, workers: setting.workers, paths: PATHS },
    steps: setting.steps ?? loaded.config.innerSteps,
    observer: {
      onTasks: (done) => output.status(`${loaded.path}: ${done}/${tasks} tasks`),
      onNotice: (line) => output.error(line),
    },
  });
  output.status(null);
  const cut = cutText(loaded, evaluation);
  if (cut !== null) output.error(cut);
  return {
    ...{ loaded, seed, mode, evaluation },
    summary: summarize(evaluation, loaded.env.spec.modes),
    map: mapOf(loaded, evaluation, seed, output),
  };
}

/** Map of the first task embeddings; `null` where there are none, or too few for one. */
function mapOf(
  { path, env: { spec } }: LoadedRun,
  { embeddings, tasks: { count, modes } }: Evaluation,
  seed: number,
  output: Output,
): EmbeddingMap | null {
  if (embeddings === null || count < LEAST_MAPPED) return null;
  const mapped = Math.min(count, MOST_MAPPED);
  const first = embeddings.subarray(0, mapped * (embeddings.length / count));
  try {
    return embeddingMap(first, mapped, spec.modes === 0 ? null : modes.subarray(0, mapped), seed);
  } catch (error) {
    if (!(error instanceof RunError)) throw error;
    output.error(`${path}: no map of the task embeddings: ${error.message}`);
    return null;
  }
}

/** The run with its checkpoint; a line for the reader where it has none yet. */
async function loadForReport(run: MetaRun): Promise<LoadedRun | string> {
  try {
    return await loadRun(run.path, { checkpoint: null, version: VERSION });
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    if (error.code === "checkpoint-not-found") return `Not evaluated: ${error.message}.`;
    throw new UserError(
      error.code,
      `${error.message}; with --no-eval the report is made without evaluating`,
      { cause: error },
    );
  }
}

function tasksText(tasks: number): string {
  return tasks === 1 ? "1 task" : `${tasks} tasks`;
}

function isMetarlRun(source: ReportSource): source is MetaRun {
  return source.kind === "meta" && source.params !== null;
}

async function makePage(
  sources: readonly ReportSource[],
  setting: EvaluationSetting | null,
  output: Output,
): Promise<string> {
  const evaluations = new Map<string, EvaluatedRun>();
  const notices: string[] = [];
  const loaded: LoadedRun[] = [];
  for (const source of setting === null ? [] : sources.filter(isMetarlRun)) {
    const run = await loadForReport(source);
    if (typeof run === "string") notices.push(run);
    else loaded.push(run);
  }
  for (const run of loaded) run.notices.forEach((line) => notices.push(line));
  notices.forEach((line) => output.error(line));
  for (const run of loaded) {
    output.error(`evaluating ${tasksText(setting!.tasks)} of ${run.path} for the report`);
    const beside = loaded.filter(({ env }) => env.spec.name === run.env.spec.name);
    evaluations.set(run.path, await evaluateRun(run, setting!, commonMode(beside), output));
  }
  return await reportHtml(buildReport({ sources, evaluations, notices }), VERSION);
}

/** Where the report goes where it is not said. */
function defaultOut({ path }: ReportSource): string {
  return path.endsWith(".csv")
    ? `${path.slice(0, -".csv".length)}-${REPORT_FILE}`
    : `${path}/${REPORT_FILE}`;
}

function writeTensorBoards(
  sources: readonly ReportSource[],
  options: ReportOptions,
  output: Output,
): void {
  const { tasks, steps, seed, workers } = options;
  refuseOptions({ tasks, steps, seed, workers }, "--tensorboard");
  if (options.out !== undefined && sources.length > 1) {
    throw new UserError("usage", "--tensorboard with --out takes one run; leave --out out");
  }
  for (const source of sources) {
    if (source.kind === "famle-adapt") {
      throw new UserError(
        "usage",
        `${source.path} is a result of famle adapt, which has no progress.csv for TensorBoard`,
      );
    }
    const { path, progress, params } = source;
    const folder = options.out ??
      `${path.endsWith(".csv") ? dirname(path) : path}/tensorboard`;
    const started = params === null ? 0 : Date.parse(params.started) / 1000;
    const file = writeTensorBoard(folder, progress, started);
    output.line(`${file}: ${progress.rows.length} steps; tensorboard --logdir ${folder}`);
  }
}

/** Writes the report of these runs. @throws UserError for whatever the user has to change */
export async function reportRuns(
  paths: readonly string[],
  options: ReportOptions,
  output: Output,
): Promise<void> {
  const setting: EvaluationSetting = {
    tasks: wholeOption("--tasks", options.tasks, DEFAULT_TASKS, 1, MOST_TASKS),
    steps: stepsOption(options.steps),
    seed: seedOption(options.seed),
    workers: workersOption(options.workers),
  };
  // the same folder twice, however it is written, says nothing more
  const byPlace = new Map<string, ReportSource>();
  for (const path of paths) {
    const source = await readSource(path, VERSION);
    const place = await Deno.realPath(source.path);
    if (!byPlace.has(place)) byPlace.set(place, source);
  }
  const sources = [...byPlace.values()];
  if (options.tensorboard) return writeTensorBoards(sources, options, output);
  if (options.eval === false) {
    const { tasks, steps, seed, workers } = options;
    refuseOptions({ tasks, steps, seed, workers }, "--no-eval");
  }
  const out = options.out ?? defaultOut(sources[0]);
  const { folder, name } = outFile(out, options.out === undefined || options.force === true);
  const page = new TextEncoder().encode(
    await makePage(sources, options.eval === false ? null : setting, output),
  );
  writeFileAtomic(folder, name, page);
  output.line(`report: ${out} (${sizeText(page.length)})`);
}

/**
 * Writes report.html into the folder of a run that has just ended; an error becomes one line, since
 * the run is done and saved. The file is there from the start and is replaced once a meta-batch of
 * fresh tasks was evaluated.
 *
 * @param evaluation how to evaluate; `null`: not at all, as of a run that was stopped
 * @param json whether standard output is for a script
 */
export async function writeRunReport(
  path: string,
  evaluation: Omit<EvaluationSetting, "steps"> | null,
  output: Output,
  json: boolean,
): Promise<void> {
  const write = async (setting: EvaluationSetting | null) => {
    const source = await readSource(path, VERSION);
    const page = new TextEncoder().encode(await makePage([source], setting, output));
    writeFileAtomic(path, REPORT_FILE, page);
  };
  let what = "no report";
  try {
    await write(null);
    if (evaluation !== null) {
      what = `${path}/${REPORT_FILE} is without fresh tasks`;
      const tasks = Math.min(evaluation.tasks, DEFAULT_TASKS);
      await write({ ...evaluation, tasks, steps: null });
    }
    const line = `report: ${path}/${REPORT_FILE}`;
    if (json) output.error(line);
    else output.line(line);
  } catch (error) {
    output.status(null);
    // stopped before its first row: there is nothing to tell
    if (error instanceof UserError && error.code === "run-empty") return;
    output.error(`warning: ${what}: ${messageOf(error)}`);
  }
}
