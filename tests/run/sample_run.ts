/** A run's parameters and checkpoints, for tests. */
import { publishedConfig, resolveConfig, resultConfig } from "../../src/config/parse.ts";
import type { Checkpoint } from "../../src/run/checkpoint.ts";
import type { Retention, RunParams } from "../../src/run/run_dir.ts";

/** A valid configuration. */
export const { config: CONFIG } = resolveConfig([{ source: "test", values: { env: "TestEnv" } }]);

/** What its params.json holds. */
export const PARAMS: RunParams = {
  started: "2026-01-31T23:59:59.000Z",
  metarlVersion: "0.1.0",
  algorithm: "mmaml",
  seed: 1,
  environment: { name: "TestEnv", version: 3 },
  device: null,
  config: publishedConfig(CONFIG),
};

/** Keeps everything. */
export const RETENTION: Retention = {
  maxCheckpoints: 1000,
  keepEveryHours: 1,
  keepEveryIterations: null,
};

/** The checkpoint after so many iterations. */
export function checkpointOf(iteration: number): Checkpoint {
  return {
    algorithm: "mmaml",
    iteration,
    counters: { outerSteps: 5 * iteration },
    config: resultConfig(CONFIG),
    tensors: [{ name: "policy/b0", shape: [2], data: Float32Array.of(iteration, 0.5) }],
  };
}
