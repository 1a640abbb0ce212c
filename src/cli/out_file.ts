/** The file that `--out` names, and its size in words. */
import { basename, dirname } from "node:path";
import { fileErrorReason, tryToWrite } from "../run/files.ts";
import { UserError } from "../util/errors.ts";

/** What is at a path; `null`: nothing. */
function kindOf(path: string): "folder" | "file" | null {
  try {
    return Deno.statSync(path).isDirectory ? "folder" : "file";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/**
 * Where the file goes; refused before any work where it can't be written.
 *
 * @param force whether a file that is there may be replaced
 * @throws UserError `out-exists`, `out-not-writable`
 */
export function outFile(path: string, force: boolean): { folder: string; name: string } {
  const folder = dirname(path);
  let there: ReturnType<typeof kindOf>;
  try {
    if (kindOf(folder) === "file") throw new Error("it is a file");
    tryToWrite(folder);
    there = kindOf(path);
  } catch (error) {
    throw new UserError(
      "out-not-writable",
      `can't write ${path}: the folder ${folder}: ${fileErrorReason(error)}; choose another --out`,
      { cause: error },
    );
  }
  if (there === "folder") {
    throw new UserError("out-exists", `${path} is a folder; give the name of a file with --out`);
  }
  if (there === "file" && !force) {
    throw new UserError(
      "out-exists",
      `${path} exists; add --force to replace it, or choose another --out`,
    );
  }
  return { folder, name: basename(path) };
}

/** `640 kB`, `1.2 MB` */
export function sizeText(bytes: number): string {
  return bytes < 1e6
    ? `${Math.max(1, Math.round(bytes / 1e3))} kB`
    : `${(bytes / 1e6).toFixed(1)} MB`;
}
