/**
 * The terminal: results on standard output; notices, warnings and errors on standard error; on a
 * terminal a status line that is redrawn in place. Text may quote files of any origin, names of
 * files included: nothing of it is obeyed by the terminal.
 */
import { visible } from "../util/errors.ts";

/** Where text goes. */
export interface Output {
  /** Whether people watch standard output: only then there is a status line. */
  readonly isTerminal: boolean;
  /** Width of the terminal in characters. */
  readonly columns: number;
  /** Whether nobody reads standard output any more, as in `metarl ... | head`. */
  readonly isClosed: boolean;
  /** One line on standard output. */
  line(text: string): void;
  /** One line on standard error. */
  error(text: string): void;
  /** Draws the status line; `null` removes it. Nothing where no terminal is. */
  status(text: string | null): void;
}

const DEFAULT_COLUMNS = 80;
/** Carriage return, then erase the line. */
const ERASE_LINE = "\r\x1b[2K";

function write(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  const bytes = new TextEncoder().encode(text);
  let written = 0;
  while (written < bytes.length) written += stream.writeSync(bytes.subarray(written));
}

/** Standard output and standard error of the process. */
export class ProcessOutput implements Output {
  readonly isTerminal: boolean = Deno.stdout.isTerminal();
  #isClosed = false;
  #status: string | null = null;

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get columns(): number {
    try {
      return Deno.consoleSize().columns || DEFAULT_COLUMNS;
    } catch {
      return DEFAULT_COLUMNS; // a terminal that doesn't tell its size
    }
  }

  line(text: string): void {
    this.#aroundStatus(() => this.#writeOut(`${visible(text)}\n`));
  }

  error(text: string): void {
    this.#aroundStatus(() => {
      try {
        write(Deno.stderr, `${visible(text)}\n`);
      } catch (error) {
        if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
      }
    });
  }

  status(text: string | null): void {
    if (!this.isTerminal || text === this.#status) return;
    this.#writeOut(ERASE_LINE + visible(text ?? ""));
    this.#status = text;
  }

  #aroundStatus(print: () => void): void {
    const status = this.#status;
    this.status(null);
    print();
    this.status(status);
  }

  #writeOut(text: string): void {
    try {
      write(Deno.stdout, text);
    } catch (error) {
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
      this.#isClosed = true;
    }
  }
}
