/**
 * The folder of a run: params.json, progress.csv, log.txt, checkpoints/. The only place that
 * writes files.
 *
 * A run is held by one process at a time, by a lock of the operating system on `.lock`, which ends
 * with the process however it ends. Files that metarl did not write are never deleted.
 */
import { basename, dirname, extname } from "node:path";
import type { RunConfig } from "../config/schema.ts";
import { type RunError, UserError, visible } from "../util/errors.ts";
import { readWholeText } from "../util/read_file.ts";
import { type JsonValue, parseJsonText } from "../util/json.ts";
import {
  type Checkpoint,
  checkpointFileName,
  encodeCheckpoint,
  type LatestCheckpoint,
  latestCheckpoint,
  listCheckpoints,
} from "./checkpoint.ts";
import { fileErrorReason, writeAllSync, writeError, writeFileAtomic } from "./files.ts";
import { formatTable, ProgressLog, type ProgressRow } from "./log.ts";
import { parseProvenance, type Provenance } from "./provenance.ts";
import { stampedName } from "./result_dir.ts";
import { removeEventFiles, TENSORBOARD_FOLDER } from "./tensorboard.ts";

/** What params.json holds. */
export interface RunParams {
  /** When the run was first started, ISO 8601; a resumed run keeps it. */
  readonly started: string;
  /** Version of metarl that made the run. */
  readonly metarlVersion: string;
  /** `mmaml`, `promp`. */
  readonly algorithm: string;
  /** Seed of everything random. */
  readonly seed: number;
  /** Environment and its version. */
  readonly environment: { readonly name: string; readonly version: number | string };
  /** What the kernels ran on, as the device describes itself; `null` before it is chosen. */
  readonly device: string | null;
  /** The resolved configuration under its published names. */
  readonly config: Readonly<Record<string, JsonValue>>;
  /** What else the results depend on; runs of early versions have none. */
  readonly provenance?: Provenance;
}

/** Which older checkpoints stay, see the keys in `config/schema.ts`. */
export type Retention = Pick<
  RunConfig,
  "maxCheckpoints" | "keepEveryHours" | "keepEveryIterations"
>;

/**
 * What a trainer writes its results to: a {@link RunDir}, or an object of the caller that keeps
 * them.
 */
export interface RunWriter {
  /** Completes params.json with the device that was chosen. */
  recordDevice(description: string): void;
  /**
   * Names the columns of the rows, before the first one. Rows of `firstIteration` and later ones,
   * from a run that is continued, are removed.
   */
  startProgress(columns: readonly string[], firstIteration: number): void;
  /** One iteration's numbers; its names must be the columns. */
  appendRow(row: ProgressRow): void;
  /** Saves the state and deletes checkpoints that `retention` no longer keeps; gives the path. */
  saveCheckpoint(checkpoint: Checkpoint, retention: Retention): Promise<string>;
  /** A line for the run's log. */
  note(line: string): void;
}

const PARAMS_FILE = "params.json";
/** File of the rows, in a run's folder. */
export const PROGRESS_FILE = "progress.csv";
/** File of what was said, in a run's folder. */
export const LOG_FILE = "log.txt";
/** File of the report, in a run's folder. */
export const REPORT_FILE = "report.html";
const LOCK_FILE = ".lock";
/** Folder of the checkpoints, in a run's folder. */
export const CHECKPOINT_FOLDER = "checkpoints";
const MS_PER_HOUR = 3_600_000;

/** `promp-MetaPointEnvMomentum-1-20260131-235959` (UTC): the folder's name where none is given. */
export function defaultRunName(algorithm: string, config: RunConfig, now: Date): string {
  const mode = config.mode === null ? "" : `-mode${config.mode}`;
  // an environment of one's own is a path
  const env = basename(config.env, extname(config.env));
  return stampedName(`${algorithm}-${env}${mode}-${config.seed}`, now);
}

function folderError(path: string, error: unknown): UserError | RunError {
  const isFile = error instanceof Deno.errors.AlreadyExists ||
    error instanceof Deno.errors.NotADirectory;
  const reason = isFile ? `${dirname(path)} is not a folder` : fileErrorReason(error);
  if (/no space|quota/i.test(reason)) return writeError(path, error);
  return new UserError(
    "out-not-writable",
    `can't create the run folder ${path}: ${reason}; choose another one with --out`,
    { cause: error },
  );
}

