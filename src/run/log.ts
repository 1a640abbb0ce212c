/**
 * progress.csv (one row per iteration, the column names of ProMP's logger) and the table of the
 * same numbers for people.
 *
 * A row is written by one call, so a process that is killed leaves at most one torn line, at the
 * end; {@link ProgressLog.open} removes it, and the rows of iterations that are going to be
 * repeated. Left out: what the columns mean (docs, and the trainer that fills them).
 */
import { UserError } from "../util/errors.ts";
import { readWholeText } from "../util/read_file.ts";
import { fileErrorReason, writeAllSync, writeError } from "./files.ts";

/** One iteration's numbers by column name; `null`: not computed, an empty cell. */
export type ProgressRow = Readonly<Record<string, number | null>>;

/** Column with the number of the iteration; always the first one. */
export const ITERATION_COLUMN = "Itr";

/** Per step k, as `Step_k-NAME`. */
const STEP_COLUMNS = [
  "AverageReturn",
  "AverageDiscountedReturn",
  "StdReturn",
  "MaxReturn",
  "MinReturn",
  "NumTrajs",
  "AveragePolicyStd",
];

const TIME_COLUMNS = [
  "Time",
  "ItrTime",
  "Time-Sampling",
  "Time-EnvStep",
  "Time-SampleProc",
  "Time-InnerStep",
  "Time-OuterStep",
  "Time-TotalInner",
  "Time-MAMLSteps",
  "Idle-Sampling",
  "Idle-Workers",
  "Idle-Device",
];

/** What a run logs besides the columns that every run has. */
export interface ExtraColumns {
  /** Per step k, e.g. an environment's `AverageForwardReturn`; without the `Step_k-`. */
  readonly perStep?: readonly string[];
  /** Per iteration, e.g. gradient norms. */
  readonly perIteration?: readonly string[];
}

/** All columns of progress.csv, in their order, for K inner steps (steps 0 .. K are logged). */
export function progressColumns(innerSteps: number, extra: ExtraColumns = {}): string[] {
  const perStep = [...STEP_COLUMNS, ...(extra.perStep ?? [])];
  const columns = [ITERATION_COLUMN, "n_timesteps"];
  for (let step = 0; step <= innerSteps; step++) {
    columns.push(...perStep.map((name) => `Step_${step}-${name}`));
  }
  columns.push("LossBefore", "LossAfter", "KLInner", "KLCoeffInner");
  return [...columns, ...(extra.perIteration ?? []), ...TIME_COLUMNS];
}

/** Whether the column is measured time: the only ones that differ between runs of a seed. */
export function isTimeColumn(name: string): boolean {
  return TIME_COLUMNS.includes(name);
}

/** The part of a file that stays: the header and whole rows before `firstIteration`. */
interface IntactPart {
  readonly bytes: number;
  /** Iteration that follows the last row; `null` where there is no row. */
  readonly nextIteration: number | null;
}

function intactPart(text: string, columnCount: number, firstIteration: number): IntactPart {
  const encoder = new TextEncoder();
  const lines = text.split("\n");
  // what stands behind the last line break is torn, or nothing
  lines.pop();
  let bytes = encoder.encode(lines[0]).length + 1;
  let nextIteration: number | null = null;
  for (const line of lines.slice(1)) {
    const cells = line.split(",");
    const iteration = Number(cells[0]);
    const isNext = cells.length === columnCount && iteration === (nextIteration ?? iteration);
    if (!isNext || iteration >= firstIteration) break;
    bytes += encoder.encode(line).length + 1;
    nextIteration = iteration + 1;
  }
  return { bytes, nextIteration };
}

/** The open progress.csv of a run. Owns the file: close it. */
export class ProgressLog implements Disposable {
  #file: Deno.FsFile;
  readonly #path: string;
  readonly #columns: readonly string[];

  private constructor(file: Deno.FsFile, path: string, columns: readonly string[]) {
    this.#file = file;
    this.#path = path;
    this.#columns = columns;
  }

