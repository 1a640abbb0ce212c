/**
 * Writing that never leaves a half-written file where a whole one is expected, and file errors in
 * words. Left out: locking (`run_dir.ts`).
 */
import { messageOf, RunError } from "../util/errors.ts";

/** Why the operating system refused: `No space left on device`, `Permission denied`. */
export function fileErrorReason(error: unknown): string {
  if (error instanceof Deno.errors.NotCapable) {
    return "metarl may not use this place (/dev, /proc and /sys are closed to it)";
  }
  // Deno: "No space left on device (os error 28): writefile 'x'"
  return messageOf(error).replace(/ \(os error \d+\).*$/s, "");
}

/** The error for a file that can't be written while a run is under way. */
export function writeError(path: string, error: unknown): RunError {
  if (error instanceof RunError) return error;
  return new RunError("write-failed", `can't write ${path}: ${fileErrorReason(error)}`, {
    cause: error,
  });
}

/** Writes all of `bytes` at the file's position. */
export function writeAllSync(file: Deno.FsFile, bytes: Uint8Array): void {
  let written = 0;
  while (written < bytes.length) written += file.writeSync(bytes.subarray(written));
}

function syncFolder(path: string): void {
  // a rename survives a power failure only once its folder is on disk; Windows can't open folders
  if (Deno.build.os === "windows") return;
  using folder = Deno.openSync(path, { read: true });
  folder.syncSync();
}

/** Makes a file in the folder and removes it again: permissions alone don't tell. @throws Error */
export function tryToWrite(folder: string): void {
  Deno.removeSync(Deno.makeTempFileSync({ dir: folder, prefix: ".metarl-" }));
}

/**
 * Puts `bytes` at `folder/name` so that a reader, a crash or a full disk sees the old file or the
 * new one, never a part: temporary name, sync, rename, sync of the folder.
 *
 * @throws RunError `write-failed`; the old file is then untouched
 */
export function writeFileAtomic(folder: string, name: string, bytes: Uint8Array): void {
  const path = `${folder}/${name}`;
  const temporary = `${path}.tmp`;
  try {
    {
      using file = Deno.openSync(temporary, { write: true, create: true, truncate: true });
      writeAllSync(file, bytes);
      file.syncSync();
    }
    Deno.renameSync(temporary, path);
    syncFolder(folder);
  } catch (error) {
    try {
      Deno.removeSync(temporary);
    } catch {
      // it was never created, or the folder is read-only: the first error says why
    }
    throw writeError(path, error);
  }
}
