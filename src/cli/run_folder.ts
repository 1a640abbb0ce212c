/** The run folder of a command: made, left behind by an error, named for a shell. */
import { RunDir, type RunParams } from "../run/run_dir.ts";
import { UserError } from "../util/errors.ts";
import { errorLine } from "./failure.ts";

/**
 * Makes the run folder: `out`, or where that is not given `runs/<name>`, with a number behind it
 * where that is taken.
 *
 * @param force take an existing folder; `undefined` where the command has no such option
 * @throws UserError `out-exists`, `out-not-writable`, `run-locked`
 */
export async function createRunDir(
  out: string | null,
  name: string,
  params: RunParams,
  force?: boolean,
): Promise<RunDir> {
  if (out !== null) return await RunDir.create(out, params, force);
  for (let copy = 1;; copy++) {
    try {
      return await RunDir.create(`runs/${copy === 1 ? name : `${name}-${copy}`}`, params, false);
    } catch (error) {
      // two runs were started within one second
      if (!(error instanceof UserError && error.code === "out-exists")) throw error;
    }
  }
}

/**
 * What is left of a run that failed: nothing where it was asked for wrongly and did nothing, else
 * the error in its log.
 *
 * @param didNothing a new run without results
 */
export function leaveFailed(run: RunDir, error: unknown, didNothing: boolean): void {
  try {
    if (error instanceof UserError && didNothing) run.discard();
    else run.note(errorLine(error));
  } catch {
    // the disk may be what failed; the first error says more
  }
}

/** Path as an argument for a shell. */
export function shellWord(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
