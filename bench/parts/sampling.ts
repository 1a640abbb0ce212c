/**
 * Sampling beside bare physics, from the programs bench/sampling.ts and bench/jobs.ts, which can be
 * run by themselves with more to choose from.
 */
import { runProgram } from "../process.ts";
import { type Effort, ratioOf, type Report, spreadOf } from "../results.ts";

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
  /** By turn. */
  readonly turns: { readonly sampler: readonly number[] };
  readonly processorTurns: {
    readonly sampler: readonly number[];
    readonly mj_step: readonly number[];
  };
}

interface Jobs {
  readonly results: readonly {
    readonly workers: number;
    /** By turn. */
    readonly turns: {
      readonly stepsPerSecond: readonly number[];
      readonly envStepShare: readonly number[];
    };
  }[];
}

export async function benchSampling(report: Report, effort: Effort): Promise<void> {
  const envs = ["AntRandGoalModeEnv", "Reacher3LinkEnv", "MetaPointEnvMomentumModes"];
  const found = await ask<Environment[]>("sampling.ts", effort.quick ? envs.slice(1) : envs);
  const named = (workers: number) => `${workers} worker${workers > 1 ? "s" : ""}`;
  for (const { env, workers, turns, processorTurns } of found) {
    report.figure(PART, env, named(workers), "steps/s", turns.sampler);
    if (processorTurns.mj_step.length > 0) {
      const share = ratioOf(processorTurns.sampler, processorTurns.mj_step);
      report.ratio(PART, env, `sampler / mj_step, processor time, ${named(workers)}`, share);
    }
  }
  for (const config of effort.quick ? ["reacher"] : ["reacher", "ant_rand_goal_mode"]) {
    const { results } = await ask<Jobs>("jobs.ts", [`configs/${config}.json`, "--jobs", "1"]);
    const name = `jobs of ${config}`;
    for (const { workers, turns } of results) {
      report.figure(PART, name, named(workers), "steps/s", turns.stepsPerSecond);
      const share = spreadOf(turns.envStepShare);
      report.ratio(PART, name, `env.step / whole job, ${named(workers)}`, share);
    }
  }
}
