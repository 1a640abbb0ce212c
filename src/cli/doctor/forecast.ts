/**
 * How fast environments are here, and what the published configurations would take. A forecast
 * trains one or two iterations with fewer tasks (and rollouts where a task alone is too long), as
 * many as take about a second, and multiplies: time and trajectories grow with their number. Left
 * out: what does not grow with it, so a forecast is an upper estimate; `--dry-run` measures whole
 * iterations.
 */
import ant from "../../../configs/ant_rand_goal.json" with { type: "json" };
import antModes from "../../../configs/ant_rand_goal_mode.json" with { type: "json" };
import point from "../../../configs/point_env_momentum_dense.json" with { type: "json" };
import reacher from "../../../configs/reacher.json" with { type: "json" };
import { measureEnvSpeed } from "../../envs/check.ts";
import { loadEnv } from "../../envs/registry.ts";
import { learnerBytes } from "../../trainer/learner_bytes.ts";
import { metaBatchBytes } from "../../trainer/meta_batch.ts";
import { envOptions, objectiveSpec } from "../../trainer/specs.ts";
import { measureIteration } from "../dry_run.ts";
import { workerCount } from "../headline.ts";
import { type SettledRun, settleNew } from "../prepare_run.ts";
import { type Finding, formatBytes } from "./finding.ts";

/** The published configurations; what they take grows from the first to the last. */
export const PUBLISHED: Readonly<Record<string, { readonly env: string }>> = {
  point_env_momentum_dense: point,
  reacher,
  ant_rand_goal: ant,
  ant_rand_goal_mode: antModes,
};

/** Environments whose speed is measured. */
export const SPEED_ENVS: readonly string[] = [point.env, reacher.env, antModes.env];

/** Seconds that sampling of a measured iteration should take. */
const SAMPLING_SECONDS = 0.8;
/** Share of the tasks that is enough, and of the rollouts that says anything. */
const MOST_SHARE = 0.25;
const LEAST_SHARE = 0.25;
/** A first iteration, in which workers start, is the measured one where it takes longer, in s. */
const LONG_ITERATION = 20;
/** Policy, rewards and storage on top of the environment's own steps. */
const SAMPLING_SHARE = 0.7;

/** Steps per second of one environment on one thread, resets included. */
export async function measureSpeed(env: string, seconds: number): Promise<number> {
  return await measureEnvSpeed(await loadEnv(env), seconds);
}

/** Bytes that grow with the trajectories: where they are recorded, and where they are learned from. */
async function trajectoryBytes({ config, spec }: SettledRun): Promise<number> {
  const env = await loadEnv(config.env, envOptions(config, spec));
  const objective = objectiveSpec(config, "mmaml", env.spec);
  return metaBatchBytes(objective, env.spec) + learnerBytes(objective);
}

/** What one configuration would take; sizes in bytes, times in s. */
export interface Forecast {
  readonly config: string;
  readonly device: string;
  readonly workers: number;
  readonly iterations: number;
  readonly environmentStepsPerIteration: number;
  readonly secondsPerIteration: number;
  readonly expectedSeconds: number;
  readonly residentBytes: number;
  /** Share of its rollouts that it was measured on. */
  readonly measuredShare: number;
}

/**
 * Forecasts MMAML on one published configuration.
 *
 * @param stepsPerSecond of its environment, on one thread
 * @param device what to ask for: `auto` where there is a GPU worth measuring
 * @param onPhase what is being done
 */
export async function forecast(
  name: string,
  stepsPerSecond: number,
  device: "auto" | "cpu",
  onPhase: (phase: string) => void,
): Promise<Forecast> {
  const settle = (changes: Readonly<Record<string, unknown>>) => {
    const overrides = JSON.stringify({ ...PUBLISHED[name], ...changes });
    return settleNew(undefined, { overrides, device });
  };
  const whole = await settle({});
  const { config } = whole;
  const tasks = config.metaBatchSize;
  const cores = workerCount(config);
  const stepsPerTask = (config.innerSteps + 1) * config.rolloutsPerTask *
    config.maxSteps;
  const perWorker = SAMPLING_SECONDS * SAMPLING_SHARE * stepsPerSecond / stepsPerTask;
  const most = Math.max(cores, Math.ceil(MOST_SHARE * tasks));
  const measuredTasks = Math.min(most, cores * Math.max(1, Math.round(perWorker)));
  const rollouts = config.rolloutsPerTask;
  const share = Math.max(LEAST_SHARE, Math.min(1, perWorker));
  const measuredRollouts = Math.ceil(share * rollouts);
  const part = await settle({
    meta_batch_size: measuredTasks,
    rollouts_per_meta_task: measuredRollouts,
  });
  const before = Deno.memoryUsage().rss;
  const measured = await measureIteration("mmaml", part, LONG_ITERATION, {
    onPhase,
    onNotice() {},
  });
  const { seconds, environmentSteps } = measured.report;
  const factor = tasks * rollouts / (measuredTasks * measuredRollouts);
  const more = await trajectoryBytes(whole) - await trajectoryBytes(part);
  return {
    config: name,
    device: measured.device,
    workers: cores,
    iterations: config.iterations,
    environmentStepsPerIteration: environmentSteps * factor,
    secondsPerIteration: seconds * factor,
    expectedSeconds: seconds * factor * config.iterations,
    residentBytes: Math.max(measured.residentBytes, before) + more,
    measuredShare: 1 / factor,
  };
}

/** Failures of the configurations that this machine has too little memory for, in bytes. */
export function tooLarge(forecasts: readonly Forecast[], totalMemory: number): Finding[] {
  return forecasts.filter(({ residentBytes }) => residentBytes > totalMemory)
    .map(({ config, residentBytes }) => ({
      status: "FAILED",
      name: "memory",
      detail: `${config} needs ${formatBytes(residentBytes)}, there are ${
        formatBytes(totalMemory)
      }`,
      advice: 'take a smaller "meta_batch_size" or "rollouts_per_meta_task" for it',
    }));
}
