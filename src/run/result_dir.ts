/** A folder of results that one command makes at once: pictures, tables, JSON. */
import { UserError } from "../util/errors.ts";
import { fileErrorReason, writeFileAtomic } from "./files.ts";

/** `famle-sine-1-20260131-235959` (UTC): a folder's name where none is given. */
export function stampedName(stem: string, now: Date): string {
  const [date, time] = now.toISOString().slice(0, 19).replaceAll(/[-:]/g, "").split("T");
  return `${stem}-${date}-${time}`;
}

/** A folder that was empty or not there before. */
export class ResultDir {
  /** As the user gave it, without a slash at the end. */
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Makes the folder; one that has files in it is not taken.
   *
   * @throws UserError `out-exists`, `out-not-writable`
   */
  static create(path: string): ResultDir {
    const folder = path.replace(/(?<=.)\/+$/, "");
    let isEmpty: boolean;
    try {
      Deno.mkdirSync(folder, { recursive: true });
      isEmpty = Deno.readDirSync(folder)[Symbol.iterator]().next().done === true;
    } catch (error) {
      throw new UserError(
        "out-not-writable",
        `can't create the folder ${folder}: ${fileErrorReason(error)}; choose another one with ` +
          "--out",
        { cause: error },
      );
    }
    if (!isEmpty) {
      throw new UserError(
        "out-exists",
        `the folder ${folder} has files in it; choose another one with --out`,
      );
    }
    return new ResultDir(folder);
  }

  /** Makes `runs/<stem>-<time>`; a number is added where that is taken. */
  static createStamped(stem: string, now: Date): ResultDir {
    const name = `runs/${stampedName(stem, now)}`;
    for (let copy = 1;; copy++) {
      try {
        return ResultDir.create(copy === 1 ? name : `${name}-${copy}`);
      } catch (error) {
        // two were started within one second
        if (!(error instanceof UserError && error.code === "out-exists")) throw error;
      }
    }
  }

  /** Writes a file and gives its path. @throws RunError `write-failed` */
  write(name: string, content: string | Uint8Array): string {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    writeFileAtomic(this.path, name, bytes);
    return `${this.path}/${name}`;
  }
}
