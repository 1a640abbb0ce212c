/**
 * Reading data files of other programs: what all readers need. A file that can't be used is the
 * user's mistake and is told in one line that names the file.
 */
import { UserError } from "../util/errors.ts";
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

/**
 * All bytes of a file.
 * @throws UserError `data-file-not-found`, `data-file-unreadable`
 */
export function readDataFile(path: string): Uint8Array<ArrayBuffer> {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new UserError("data-file-not-found", `there is no file ${path}`);
    }
    throw new UserError("data-file-unreadable", `can't read ${path}: ${fileErrorReason(error)}`, {
      cause: error,
    });
  }
}

/** Number of elements of an array. @throws Damage for extents that are none */
export function elementCount(shape: readonly number[]): number {
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
