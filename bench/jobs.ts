/**
 * Where a sampling worker's time goes: whole jobs of a configuration as in training (all rounds of
 * sampling and adaptation of a task), for 1 to all workers.
 *
 *     steps/s   environment steps of all workers together
 *     mj_step   share of a job's time inside MuJoCo's step
 *     env       share inside the environments' step: mj_step, observation, reward; what the
 *               column Time-EnvStep of a run measures
 *     network   share in the inner steps
 *
 * Speed and shares are measured in turns, since looking at the clock around each mj_step takes time
 * too. The table has medians.
 *
 * `deno run --allow-read bench/jobs.ts [CONFIG] [--algorithm mmaml] [--workers 1,2] [--jobs 2]
 * [--json]`
 */
import { resolveConfig } from "../src/config/parse.ts";
import type { JsonValue } from "../src/util/json.ts";
import { loadEnv } from "../src/envs/registry.ts";
import { mujocoBinary } from "../src/envs/mujoco/runtime.ts";
import { initEncoder, initPolicy } from "../src/nn/init.ts";
import { allocateMetaBatch } from "../src/trainer/meta_batch.ts";
import type { SamplerSetup } from "../src/trainer/sampler_protocol.ts";
import { envOptions, objectiveSpec } from "../src/trainer/specs.ts";
import type { MetaAlgorithm } from "../src/trainer/types.ts";
import { KeyedRandom } from "../src/util/prng.ts";
import { median } from "../src/util/statistics.ts";
import { BenchWorker, option, workerCounts } from "./bench_worker.ts";
import type { JobTimes, ToJobWorker } from "./jobs_worker.ts";

const TURNS = 5;

interface Result {
  readonly workers: number;
  /** By turn; below: medians. */
  readonly turns: {
    readonly stepsPerSecond: readonly number[];
    readonly envStepShare: readonly number[];
  };
  readonly stepsPerSecond: number;
  /** Of a job's time. */
  readonly mjStepShare: number;
  readonly envStepShare: number;
  readonly innerStepShare: number;
}

/** The setup that a training run would give its workers, with tasks and parameters in place. */
async function prepare(path: string, algorithm: MetaAlgorithm): Promise<SamplerSetup> {
  const values = JSON.parse(Deno.readTextFileSync(path)) as Record<string, JsonValue>;
  const { config } = resolveConfig([{ source: path, values }]);
  const env = await loadEnv(config.env, envOptions(config, (await loadEnv(config.env)).spec));
  const spec = objectiveSpec(config, algorithm, env.spec);
  const memory = allocateMetaBatch(spec, env.spec);
  const random = new KeyedRandom(config.seed);
  memory.tasks.set(env.sampleTasks(random, 0, spec.tasks, config.mode).rows);
  memory.policy.set(initPolicy(random, spec.policy, config.initStd));
  if (spec.encoder !== null) memory.encoder!.set(initEncoder(random, spec.encoder));
  return { algorithm, config, envVersion: env.spec.version, memory };
}

async function measure(setup: SamplerSetup, count: number, jobs: number): Promise<Result> {
  const mujoco = await mujocoBinary();
  const workers = Array.from(
    { length: count },
    () => new BenchWorker<ToJobWorker, JobTimes>(new URL("./jobs_worker.ts", import.meta.url)),
  );
  const tasks = setup.memory.trajectories[0].length;
  const turn = (timed: boolean) =>
    Promise.all(workers.map((worker, w) =>
      worker.ask({
        type: "run",
        timed,
        tasks: Array.from({ length: jobs }, (_, j) => (w + j * count) % tasks),
      })
    ));
  for (const worker of workers) await worker.ask({ type: "open", setup, mujoco });
  await turn(true);
  const rates: number[] = [];
  const shares: number[][] = [[], [], []];
  for (let t = 0; t < TURNS; t++) {
    const fast = await turn(false);
    rates.push(fast.reduce((sum, { steps, ms }) => sum + 1000 * steps / ms, 0));
    const slow = await turn(true);
    const total = slow.reduce((sum, { ms }) => sum + ms, 0);
    (["mjStepMs", "envStepMs", "innerStepMs"] as const).forEach((name, i) => {
      shares[i].push(slow.reduce((sum, times) => sum + times[name], 0) / total);
    });
  }
  for (const worker of workers) worker.stop();
  const [mjStepShare, envStepShare, innerStepShare] = shares.map(median);
  return {
    workers: count,
    turns: { stepsPerSecond: rates, envStepShare: shares[1] },
    stepsPerSecond: median(rates),
    mjStepShare,
    envStepShare,
    innerStepShare,
  };
}

const path = Deno.args.find((arg) => arg.endsWith(".json")) ?? "configs/ant_rand_goal_mode.json";
const algorithm = option("--algorithm", "mmaml") as MetaAlgorithm;
const json = Deno.args.includes("--json");
const setup = await prepare(path, algorithm);
const results: Result[] = [];
if (!json) {
  console.log(`${algorithm} ${path}`);
  console.log("workers   steps/s  mj_step     env  network");
}
for (const count of workerCounts()) {
  const result = await measure(setup, count, Number(option("--jobs", "2")));
  results.push(result);
  if (json) continue;
  const shares = [result.mjStepShare, result.envStepShare, result.innerStepShare]
    .map((share) => `${(100 * share).toFixed(1)} %`.padStart(7));
  console.log(
    `${String(count).padStart(7)} ${result.stepsPerSecond.toFixed(0).padStart(9)}  ` +
      shares.join(" "),
  );
}
if (json) console.log(JSON.stringify({ config: path, algorithm, results }, null, 2));
