/**
 * A tiny training of 2,000 iterations on every device: memory, open files, threads and buffers stay
 * flat, and iterations take as long as at the start. Times are for a machine that does nothing else;
 * the processor time, printed beside them, depends less on that.
 *
 * Reads `/proc`, so on Linux only, and Deno wants -A for that.
 */
import assert from "node:assert/strict";
import { probeAdapter } from "../../src/compute/webgpu/adapter.ts";
import { inTemporaryFolder } from "../cli/metarl_process.ts";

const ITERATIONS = 2000;
/** Caches and heaps have filled up by then. */
const WARM = 300;
const ALLOWED = 1.05;

/** What soak_run.ts prints. */
interface Held {
  readonly done: number;
  readonly resident: number;
  readonly threads: number;
  readonly files: number;
  readonly buffers: number;
  readonly bufferBytes: number;
  readonly simulations: number;
}
interface Times {
  readonly seconds: readonly number[];
  readonly ticks: readonly number[];
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}

async function soak(device: string): Promise<{ held: Held[]; times: Times }> {
  const lines: string[] = [];
  await inTemporaryFolder(async (folder) => {
    const script = new URL("soak_run.ts", import.meta.url).pathname;
    const args = ["run", "-A", "--no-check", "--quiet"];
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [...args, script, device, `${ITERATIONS}`, `${folder}/run`],
    }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    lines.push(...new TextDecoder().decode(stdout).trimEnd().split("\n"));
  });
  const objects = lines.map((line) => JSON.parse(line));
  return { held: objects.slice(0, -1), times: objects.at(-1) };
}

const adapter = Deno.build.os === "linux" ? await probeAdapter() : null;

for (const device of ["cpu", "webgpu"]) {
  Deno.test({
    name: `${device}: after ${ITERATIONS} iterations nothing has grown or become slower`,
    ignore: Deno.build.os !== "linux" || (device === "webgpu" && adapter === null),
    async fn() {
      const { held, times: { seconds, ticks } } = await soak(device);
      for (const { done, ...counts } of held) {
        if (done % 500 !== 0 && done !== WARM) continue;
        const text = Object.entries(counts).map(([name, value]) => `${name} ${Math.round(value)}`);
        console.log(`${device}, iteration ${done}: ${text.join(", ")}`);
      }
      const early = median(seconds.slice(100, 300)), late = median(seconds.slice(-200));
      const used = (from: number, to: number) => (ticks[to - 1] - ticks[from]) / (to - from - 1);
      const processor = used(ITERATIONS - 200, ITERATIONS) / used(100, 300);
      console.log(
        `${device}: ${(1000 * early).toFixed(2)} ms an iteration at the start, ` +
          `${(1000 * late).toFixed(2)} ms at the end (${(late / early).toFixed(3)} times); ` +
          `processor time ${processor.toFixed(3)} times`,
      );
      const warm = held.filter(({ done }) => done >= WARM);
      const [first] = warm;
      for (const now of warm) {
        for (const name of ["files", "simulations"] as const) {
          assert.equal(now[name], first[name], `${name} after ${now.done}`);
        }
        // Deno ends threads that waited for files or for the GPU when they were idle for a while
        assert.ok(now.threads <= first.threads + 2, `threads after ${now.done}: ${now.threads}`);
        for (const name of ["buffers", "bufferBytes"] as const) {
          assert.ok(now[name] <= ALLOWED * first[name], `${name} after ${now.done}: ${now[name]}`);
        }
      }
      const resident = (part: readonly Held[]) => median(part.map((each) => each.resident));
      const [before, after] = [resident(warm.slice(0, 5)), resident(warm.slice(-5))];
      assert.ok(after <= ALLOWED * before, `resident size ${before} MiB, then ${after} MiB`);
      assert.ok(late <= ALLOWED * early, `${early} s, then ${late} s`);
    },
  });
}
