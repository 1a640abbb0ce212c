/** What the benchmarks with workers share. */

/** A thread that answers every message before the next is sent. */
export class BenchWorker<Ask, Answer> {
  readonly #worker: Worker;

  constructor(module: URL) {
    this.#worker = new Worker(module.href, { type: "module" });
  }

  /** @throws what the worker throws */
  ask(message: Ask): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#worker.onmessage = ({ data }: MessageEvent<Answer>) => resolve(data);
      this.#worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message));
      };
      this.#worker.postMessage(message);
    });
  }

  stop(): void {
    this.#worker.terminate();
  }
}

/** Value of `--name value` on the command line. */
export function option(name: string, fallback: string): string {
  const at = Deno.args.indexOf(name);
  return at < 0 ? fallback : Deno.args[at + 1];
}

/** `--workers 1,2`; all from 1 to the number of cores where it is not given. */
export function workerCounts(): number[] {
  const all = Array.from({ length: navigator.hardwareConcurrency }, (_, i) => i + 1);
  return option("--workers", all.join()).split(",").map(Number);
}
