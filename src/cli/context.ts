/** What every command gets from the program, and tells it. */
import type { Output } from "./output.ts";

/** Shared by the program and the command that runs. */
export interface CliContext {
  readonly output: Output;
  /** What the process ends with if nothing is thrown. */
  exitCode: number;
}
