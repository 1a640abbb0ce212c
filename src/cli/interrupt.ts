/** Ctrl-C: the first one asks the work to end well, the second one ends the process. */
import { ExitCode } from "./failure.ts";

/**
 * Interrupts that follow the first one so soon are the same key press: `deno task` passes the
 * terminal's signal on to a process that has got it already.
 */
const SAME_PRESS_MS = 500;

/** Listens until it is disposed of. */
export class Interrupt implements Disposable {
  readonly #controller = new AbortController();
  readonly #onFirst: () => void;
  #firstAt = 0;

  /** @param onFirst called at the first interrupt, after the signal is aborted */
  constructor(onFirst: () => void) {
    this.#onFirst = onFirst;
    for (const name of Interrupt.#signals) Deno.addSignalListener(name, this.#listen);
  }

  // Windows has no SIGTERM
  static readonly #signals: readonly Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT"]
    : ["SIGINT", "SIGTERM"];

  readonly #listen = (): void => {
    const now = performance.now();
    if (this.#controller.signal.aborted) {
      if (now - this.#firstAt < SAME_PRESS_MS) return;
      Deno.exit(ExitCode.INTERRUPTED);
    }
    this.#firstAt = now;
    this.abort();
    this.#onFirst();
  };

  /** Aborted at the first interrupt. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Asks the work to end, without an interrupt. */
  abort(): void {
    this.#controller.abort();
  }

  [Symbol.dispose](): void {
    for (const name of Interrupt.#signals) Deno.removeSignalListener(name, this.#listen);
  }
}
