/** From an error to what the user sees and the exit code. Codes: docs/errors.md. */
import { messageOf, RunError, UserError } from "../util/errors.ts";
import type { Output } from "./output.ts";

/** What the process ends with. */
export const ExitCode = {
  OK: 0,
  FAILED: 1,
  WRONG_USE: 2,
  INTERRUPTED: 130,
} as const;

/** What is printed of an error besides its line. */
export interface ErrorStyle {
  /** Stack traces. */
  readonly debug: boolean;
  /** One JSON object on standard output, for scripts. */
  readonly json: boolean;
}

/** The style that the arguments ask for; known before they are understood. */
export function errorStyle(args: readonly string[]): ErrorStyle {
  return { debug: args.includes("--debug"), json: args.includes("--json") };
}

/** Stable code of an error; `internal` for a defect of metarl. */
function codeOf(error: unknown): string {
  if (error instanceof UserError || error instanceof RunError) return error.code;
  return error instanceof Deno.errors.NotCapable ? "permission" : "internal";
}

/** The line of an error without its code: what was wrong. */
function textOf(error: unknown): string {
  const message = messageOf(error).replaceAll(/\s*\n\s*/g, " ");
  return codeOf(error) === "internal"
    ? `internal error: ${message} (a defect of metarl; --debug shows where)`
    : message;
}

/** `error: none.json is not a run folder: there is no such folder [run-not-found]`. */
export function errorLine(error: unknown): string {
  return `error: ${textOf(error)} [${codeOf(error)}]`;
}

/** Prints the error as one line (and what the style adds) and gives the exit code. */
export function reportFailure(error: unknown, output: Output, style: ErrorStyle): number {
  const exitCode = error instanceof UserError ? ExitCode.WRONG_USE : ExitCode.FAILED;
  output.status(null);
  output.error(errorLine(error));
  if (style.json) {
    const [code, message] = [codeOf(error), textOf(error)];
    output.line(JSON.stringify({ type: "error", code, message, exitCode }));
  }
  if (style.debug && error instanceof Error) {
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
      output.error(cause.stack ?? String(cause));
    }
  }
  return exitCode;
}

/** Treats errors that no caller waits for (of a worker, of the GPU) like any other. */
export function catchStrayFailures(output: Output, style: ErrorStyle): void {
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    Deno.exit(reportFailure(event.reason, output, style));
  });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    Deno.exit(reportFailure(event.error, output, style));
  });
}