  /**
   * Opens or creates the file so that the next row is that of `firstIteration`: later rows and a
   * torn last line are cut off. A file that was moved away starts anew, at `firstIteration`.
   *
   * @throws UserError `progress-mismatch` where the file has other columns, or lacks rows between
   * its last one and `firstIteration`
   */
  static open(path: string, columns: readonly string[], firstIteration: number): ProgressLog {
    const header = columns.join(",");
    let text = "";
    try {
      text = Deno.readTextFileSync(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw writeError(path, error);
    }
    // a file without a whole first line is one that was being created
    const isStarted = text.includes("\n");
    if (isStarted && text.slice(0, text.indexOf("\n")) !== header) {
      throw new UserError(
        "progress-mismatch",
        `can't continue ${path}: its columns are not those of this run; move the file away`,
      );
    }
    const intact = isStarted ? intactPart(text, columns.length, firstIteration) : null;
    const nextIteration = intact?.nextIteration ?? firstIteration;
    if (nextIteration !== firstIteration) {
      throw new UserError(
        "progress-mismatch",
        `can't continue ${path}: its last intact row is of iteration ${nextIteration - 1}, the ` +
          `next one has to be of iteration ${firstIteration}; move the file away`,
      );
    }
    try {
      const file = Deno.openSync(path, { write: true, create: true });
      file.truncateSync(intact?.bytes ?? 0);
      file.seekSync(0, Deno.SeekMode.End);
      if (!isStarted) writeAllSync(file, new TextEncoder().encode(`${header}\n`));
      return new ProgressLog(file, path, columns);
    } catch (error) {
      throw writeError(path, error);
    }
  }

  /**
   * Appends one row.
   *
   * @throws TypeError where the row's names are not the columns (a defect of the caller)
   * @throws RunError `write-failed`
   */
  append(row: ProgressRow): void {
    const unknown = Object.keys(row).filter((name) => !this.#columns.includes(name));
    const missing = this.#columns.filter((name) => !Object.hasOwn(row, name));
    if (unknown.length > 0 || missing.length > 0) {
      throw new TypeError(`progress row: unknown [${unknown}], missing [${missing}]`);
    }
    const cells = this.#columns.map((name) => row[name] === null ? "" : String(row[name]));
    try {
      writeAllSync(this.#file, new TextEncoder().encode(`${cells.join(",")}\n`));
      // a file that was deleted takes everything that is written to it
      Deno.statSync(this.#path);
    } catch (error) {
      throw writeError(this.#path, error);
    }
  }

  /** Puts on disk what was appended. */
  sync(): void {
    try {
      this.#file.syncDataSync();
    } catch (error) {
      throw writeError(this.#path, error);
    }
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** A run's progress.csv, read back. */
export interface ProgressTable {
  /** Names, in the order of the file. */
  readonly columns: readonly string[];
  /** One per iteration; an empty cell is `null`. */
  readonly rows: readonly ProgressRow[];
}

/** Numbers as JavaScript and as Python write them. */
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const NOT_FINITE = /^([+-]?)(nan|inf|infinity)$/i;

/** A cell's number; nothing: `null`; anything else: `undefined`. */
function cellNumber(cell: string): number | null | undefined {
  if (cell === "") return null;
  if (NUMBER.test(cell)) return Number(cell);
  const match = NOT_FINITE.exec(cell);
  if (match === null) return undefined;
  if (match[2].toLowerCase() === "nan") return NaN;
  return match[1] === "-" ? -Infinity : Infinity;
}

/**
 * Reads a progress.csv, this program's or one of the published code; a torn last line is left out.
 *
 * @throws UserError `progress-unreadable`
 */
export function readProgress(path: string): ProgressTable {
  let text: string;
  try {
    text = readWholeText(path);
  } catch (error) {
    throw new UserError("progress-unreadable", `can't read ${path}: ${fileErrorReason(error)}`, {
      cause: error,
    });
  }
  const lines = text.split(/\r?\n/).slice(0, -1);
  const columns = lines.length === 0 ? [] : lines[0].split(",");
  const refuse = (line: number, reason: string) =>
    new UserError("progress-unreadable", `can't read ${path}: line ${line}: ${reason}`);
  if (new Set(columns).size < columns.length) throw refuse(1, "two columns have one name");
  const rows = lines.slice(1).map((line, i) => {
    const cells = line.split(",");
    if (cells.length !== columns.length) {
      throw refuse(i + 2, `it has ${cells.length} cells, not ${columns.length}`);
    }
    const numbers = cells.map((cell, c): [string, number | null] => {
      const number = cellNumber(cell);
      if (number === undefined) throw refuse(i + 2, `"${cell}" is no number`);
      return [columns[c], number];
    });
    return Object.fromEntries(numbers);
  });
  return { columns, rows };
}

/** A number for people: up to six significant digits. */
export function formatNumber(value: number | null): string {
  if (value === null) return "-";
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));
}

/** The row as a table with a frame, one number per line. */
export function formatTable(row: ProgressRow): string {
  const entries = Object.entries(row).map(([name, value]) => [name, formatNumber(value)]);
  const nameWidth = Math.max(...entries.map(([name]) => name.length));
  const valueWidth = Math.max(...entries.map(([, value]) => value.length));
  const rule = "-".repeat(nameWidth + valueWidth + 7);
  const lines = entries.map(([name, value]) =>
    `| ${name.padEnd(nameWidth)} | ${value.padStart(valueWidth)} |`
  );
  return [rule, ...lines, rule].join("\n");
}
