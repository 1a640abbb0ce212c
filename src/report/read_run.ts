/**
 * What a report is made from, read from files alone: run folders of metarl, folders and
 * progress.csv files of ProMP's and MMAML-rl's own code, results of `metarl famle adapt`. Nothing is
 * written, no lock is taken, no environment is loaded.
 */
import { basename, dirname } from "node:path";
import { checkMetarlVersion } from "../evaluation/load_run.ts";
import { readCheckpoint } from "../run/checkpoint.ts";
import { fileErrorReason } from "../run/files.ts";
import {
  ITERATION_COLUMN,
  type ProgressRow,
  type ProgressTable,
  readProgress,
} from "../run/log.ts";
import { LOG_FILE, PROGRESS_FILE, readRunParams, type RunParams } from "../run/run_dir.ts";
import { UserError } from "../util/errors.ts";
import { type JsonValue, parseJsonText } from "../util/json.ts";
import { type AdaptResult, adaptResultOf } from "./adapt_result.ts";

/** A run of ProMP or MMAML: by this program, or by the published code. */
export interface MetaRun {
  readonly kind: "meta";
  /** As the user named it, without a slash at the end. */
  readonly path: string;
  /** `null` for a run of the published code. */
  readonly params: RunParams | null;
  /** `mmaml`, `promp`; `null` where that is not known. */
  readonly algorithm: string | null;
  readonly environment: string | null;
  readonly seed: number | null;
  /** Under published names; `null` where that is not known. */
  readonly config: Readonly<Record<string, JsonValue>> | null;
  readonly progress: ProgressTable;
  /** K, by the columns. */
  readonly innerSteps: number;
  /** What was said, without the rows and the lines of iterations. */
  readonly log: readonly string[];
}

/** A run of `famle train` or `famle collect`. */
export interface FamleRun {
  readonly kind: "famle-train" | "famle-collect";
  readonly path: string;
  readonly params: RunParams;
  readonly progress: ProgressTable;
  readonly log: readonly string[];
  /** Names of the situations; empty where the run is not done. */
  readonly situations: readonly string[];
}

/** A result of `famle adapt`. */
export interface FamleResult {
  readonly kind: "famle-adapt";
  readonly path: string;
  readonly result: AdaptResult;
}

/** What a path names. */
export type ReportSource = MetaRun | FamleRun | FamleResult;

/** File of the results of `famle adapt`. */
const ADAPT_FILE = "adapt.json";
const PARAMS_FILE = "params.json";
/** Files of `famle train` and `famle collect`. */
const MODEL_FILE = "model.safetensors";
const DATA_FILE = "data.json";
const RETURN_COLUMN = /^Step_(\d+)-AverageReturn$/;

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return false;
    }
    throw new UserError("run-not-found", `can't read ${path}: ${fileErrorReason(error)}`, {
      cause: error,
    });
  }
}

function isFile(path: string): boolean {
  return exists(path) && Deno.statSync(path).isFile;
}

function checkRows(path: string, table: ProgressTable, columns: readonly string[]): void {
  const missing = columns.filter((name) => !table.columns.includes(name));
  // a file without a first line is one that is being made
  if (missing.length > 0 && table.columns.length > 0) {
    throw new UserError(
      "progress-columns",
      `can't use ${path}: it has no column "${missing[0]}", as progress.csv of metarl, ProMP and ` +
        "MMAML-rl has",
    );
  }
  if (table.rows.length === 0) {
    throw new UserError("run-empty", `${path} has no rows yet; wait for the first iteration`);
  }
}

/** Lines of a log that are neither a table nor an iteration's summary. */
function saidLines(folder: string): string[] {
  let text: string;
  try {
    text = Deno.readTextFileSync(`${folder}/${LOG_FILE}`);
  } catch {
    return []; // a run without a log is one that was copied without it
  }
  return text.split("\n")
    .filter((line) => line !== "" && !/^(\||-+$|iteration \d+: returns )/.test(line));
}

function innerStepsOf(columns: readonly string[]): number {
  const steps = columns.map((name) => RETURN_COLUMN.exec(name)?.[1])
    .filter((step) => step !== undefined);
  return Math.max(...steps.map(Number));
}

function metaProgress(path: string): { progress: ProgressTable; innerSteps: number } {
  const progress = readProgress(path);
  checkRows(path, progress, [ITERATION_COLUMN, "Step_0-AverageReturn"]);
  return { progress, innerSteps: innerStepsOf(progress.columns) };
}

/** Names in a list that a file has, if it is one. */
function namesIn(value: JsonValue | undefined): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

