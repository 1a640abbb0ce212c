/** From an error to what the user sees and the exit code. */
import { messageOf, RunError, UserError } from "../util/errors.ts";
import type { Output } from "./output.ts";

/** What the process ends with. */
export const ExitCode = {
  OK: 0,
  FAILED: 1,
  WRONG_USE: 2,
  INTERRUPTED: 130,
} as const;

/**
 * Prints the error as one line (with its stack where `debug` is set) and gives the exit code.
 */
export function reportFailure(error: unknown, output: Output, debug: boolean): number {
  const isExpected = error instanceof UserError || error instanceof RunError;
  const message = messageOf(error).replaceAll(/\s*\n\s*/g, " ");
  output.status(null);
  output.error(
    isExpected
      ? `error: ${message}`
      : `error: internal error: ${message} (a defect of metarl; --debug shows where)`,
  );
  if (debug && error instanceof Error) {
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
      output.error(cause.stack ?? String(cause));
    }
  }
  return error instanceof UserError ? ExitCode.WRONG_USE : ExitCode.FAILED;
}

/** Treats errors that no caller waits for (of a worker, of the GPU) like any other. */
export function catchStrayFailures(output: Output, debug: boolean): void {
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    Deno.exit(reportFailure(event.reason, output, debug));
  });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    Deno.exit(reportFailure(event.error, output, debug));
  });
}
