/** A terminal that keeps what is printed. */
import type { Output } from "../../src/cli/output.ts";

/** Lines by stream. */
export class MemoryOutput implements Output {
  readonly lines: string[] = [];
  readonly errors: string[] = [];
  /** Every status line drawn; `null`: removed. */
  readonly statuses: (string | null)[] = [];
  isClosed = false;

  constructor(readonly isTerminal = false, readonly columns = 80) {}

  line(text: string): void {
    this.lines.push(text);
  }

  error(text: string): void {
    this.errors.push(text);
  }

  status(text: string | null): void {
    this.statuses.push(text);
  }
}