/** Names of the situations that a run of FAMLE has put into its model, or beside its data. */
async function situationNames(folder: string): Promise<string[]> {
  if (isFile(`${folder}/${MODEL_FILE}`)) {
    return namesIn((await readCheckpoint(`${folder}/${MODEL_FILE}`)).config.situations);
  }
  const path = `${folder}/${DATA_FILE}`;
  if (!isFile(path)) return [];
  const value = parseJsonText(Deno.readTextFileSync(path), path);
  if (value === null || typeof value !== "object" || Array.isArray(value)) return [];
  return namesIn((value as Readonly<Record<string, JsonValue>>).situations);
}

async function readMetarlRun(folder: string, version: string): Promise<MetaRun | FamleRun> {
  const params = readRunParams(folder);
  checkMetarlVersion(folder, params, version);
  const path = `${folder}/${PROGRESS_FILE}`;
  if (!exists(path)) {
    throw new UserError("run-empty", `${path} is not there yet; wait for the first iteration`);
  }
  const log = saidLines(folder);
  const { algorithm, environment: { name }, seed, config } = params;
  if (algorithm === "famle" || algorithm === "famle-collect") {
    const progress = readProgress(path);
    const isTraining = algorithm === "famle";
    checkRows(path, progress, isTraining ? ["MetaIterations", "MeanLoss"] : ["Reward"]);
    return {
      kind: isTraining ? "famle-train" : "famle-collect",
      ...{ path: folder, params, progress, log },
      situations: await situationNames(folder),
    };
  }
  const told = { algorithm, environment: name, seed, config };
  return { kind: "meta", path: folder, params, ...told, log, ...metaProgress(path) };
}

/** Settings of a run of the published code; it may be anything, and nothing depends on it. */
function foreignConfig(path: string): Readonly<Record<string, JsonValue>> | null {
  if (!isFile(path)) return null;
  const value = parseJsonText(Deno.readTextFileSync(path), path);
  return value !== null && typeof value === "object" && !Array.isArray(value)
    ? value as Readonly<Record<string, JsonValue>>
    : null;
}

/** A name in the settings: itself, or the end of `{"$class": "module.Name"}`. */
function foreignName(value: JsonValue | undefined): string | null {
  if (typeof value === "string") return value;
  if (value === null || typeof value !== "object" || Array.isArray(value)) return null;
  const name = (value as Readonly<Record<string, JsonValue>>).$class;
  return typeof name === "string" ? name.split(".").at(-1)! : null;
}

function readForeignRun(path: string, csv: string): MetaRun {
  const config = foreignConfig(`${dirname(csv)}/${PARAMS_FILE}`);
  const algorithm = config === null ? null : foreignName(config.algo ?? config.algorithm);
  return {
    kind: "meta",
    path,
    params: null,
    algorithm,
    environment: config === null ? null : foreignName(config.env),
    seed: typeof config?.seed === "number" ? config.seed : null,
    config,
    log: [],
    ...metaProgress(csv),
  };
}

/** Whether params.json is one of metarl; a damaged one is, so that its error is told. */
function isMetarlFolder(folder: string): boolean {
  const path = `${folder}/${PARAMS_FILE}`;
  if (!isFile(path)) return false;
  try {
    const value = JSON.parse(Deno.readTextFileSync(path));
    return value !== null && typeof value === "object" && "metarl_version" in value;
  } catch {
    return true;
  }
}

/**
 * Reads what a path names: a run folder, a folder of results, or a progress.csv.
 *
 * @param version of this metarl
 * @throws UserError `run-not-found`, `run-empty`, `run-version`, `params-damaged`,
 * `progress-columns`, `progress-unreadable`, `adapt-damaged`, `checkpoint-damaged`, `json-syntax`
 */
export async function readSource(path: string, version: string): Promise<ReportSource> {
  const name = path.replace(/(?<=.)\/+$/, "");
  const folder = isFile(name) ? dirname(name) : name;
  if (folder !== name && basename(name) !== ADAPT_FILE && !isMetarlFolder(folder)) {
    return readForeignRun(name, name);
  }
  if (isFile(`${folder}/${ADAPT_FILE}`)) {
    return { kind: "famle-adapt", path: folder, result: adaptResultOf(`${folder}/${ADAPT_FILE}`) };
  }
  if (isMetarlFolder(folder)) return await readMetarlRun(folder, version);
  if (isFile(`${folder}/${PROGRESS_FILE}`)) {
    return readForeignRun(folder, `${folder}/${PROGRESS_FILE}`);
  }
  throw new UserError(
    "run-not-found",
    exists(folder)
      ? `${folder} is neither a run folder nor a result of famle adapt: there is no ` +
        `${PROGRESS_FILE} and no ${ADAPT_FILE} in it`
      : `${folder} is not a run folder: there is no such file or folder`,
  );
}

/** The cells of a column, `null` where there are none. */
export function columnOf(rows: readonly ProgressRow[], name: string): (number | null)[] {
  return rows.map((row) => row[name] ?? null);
}
