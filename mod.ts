/**
 * metarl as a library: meta-reinforcement-learning with hand-written kernels on WebGPU and CPU.
 *
 * The layers, from the bottom: `Device` runs lists of kernel commands; `MetaObjective` is the
 * objective of ProMP and MMAML with its exact gradient on any device; environments and the
 * sampler make its data; `trainMeta` is the whole loop. For FAMLE `DynamicsModel` is the model,
 * `trainFamle` meta-trains one, `controlRobot` lets a damaged robot adapt, and planners take any
 * function that scores action sequences. The kernels on TensorFlow.js tensors are in the module
 * `metarl/tfjs`.
 *
 * @example A run in memory
 * ```ts
 * import { parseConfig, setLayer, trainMeta } from "metarl";
 *
 * const { config } = parseConfig('{"env": "MetaPointEnvMomentumModes", "n_itr": 1}', "example", [
 *   setLayer("meta_batch_size=2"),
 *   setLayer("device=cpu"),
 * ]);
 * const summary = await trainMeta({
 *   algorithm: "mmaml",
 *   config,
 *   writer: {
 *     recordDevice: () => {},
 *     startProgress: () => {},
 *     appendRow: (row) => console.log(row["Step_2-AverageReturn"]),
 *     saveCheckpoint: () => Promise.resolve("nowhere"),
 *     note: () => {},
 *   },
 *   resume: null,
 *   init: null,
 *   workers: 1,
 *   stop: new AbortController().signal,
 * }, { onIteration: () => {}, onNotice: console.log });
 * console.log(summary.status);
 * ```
 *
 * @module
 */
export * from "./src/algos/dynamics_model.ts";
export * from "./src/algos/famle.ts";
export * from "./src/algos/meta_objective.ts";
export * from "./src/compute/cpu/cpu_device.ts";
export type { SimdLevel } from "./src/compute/cpu/kernel_module.ts";
export * from "./src/compute/device.ts";
export * from "./src/compute/kernels.ts";
export * from "./src/compute/layout.ts";
export * from "./src/compute/reference/reference_device.ts";
export type { KernelLimits } from "./src/compute/webgpu/kernel.ts";
export type { TileProfile } from "./src/compute/webgpu/profile.ts";
export * from "./src/compute/webgpu/webgpu_device.ts";
export {
  FAMLE_KEYS,
  type FamleConfig,
  type FamleKey,
  resolveFamleConfig,
} from "./src/config/famle.ts";
export * from "./src/config/parse.ts";
export { CONFIG_KEYS, type ConfigKey, type RunConfig } from "./src/config/schema.ts";
export * from "./src/envs/check.ts";
export * from "./src/envs/env.ts";
export * from "./src/envs/famle/famle_env.ts";
export * from "./src/envs/registry.ts";
export * from "./src/envs/scene.ts";
export * from "./src/nn/init.ts";
export * from "./src/planning/planner.ts";
export { createPlanner, PLANNER_NAMES } from "./src/planning/registry.ts";
export * from "./src/rollout/baseline.ts";
export * from "./src/rollout/processor.ts";
export * from "./src/rollout/sampler.ts";
export * from "./src/rollout/trajectory_batch.ts";
export * from "./src/run/checkpoint.ts";
export * from "./src/run/log.ts";
export * from "./src/run/provenance.ts";
export * from "./src/run/run_dir.ts";
export * from "./src/trainer/famle_model.ts";
export * from "./src/trainer/famle_trainer.ts";
export { trainMeta } from "./src/trainer/meta_trainer.ts";
export * from "./src/trainer/online_control.ts";
export * from "./src/trainer/types.ts";
export * from "./src/util/errors.ts";
export type { JsonValue } from "./src/util/json.ts";
export * from "./src/util/normalizer.ts";
export * from "./src/util/prng.ts";
export * from "./src/util/stage_reward.ts";
