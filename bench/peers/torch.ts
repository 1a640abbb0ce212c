/**
 * Programs in PyTorch beside which this project is measured: run as processes that answer lines of
 * JSON. Python is `python3`, or what METARL_BENCH_PYTHON names.
 */
import type { Took } from "../clock.ts";
import type { Choice, Report } from "../results.ts";
import { TextLineStream } from "./text_lines.ts";

/** How PyTorch's memory comes: as from the C library, or kept by the process. */
export type Allocator = "default" | "tuned";

/**
 * Settings of glibc under which memory is kept instead of given back and zeroed again for every
 * large tensor; PyTorch is up to three times as fast with them.
 */
const TUNED = {
  MALLOC_MMAP_MAX_: "0",
  MALLOC_TRIM_THRESHOLD_: "68719476736",
  MALLOC_TOP_PAD_: "268435456",
  MALLOC_ARENA_MAX: "1",
};

const PYTHON = Deno.env.get("METARL_BENCH_PYTHON") ?? "python3";

/**
 * Version of PyTorch; `null`, and a line in the report, where it is not to take part or there is
 * none.
 */
export async function findTorch(
  report: Report,
  part: string,
  { peers }: Choice,
): Promise<string | null> {
  if (!peers.has("torch")) return null;
  const version = await torchVersion();
  if (version === null) report.missing(part, "PyTorch", `no torch: ${PYTHON} can't import it`);
  else report.print(`  PyTorch ${version}`);
  return version;
}

async function torchVersion(): Promise<string | null> {
  try {
    const { success, stdout } = await new Deno.Command(PYTHON, {
      args: ["-c", "import torch; print(torch.__version__)"],
      stderr: "null",
    }).output();
    return success ? new TextDecoder().decode(stdout).trim() : null;
  } catch {
    return null; // no Python either
  }
}

/** A running program of bench/peers. */
export class TorchPeer {
  readonly #process: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: ReadableStreamDefaultReader<string>;

  private constructor(script: string, allocator: Allocator, threads?: number) {
    this.#process = new Deno.Command(PYTHON, {
      // -B: no compiled copy of lines.py is left behind
      args: ["-B", new URL(script, import.meta.url).pathname],
      ...{ stdin: "piped", stdout: "piped", stderr: "inherit" },
      env: {
        ...allocator === "tuned" ? TUNED : {},
        ...threads === undefined ? {} : { OMP_NUM_THREADS: `${threads}` },
      },
    }).spawn();
    this.#writer = this.#process.stdin.getWriter();
    this.#lines = this.#process.stdout.pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream()).getReader();
  }

  /** Starts bench/peers/`script`. @param threads as many as PyTorch takes by itself by default */
  static async start(script: string, allocator: Allocator, threads?: number): Promise<TorchPeer> {
    const peer = new TorchPeer(script, allocator, threads);
    const answer = await peer.#answer();
    if (threads !== undefined && answer.threads !== threads) {
      throw new Error(`PyTorch has ${answer.threads} threads, not ${threads}`);
    }
    return peer;
  }

  async #answer(): Promise<Record<string, number>> {
    const { done, value } = await this.#lines.read();
    if (done) throw new Error("the PyTorch program ended without an answer, see above");
    return JSON.parse(value);
  }

  async ask(message: Readonly<Record<string, unknown>>): Promise<Record<string, number>> {
    await this.#writer.write(new TextEncoder().encode(JSON.stringify(message) + "\n"));
    return await this.#answer();
  }

  /** Asks for a piece of work; what it took in that process. */
  async time(message: Readonly<Record<string, unknown>>): Promise<Took> {
    const { seconds, processorSeconds } = await this.ask(message);
    return { ms: 1000 * seconds, processorMs: 1000 * processorSeconds };
  }

  async stop(): Promise<void> {
    await this.#writer.close();
    await this.#lines.cancel();
    await this.#process.status;
  }
}
