/** A folder of results that one command makes at once: pictures, tables, JSON. */
import { dirname } from "node:path";
import { UserError } from "../util/errors.ts";
import { fileErrorReason, writeFileAtomic } from "./files.ts";

/** `famle-sine-1-20260131-235959` (UTC): a folder's name where none is given. */
export function stampedName(stem: string, now: Date): string {
  const [date, time] = now.toISOString().slice(0, 19).replaceAll(/[-:]/g, "").split("T");
  return `${stem}-${date}-${time}`;
}

function outError(folder: string, error: unknown): UserError {
  return new UserError(
    "out-not-writable",
    `can't create the folder ${folder}: ${fileErrorReason(error)}; choose another one with --out`,
    { cause: error },
  );
}

/** Makes a folder and gives `true`; `false` where there is something of that name. */
function makeNew(folder: string): boolean {
  try {
    Deno.mkdirSync(dirname(folder), { recursive: true });
    // not recursive: of two processes only one makes it
    Deno.mkdirSync(folder);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists && exists(folder)) return false;
    throw outError(folder, error);
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false; // what is in the way lies above it
  }
}

function isEmptyFolder(folder: string): boolean {
  try {
    return Deno.readDirSync(folder)[Symbol.iterator]().next().done === true;
  } catch (error) {
    throw outError(folder, error);
  }
}

/**
 * A folder that was empty or not there before. Dispose of it: a folder that was made here and that
 * nothing was written into is removed again.
 */
export class ResultDir implements Disposable {
  /** As the user gave it, without a slash at the end. */
  readonly path: string;
  readonly #isNew: boolean;

  private constructor(path: string, isNew: boolean) {
    this.path = path;
    this.#isNew = isNew;
  }

  /**
   * Makes the folder; one that has files in it is not taken.
   *
   * @throws UserError `out-exists`, `out-not-writable`
   */
  static create(path: string): ResultDir {
    const folder = path.replace(/(?<=.)\/+$/, "");
    if (makeNew(folder)) return new ResultDir(folder, true);
    if (isEmptyFolder(folder)) return new ResultDir(folder, false);
    throw new UserError(
      "out-exists",
      `the folder ${folder} has files in it; choose another one with --out`,
    );
  }

  /**
   * Makes the folder or takes one that is there, for these files; others in it stay.
   *
   * @param force whether files of these names may be replaced
   * @throws UserError `out-exists`, `out-not-writable`
   */
  static createFor(path: string, names: readonly string[], force: boolean): ResultDir {
    const folder = path.replace(/(?<=.)\/+$/, "");
    if (makeNew(folder)) return new ResultDir(folder, true);
    isEmptyFolder(folder); // refuses what is no folder
    const taken = force ? undefined : names.find((name) => exists(`${folder}/${name}`));
    if (taken === undefined) return new ResultDir(folder, false);
    throw new UserError(
      "out-exists",
      `there is a file ${folder}/${taken} already; replace it with --force, or choose another ` +
        "folder with --out",
    );
  }

  /** Makes `<parent>/<stem>-<time>`; a number is added where that is taken. */
  static createStamped(stem: string, now: Date, parent = "runs"): ResultDir {
    const name = `${parent}/${stampedName(stem, now)}`;
    for (let copy = 1;; copy++) {
      // two may be started within one second
      const folder = copy === 1 ? name : `${name}-${copy}`;
      if (makeNew(folder)) return new ResultDir(folder, true);
    }
  }

  /** Writes a file and gives its path. @throws RunError `write-failed` */
  write(name: string, content: string | Uint8Array): string {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    writeFileAtomic(this.path, name, bytes);
    return `${this.path}/${name}`;
  }

  [Symbol.dispose](): void {
    if (!this.#isNew) return;
    try {
      Deno.removeSync(this.path); // refuses a folder with files
    } catch {
      // it has the results
    }
  }
}
