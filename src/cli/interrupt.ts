/** Ctrl-C: the first one asks the work to end well, the second one ends the process. */
import { ExitCode } from "./failure.ts";

/** Listens until it is disposed of. */
export class Interrupt implements Disposable {
  readonly #controller = new AbortController();
  readonly #onFirst: () => void;

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
    if (this.#controller.signal.aborted) Deno.exit(ExitCode.INTERRUPTED);
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