/**
 * Locks the file, or closes it and gives `false` where another process holds it. Deno 2.6 has no
 * `tryLock`; its `lock` waits, so there half a second of waiting stands for a refusal.
 */
async function lockOrClose(file: Deno.FsFile): Promise<boolean> {
  const { tryLock } = file as { tryLock?: (exclusive: boolean) => Promise<boolean> };
  if (tryLock !== undefined) {
    const isLocked = await tryLock.call(file, true);
    if (!isLocked) file.close();
    return isLocked;
  }
  const granted = file.lock(true);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const refused = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), 500);
  });
  const isLocked = await Promise.race([granted.then(() => true), refused]);
  clearTimeout(timer);
  // nobody waits for it any more, so nobody is told where it fails
  if (!isLocked) granted.catch(() => {}).finally(() => file.close());
  return isLocked;
}

/** Who holds the lock, in words. */
function lockHolder(path: string): string {
  try {
    const pid = Deno.readTextFileSync(path).trim();
    if (pid !== "") return `process ${pid}`;
  } catch {
    // Windows doesn't let others read a locked file
  }
  return "another process";
}

async function acquireLock(folder: string): Promise<Deno.FsFile> {
  const path = `${folder}/${LOCK_FILE}`;
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path, { read: true, write: true, create: true });
  } catch (error) {
    throw folderError(folder, error);
  }
  if (!await lockOrClose(file)) {
    throw new UserError(
      "run-locked",
      `the run ${folder} is in use by ${lockHolder(path)}; wait for it or choose another folder`,
    );
  }
  try {
    file.truncateSync();
    writeAllSync(file, new TextEncoder().encode(`${Deno.pid}\n`));
  } catch (error) {
    releaseLock(file);
    throw writeError(path, error);
  }
  return file;
}

/**
 * Gives the lock back. Closing alone does not where a child of this process is just being started:
 * until it runs its own program it has a copy of the open file, and with it the lock.
 */
function releaseLock(lock: Deno.FsFile): void {
  try {
    lock.unlockSync();
  } finally {
    lock.close();
  }
}

