/**
 * Sampling beside bare physics, from the programs bench/sampling.ts and bench/jobs.ts, which can be
 * run by themselves with more to choose from.
 */
import { runProgram } from "../process.ts";
import { type Effort, type Report, spreadOf } from "../results.ts";

const PART = "sampling";

/** Runs a program of this folder; its JSON. */
async function ask<T>(script: string, args: readonly string[]): Promise<T> {
  const { stdout } = await runProgram(Deno.execPath(), [
    ...["run", "-A", "--no-check", "--quiet", `bench/${script}`, "--json", ...args],
  ]);
  return JSON.parse(stdout);
}

interface Environment {
  readonly env: string;
  readonly workers: number;
  readonly stepsPerSecond: { readonly sampler: number };
  readonly samplerShare?: number;
}

interface Jobs {
  readonly results: readonly {
    readonly workers: number;
    readonly stepsPerSecond: number;
    readonly envStepShare: number;
  }[];
}

export async function benchSampling(report: Report, effort: Effort): Promise<void> {
  const envs = ["AntRandGoalModeEnv", "Reacher3LinkEnv", "MetaPointEnvMomentumModes"];
  const found = await ask<Environment[]>("sampling.ts", effort.quick ? envs.slice(1) : envs);
  const named = (workers: number) => `${workers} worker${workers > 1 ? "s" : ""}`;
  for (const { env, workers, stepsPerSecond, samplerShare } of found) {
    report.figure(PART, env, named(workers), "steps/s", [stepsPerSecond.sampler]);
    if (samplerShare !== undefined) {
      const name = `${env}: sampler / bare mj_step, ${named(workers)}`;
      report.ratio(PART, name, spreadOf([samplerShare]));
    }
  }
  for (const config of effort.quick ? ["reacher"] : ["reacher", "ant_rand_goal_mode"]) {
    const { results } = await ask<Jobs>("jobs.ts", [`configs/${config}.json`, "--jobs", "1"]);
    for (const { workers, stepsPerSecond, envStepShare } of results) {
      report.figure(PART, `jobs of ${config}`, named(workers), "steps/s", [stepsPerSecond]);
      const name = `jobs of ${config}: env.step / whole job, ${named(workers)}`;
      report.ratio(PART, name, spreadOf([envStepShare]));
    }
  }
}
