/**
 * Environment steps per second of the environments, for 1 to all workers, each with 20 simulators
 * stepped in turn. Three ways to play the same episodes to the last bit:
 *
 *     sampler   what training does but for the network: reset, noise, record, step
 *     env       reset and step alone
 *     mj_step   a bare loop of MuJoCo's step with the same controls: the limit (not for the point
 *               environments)
 *
 * The share of the limit that the sampler reaches is the part of its time that physics takes; what
 * part of a whole job that is, network included, says bench/jobs.ts. All workers play the same way
 * at the same time, for a short while and in turns, and shares are those of processor time, so that
 * what else the machine does meets all ways alike; the table has medians.
 *
 * `deno run --allow-read bench/sampling.ts [ENV]... [--workers 1,2] [--seconds 0.3] [--json]`
 */
import { mujocoBinary } from "../src/envs/mujoco/runtime.ts";
import { envNames, loadEnv } from "../src/envs/registry.ts";
import { median } from "../src/util/statistics.ts";
import { processorTime } from "./clock.ts";
import { BenchWorker, option, workerCounts } from "./bench_worker.ts";
import type { Played, ToWorker, Way } from "./sampling_worker.ts";

type SamplingWorker = BenchWorker<ToWorker, Played>;

/** Turns of the three ways. */
const TURNS = 5;
const WAYS: readonly Way[] = ["sampler", "env", "mj_step"];

interface Result {
  readonly env: string;
  readonly workers: number;
  /** Environment steps per second of all workers together, by way and turn. */
  readonly turns: Readonly<Record<Way, readonly number[]>>;
  /** Medians of them. */
  readonly stepsPerSecond: Readonly<Partial<Record<Way, number>>>;
  /** Environment steps per second of processor time, by way and turn. */
  readonly processorTurns: Readonly<Record<Way, readonly number[]>>;
  /** Of the limit, in processor time, medians of the turns. */
  readonly samplerShare?: number;
  readonly envShare?: number;
}

async function measure(env: string, workers: SamplingWorker[], seconds: number): Promise<Result> {
  const all = (message: (worker: number) => ToWorker) =>
    Promise.all(workers.map((worker, w) => worker.ask(message(w))));
  await all((worker) => ({ type: "open", env, worker }));
  const { usesMujoco } = await loadEnv(env);
  const ways = WAYS.filter((way) => usesMujoco || way !== "mj_step");
  const rates: Record<Way, number[]> = { sampler: [], env: [], mj_step: [] };
  const processorRates: Record<Way, number[]> = { sampler: [], env: [], mj_step: [] };
  for (const way of ways) await all(() => ({ type: "play", way, seconds })); // compiles
  for (let turn = 0; turn < TURNS; turn++) {
    for (const way of ways) {
      const used = processorTime();
      const played = await all(() => ({ type: "play", way, seconds }));
      const steps = played.reduce((sum, { steps }) => sum + steps, 0);
      processorRates[way].push(1000 * steps / (processorTime() - used));
      rates[way].push(played.reduce((sum, { steps, seconds }) => sum + steps / seconds, 0));
    }
  }
  await all(() => ({ type: "close" }));
  const share = (way: Way) =>
    median(processorRates[way].map((rate, turn) => rate / processorRates.mj_step[turn]));
  return {
    env,
    workers: workers.length,
    turns: rates,
    processorTurns: processorRates,
    stepsPerSecond: Object.fromEntries(ways.map((way) => [way, median(rates[way])])),
    ...(usesMujoco ? { samplerShare: share("sampler"), envShare: share("env") } : {}),
  };
}

const counts = workerCounts();
const seconds = Number(option("--seconds", "0.3"));
const named = Deno.args.filter((arg, i) => {
  return !arg.startsWith("--") && !["--workers", "--seconds"].includes(Deno.args[i - 1]);
});
const strange = named.find((name) => !envNames().includes(name));
if (strange !== undefined) {
  console.error(`error: ${strange} is not one of the environments: ${envNames().join(", ")}`);
  Deno.exit(2);
}
const envs = named.length > 0 ? named : envNames();

const results: Result[] = [];
const json = Deno.args.includes("--json");
const module = await mujocoBinary();
if (!json) {
  console.log("steps/s of all workers                          of mj_step");
  console.log("environment                  workers   sampler       env   mj_step  sampler   env");
}
for (const env of envs) {
  for (const count of counts) {
    const workers = Array.from(
      { length: count },
      (): SamplingWorker => new BenchWorker(new URL("./sampling_worker.ts", import.meta.url)),
    );
    for (const worker of workers) await worker.ask({ type: "share", module });
    const result = await measure(env, workers, seconds);
    for (const worker of workers) worker.stop();
    results.push(result);
    if (json) continue;
    const numbers = WAYS.map((way) => (result.stepsPerSecond[way]?.toFixed(0) ?? "").padStart(9));
    const shares = [result.samplerShare, result.envShare]
      .map((share) => (share === undefined ? "" : `${(100 * share).toFixed(0)} %`).padStart(6));
    console.log(
      `${env.padEnd(30)} ${String(count).padStart(5)} ${numbers.join(" ")}  ${shares.join(" ")}`,
    );
  }
}
if (json) console.log(JSON.stringify(results, null, 2));