/** Deletes the files of an earlier run, and nothing else. */
function removeRunFiles(folder: string): void {
  const checkpoints = `${folder}/${CHECKPOINT_FOLDER}`;
  const names = [PARAMS_FILE, PROGRESS_FILE, LOG_FILE, REPORT_FILE].map((name) =>
    `${folder}/${name}`
  );
  for (const [, name] of listCheckpoints(checkpoints)) names.push(`${checkpoints}/${name}`);
  removeEventFiles(`${folder}/${TENSORBOARD_FOLDER}`);
  for (const path of names) {
    try {
      Deno.removeSync(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw writeError(path, error);
    }
  }
}

function encodeParams(params: RunParams): Uint8Array {
  const { metarlVersion, ...others } = params;
  const published = { metarl_version: metarlVersion, ...others };
  return new TextEncoder().encode(`${JSON.stringify(published, null, 2)}\n`);
}

function isEnvironment(value: JsonValue): boolean {
  const { name, version } = value as Partial<Record<string, JsonValue>>;
  return typeof name === "string" && (typeof version === "number" || typeof version === "string");
}

/** What is there instead of a run, where reading params.json failed with `error`. */
function whyNoRun(folder: string, error: unknown): string {
  if (error instanceof Deno.errors.NotADirectory) return "it is a file";
  if (!(error instanceof Deno.errors.NotFound)) return fileErrorReason(error);
  try {
    Deno.statSync(folder);
    return `there is no ${PARAMS_FILE} in it`;
  } catch {
    return "there is no such folder";
  }
}

/**
 * What params.json of a run's folder holds.
 *
 * @throws UserError `run-not-found`, `params-damaged`, `json-syntax`
 */
export function readRunParams(folder: string): RunParams {
  const path = `${folder}/${PARAMS_FILE}`;
  let text: string;
  try {
    text = readWholeText(path);
  } catch (error) {
    throw new UserError(
      "run-not-found",
      `${folder} is not a run folder: ${whyNoRun(folder, error)}`,
      {
        cause: error,
      },
    );
  }
  const value = parseJsonText(text, path) as Readonly<Record<string, JsonValue>> | null;
  const isObject = (part: JsonValue | undefined) =>
    part !== null && typeof part === "object" && !Array.isArray(part);
  const provenance = parseProvenance(value?.provenance);
  if (
    value === null || provenance === null || typeof value.metarl_version !== "string" ||
    typeof value.started !== "string" ||
    Number.isNaN(Date.parse(value.started)) ||
    typeof value.algorithm !== "string" || typeof value.seed !== "number" ||
    !isObject(value.environment) || !isObject(value.config) ||
    // it becomes part of the command that continues the run
    !/^[a-z-]+$/.test(value.algorithm) || !isEnvironment(value.environment)
  ) {
    throw new UserError("params-damaged", `${path} was not written by metarl, or was changed`);
  }
  return {
    started: value.started,
    metarlVersion: value.metarl_version,
    algorithm: value.algorithm,
    seed: value.seed,
    environment: value.environment as RunParams["environment"],
    device: typeof value.device === "string" ? value.device : null,
    config: value.config as RunParams["config"],
    ...provenance === undefined ? {} : { provenance },
  };
}

/**
 * The checkpoints that `retention` gives up, of the files `[iteration, name]`, oldest first.
 * `hoursOf` tells when a file was written, `startHours` when the run was started.
 */
function expired(
  files: readonly (readonly [number, string])[],
  retention: Retention,
  startHours: number,
  hoursOf: (name: string) => number,
): string[] {
  const older = files.slice(0, Math.max(0, files.length - retention.maxCheckpoints));
  const names: string[] = [];
  let lastKept = startHours;
  for (const [iteration, name] of older) {
    const { keepEveryIterations: every } = retention;
    const hours = hoursOf(name);
    // the clock was set back
    lastKept = Math.min(lastKept, hours);
    if (hours - lastKept >= retention.keepEveryHours) lastKept = hours;
    else if (every === null || iteration % every !== 0) names.push(name);
  }
  return names;
}

/** A run's folder, locked for this process. Owns its open files: dispose of it. */
export class RunDir implements RunWriter, Disposable {
  /** As the user gave it, without a slash at the end. */
  readonly path: string;
  #params: RunParams;
  readonly #lock: Deno.FsFile;
  readonly #log: Deno.FsFile;
  #progress: ProgressLog | null = null;
  #isClosed = false;

  private constructor(path: string, params: RunParams, lock: Deno.FsFile, log: Deno.FsFile) {
    this.path = path;
    this.#params = params;
    this.#lock = lock;
    this.#log = log;
  }

  /**
   * Makes the folder of a new run.
   *
   * @param force take an existing folder, delete the run that is in it; `undefined` where the
   * user can't ask for that
   * @throws UserError `out-exists`, `out-not-writable`, `run-locked`
   * @throws RunError `write-failed`
   */
  static async create(path: string, params: RunParams, force?: boolean): Promise<RunDir> {
    const folder = path.replace(/(?<=.)\/+$/, "");
    try {
      Deno.mkdirSync(dirname(folder), { recursive: true });
    } catch (error) {
      throw folderError(folder, error);
    }
    try {
      Deno.mkdirSync(folder);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw folderError(folder, error);
      if (!Deno.statSync(folder).isDirectory) {
        throw new UserError("out-exists", `${folder} exists and is not a folder; choose another`);
      }
      if (!force) {
        const other = force === undefined ? "" : ", or --force to replace the run in it";
        throw new UserError(
          "out-exists",
          `the folder ${folder} exists; choose another one with --out${other}`,
        );
      }
    }
    const lock = await acquireLock(folder);
    try {
      removeRunFiles(folder);
      Deno.mkdirSync(`${folder}/${CHECKPOINT_FOLDER}`, { recursive: true });
      writeFileAtomic(folder, PARAMS_FILE, encodeParams(params));
      return RunDir.#start(folder, params, lock);
    } catch (error) {
      releaseLock(lock);
      throw error instanceof UserError ? error : writeError(folder, error);
    }
  }

  /**
   * Takes the folder of an existing run, to continue it.
   *
   * @throws UserError `run-not-found`, `params-damaged`, `run-locked`
   */
  static async open(path: string): Promise<RunDir> {
    const folder = path.replace(/(?<=.)\/+$/, "");
    const params = readRunParams(folder);
    const lock = await acquireLock(folder);
    try {
      return RunDir.#start(folder, params, lock);
    } catch (error) {
      releaseLock(lock);
      throw error;
    }
  }

  static #start(folder: string, params: RunParams, lock: Deno.FsFile): RunDir {
    const path = `${folder}/${LOG_FILE}`;
    try {
      const log = Deno.openSync(path, { create: true, append: true });
      return new RunDir(folder, params, lock, log);
    } catch (error) {
      throw writeError(path, error);
    }
  }

  /** What params.json holds. */
  get params(): RunParams {
    return this.#params;
  }

  /** Folder of the checkpoints. */
  get checkpointFolder(): string {
    return `${this.path}/${CHECKPOINT_FOLDER}`;
  }

  /** The newest intact checkpoint; `null` where the run has none yet. */
  latestCheckpoint(): Promise<LatestCheckpoint | null> {
    return latestCheckpoint(this.checkpointFolder);
  }

  /** Replaces params.json, e.g. with a raised number of iterations. */
  updateParams(changes: Partial<RunParams>): void {
    const params = { ...this.#params, ...changes };
    writeFileAtomic(this.path, PARAMS_FILE, encodeParams(params));
    this.#params = params;
  }

  recordDevice(description: string): void {
    this.updateParams({ device: description });
  }

  startProgress(columns: readonly string[], firstIteration: number): void {
    this.#progress?.[Symbol.dispose]();
    this.#progress = null;
    this.#progress = ProgressLog.open(`${this.path}/${PROGRESS_FILE}`, columns, firstIteration);
  }

  appendRow(row: ProgressRow): void {
    if (this.#progress === null) throw new TypeError("appendRow() before startProgress()");
    this.#progress.append(row);
    this.note(formatTable(row));
  }

  async saveCheckpoint(checkpoint: Checkpoint, retention: Retention): Promise<string> {
    const name = checkpointFileName(checkpoint.iteration);
    const bytes = await encodeCheckpoint(checkpoint);
    // so that a checkpoint on disk never follows rows that are not
    this.#progress?.sync();
    writeFileAtomic(this.checkpointFolder, name, bytes);
    this.#removeExpired(retention);
    return `${this.checkpointFolder}/${name}`;
  }

  #removeExpired(retention: Retention): void {
    const folder = this.checkpointFolder;
    const hoursOf = (name: string) =>
      (Deno.statSync(`${folder}/${name}`).mtime?.getTime() ?? 0) / MS_PER_HOUR;
    const startHours = Date.parse(this.#params.started) / MS_PER_HOUR;
    for (const name of expired(listCheckpoints(folder), retention, startHours, hoursOf)) {
      try {
        Deno.removeSync(`${folder}/${name}`);
      } catch (error) {
        throw writeError(`${folder}/${name}`, error);
      }
    }
  }

  note(line: string): void {
    try {
      writeAllSync(this.#log, new TextEncoder().encode(`${visible(line)}\n`));
    } catch (error) {
      throw writeError(`${this.path}/${LOG_FILE}`, error);
    }
  }

  /**
   * Takes back a new run that did nothing: closes it and deletes what {@link RunDir.create} made.
   * A folder that holds anything else stays.
   */
  discard(): void {
    this[Symbol.dispose]();
    removeRunFiles(this.path);
    try {
      Deno.removeSync(`${this.path}/${LOCK_FILE}`);
      Deno.removeSync(this.checkpointFolder);
      Deno.removeSync(this.path);
    } catch {
      // not empty: it was there before, with --force
    }
  }

  /** Closes the files and gives the lock back; a second time does nothing. */
  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#progress?.[Symbol.dispose]();
    this.#log.close();
    releaseLock(this.#lock);
  }
}
