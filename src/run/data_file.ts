/**
 * Reading data files of other programs: what all readers need. A file that can't be used is the
 * user's mistake and is told in one line that names the file.
 */
import { UserError } from "../util/errors.ts";
import { readWholeFile } from "../util/read_file.ts";
import { fileErrorReason } from "./files.ts";

/** What is wrong with a file's content; becomes a {@link UserError} with the file's name. */
export class Damage extends Error {}

/**
 * The result of `read`, which throws {@link Damage} for content that it can't use.
 *
 * @param source how to call the file in an error message
 * @throws UserError `data-file-damaged`
 */
export function readContent<T>(source: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Damage || error instanceof RangeError)) throw error;
    // sizes that a damaged file states can be beyond what an array can have
    const reason = error instanceof Damage ? error.message : "it asks for an impossible size";
    throw new UserError("data-file-damaged", `can't use ${source}: ${reason}`, { cause: error });
  }
}

/** Bytes that any file may become, and how many times its own size. */
const [FREE_BYTES, LARGEST_RATIO] = [64 * 2 ** 20, 100];

/**
 * How much memory the content of one file may take: what is unpacked, and what a file asks for
 * without having the bytes for it (the same bytes many times over). Arrays of real data become a
 * few times larger; bombs a thousand times and more.
 */
export class MemoryBudget {
  readonly #limit: number;
  #taken = 0;

  /** @param fileBytes size of the file */
  constructor(readonly fileBytes: number) {
    this.#limit = FREE_BYTES + LARGEST_RATIO * fileBytes;
  }

  /** Call it before allocating. @throws Damage where that is too much in all */
  take(bytes: number): void {
    this.#taken += bytes;
    if (this.#taken <= this.#limit) return;
    const limit = Math.round(this.#limit / 2 ** 20);
    throw new Damage(`its ${this.fileBytes} bytes ask for more than ${limit} MiB of memory`);
  }
}

/**
 * All bytes of a file.
 * @throws UserError `data-file-not-found`, `data-file-unreadable`
 */
export function readDataFile(path: string): Uint8Array<ArrayBuffer> {
  try {
    return readWholeFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new UserError("data-file-not-found", `there is no file ${path}`);
    }
    throw new UserError("data-file-unreadable", `can't read ${path}: ${fileErrorReason(error)}`, {
      cause: error,
    });
  }
}

/** Most axes of an array, as in NumPy. */
const MAX_AXES = 64;

/** Number of elements of an array. @throws Damage for extents that are none */
export function elementCount(shape: readonly number[]): number {
  if (shape.length > MAX_AXES) throw new Damage(`it has an array of ${shape.length} axes`);
  let count = 1;
  for (const extent of shape) {
    if (!Number.isSafeInteger(extent) || extent < 0) {
      throw new Damage(`it has an array of the impossible shape [${shape.join(", ")}]`);
    }
    count *= extent;
  }
  if (!Number.isSafeInteger(count)) {
    throw new Damage(`it has an array of the impossible shape [${shape.join(", ")}]`);
  }
  return count;
}
