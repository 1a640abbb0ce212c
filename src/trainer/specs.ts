/** From a configuration and an environment to the sizes of networks, data and objective. */
import type { MetaObjectiveSpec } from "../algos/meta_objective.ts";
import { type EncoderSpec, modulationLayout, type PolicySpec } from "../compute/layout.ts";
import type { RunConfig } from "../config/schema.ts";
import type { EnvSpec } from "../envs/env.ts";
import { log } from "../util/math.ts";
import type { MetaAlgorithm } from "./types.ts";

/** Options that the environment understands, out of the configuration. */
export function envOptions(config: RunConfig, env: EnvSpec): Record<string, unknown> {
  const given: Readonly<Record<string, unknown>> = {
    reward_type: config.rewardType,
    sparse_reward_radius: config.sparseRewardRadius,
    observe_all_velocities: config.observeAllVelocities,
    terminate: config.terminate,
    compat: config.compat,
  };
  return Object.fromEntries(
    env.options.filter(({ name }) => name in given).map(({ name }) => [name, given[name]]),
  );
}

/** Sizes and constants of a run. */
export function objectiveSpec(
  config: RunConfig,
  algorithm: MetaAlgorithm,
  env: EnvSpec,
): MetaObjectiveSpec {
  const modulated = algorithm === "mmaml";
  const policy: PolicySpec = {
    obsDim: env.obsDim,
    actDim: env.actDim,
    hiddenSizes: config.hiddenSizes,
    activation: config.activation,
    learnStd: config.learnStd,
    film: modulated ? { useBetas: config.useBetas, shiftGammas: config.shiftGammas } : null,
  };
  const encoder: EncoderSpec | null = !modulated ? null : {
    inputDim: env.obsDim + env.actDim + 1,
    cellSize: config.cellSize,
    mlpAfterGru: config.mlpAfterGru,
    mlpAfterPool: config.mlpAfterPool,
    outputDim: modulationLayout(policy).size,
  };
  return {
    policy,
    encoder,
    tasks: config.metaBatchSize,
    innerSteps: config.innerSteps,
    innerLr: config.innerLr,
    minLogStd: log(config.minStd),
    sampleCapacity: config.metaBatchSize * config.rolloutsPerTask * config.maxSteps,
    slots: config.rolloutsPerTask,
    sequenceLength: config.maxSteps,
  };
}
