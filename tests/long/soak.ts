/**
 * A tiny training of 2,000 iterations on every device: memory, open files, threads, buffers and what
 * the sampling workers hold of MuJoCo stay flat, and iterations take as long as at the start. The
 * environment gives every rollout a model of its own that each task changes; a shorter one has an
 * environment whose rollouts share a model. Times are printed always and judged where nothing
 * else ran on the machine: sharing a core changes the processor time by more than is allowed.
 *
 * Reads `/proc`, so on Linux only, and Deno wants -A for that.
 */
import assert from "node:assert/strict";
import { probeAdapter } from "../../src/compute/webgpu/adapter.ts";
import { inTemporaryFolder } from "../cli/metarl_process.ts";

/** One training. */
interface Soak {
  readonly device: "cpu" | "webgpu";
  readonly env: string;
  readonly iterations: number;
  /** Caches and heaps have filled up by then. */
  readonly warm: number;
  /** Iterations between two looks. */
  readonly every: number;
}

const SOAKS: readonly Soak[] = [
  { device: "cpu", env: "HopperRandParamsEnv", iterations: 2000, warm: 300, every: 100 },
  { device: "webgpu", env: "HopperRandParamsEnv", iterations: 2000, warm: 300, every: 100 },
  { device: "cpu", env: "Reacher3LinkEnv", iterations: 300, warm: 60, every: 20 },
];
/** MuJoCo's simulations of a worker: one a rollout of a task, as soak_run.ts has them. */
const ROLLOUTS = 2;
const ALLOWED = 1.05;
/** The heaps of the workers are not collected before the look at them. */
const ALLOWED_RESIDENT = 1.1;

/** What soak_run.ts prints. */
interface Held {
  readonly done: number;
  readonly resident: number;
  readonly heap: number;
  readonly threads: number;
  readonly files: number;
  readonly buffers: number;
  readonly bufferBytes: number;
  /** In a worker, as are the next two. */
  readonly simulations: number;
  readonly models: number;
  readonly mujocoBytes: number;
}
interface Times {
  readonly seconds: readonly number[];
  readonly ticks: readonly number[];
  readonly machine: readonly (readonly [busy: number, all: number])[];
}

/** Share of the machine that others may use while times are taken. */
const OTHERS = 0.05;

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}

async function soak(
  { device, env, iterations, every }: Soak,
): Promise<{ held: Held[]; times: Times }> {
  const lines: string[] = [];
  await inTemporaryFolder(async (folder) => {
    const script = new URL("soak_run.ts", import.meta.url).pathname;
    const args = ["run", "-A", "--no-check", "--quiet", "--v8-flags=--expose-gc"];
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [...args, script, device, env, `${iterations}`, `${every}`, `${folder}/run`],
    }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    lines.push(...new TextDecoder().decode(stdout).trimEnd().split("\n"));
  });
  const objects = lines.map((line) => JSON.parse(line));
  return { held: objects.slice(0, -1), times: objects.at(-1) };
}

const adapter = Deno.build.os === "linux" ? await probeAdapter() : null;

for (const settings of SOAKS) {
  const { device, env, iterations, warm: warmUp } = settings;
  Deno.test({
    name: `${device}, ${env}: after ${iterations} iterations nothing has grown or become slower`,
    ignore: Deno.build.os !== "linux" || (device === "webgpu" && adapter === null),
    async fn() {
      const { held, times: { seconds, ticks, machine } } = await soak(settings);
      for (const { done, ...counts } of held) {
        if (done % (iterations / 4) !== 0 && done !== warmUp) continue;
        const text = Object.entries(counts).map(([name, value]) => `${name} ${Math.round(value)}`);
        console.log(`${device}, iteration ${done}: ${text.join(", ")}`);
      }
      const length = Math.min(200, iterations / 4);
      const [start, end] = [[warmUp / 3, warmUp / 3 + length], [iterations - length, iterations]];
      const wall = ([from, to]: number[]) => median(seconds.slice(from, to));
      const processor = ([from, to]: number[]) =>
        (ticks[to - 1] - ticks[from]) / (to - from - 1) / 100;
      const others = ([from, to]: number[]) => {
        const [busy, all] = [0, 1].map((i) => machine[to - 1][i] - machine[from][i]);
        return (busy - ticks[to - 1] + ticks[from]) / all;
      };
      const isAlone = Math.max(others(start), others(end)) < OTHERS;
      for (const [name, of] of [["wall time", wall], ["processor time", processor]] as const) {
        console.log(
          `${device}: ${name} of an iteration ${(1000 * of(start)).toFixed(2)} ms at the start, ` +
            `${(1000 * of(end)).toFixed(2)} ms at the end`,
        );
      }
      if (!isAlone) console.log(`${device}: others use the machine, so times are not judged`);
      const warm = held.filter(({ done }) => done >= warmUp);
      const [first] = warm;
      assert.ok(first.models > 0 && first.mujocoBytes > 0, "nothing was counted in the workers");
      assert.equal(first.simulations, ROLLOUTS);
      for (const now of warm) {
        for (const name of ["files", "simulations", "models", "mujocoBytes"] as const) {
          assert.equal(now[name], first[name], `${name} after ${now.done}`);
        }
        // Deno ends threads that waited for files or for the GPU when they were idle for a while
        assert.ok(now.threads <= first.threads + 2, `threads after ${now.done}: ${now.threads}`);
        for (const name of ["buffers", "bufferBytes"] as const) {
          assert.ok(now[name] <= ALLOWED * first[name], `${name} after ${now.done}: ${now[name]}`);
        }
      }
      for (const [name, allowed] of [["heap", ALLOWED], ["resident", ALLOWED_RESIDENT]] as const) {
        const most = (part: readonly Held[]) => Math.max(...part.map((each) => each[name]));
        const middle = warm.length >> 1;
        const [before, after] = [most(warm.slice(0, middle)), most(warm.slice(middle))];
        assert.ok(after <= allowed * before, `${name}: at most ${before} MiB, then ${after} MiB`);
      }
      assert.ok(!isAlone || processor(end) <= ALLOWED * processor(start), "processor time");
      assert.ok(!isAlone || wall(end) <= ALLOWED * wall(start), "wall time");
    },
  });
}
