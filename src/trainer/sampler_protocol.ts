/** What the learner and a sampling worker say to each other. */
import type { RunConfig } from "../config/schema.ts";
import type { Culprit, DivergenceKind } from "./divergence.ts";
import type { MetaBatchMemory } from "./meta_batch.ts";
import type { MetaAlgorithm } from "./types.ts";

/** Everything a worker needs for all of its jobs. */
export interface SamplerSetup {
  readonly algorithm: MetaAlgorithm;
  readonly config: RunConfig;
  /** Version of the environment that the learner has loaded. */
  readonly envVersion: number | string;
  readonly memory: MetaBatchMemory;
}

/** A job that is done, and milliseconds that it spent; its results are in the shared memory. */
export interface TaskReport {
  readonly task: number;
  /** Where the first rollout was cut, and why: `task 2, round 0, rollout 1, step 7: ...`. */
  readonly firstCut: string | null;
  readonly samplingMs: number;
  /** Of {@link samplingMs}, inside of the environments' `step`: physics, observation, reward. */
  readonly envStepMs: number;
  readonly processingMs: number;
  readonly innerStepMs: number;
  readonly held: WorkerMemory;
}

/** What a worker holds of MuJoCo once a job is done: what the tests for leaks look at. */
export interface WorkerMemory {
  readonly models: number;
  readonly simulations: number;
  /** Size of its WASM memory, which never shrinks. */
  readonly mujocoBytes: number;
}

/** Learner to worker. */
export type ToSampler =
  | {
    readonly type: "setup";
    readonly setup: SamplerSetup;
    /** MuJoCo, compiled; `null` where the environment does without. */
    readonly mujoco: WebAssembly.Module | null;
    /** [1] see job_lease.ts */
    readonly lease: Int32Array<SharedArrayBuffer>;
  }
  | { readonly type: "job"; readonly iteration: number; readonly task: number };

/** Worker to learner. */
export type FromSampler =
  | { readonly type: "ready" }
  | { readonly type: "done"; readonly report: TaskReport }
  /** The job's task diverged; the worker is as good as before. */
  | {
    readonly type: "diverged";
    readonly task: number;
    readonly kind: DivergenceKind;
    readonly culprit: Culprit;
    readonly code: string;
    readonly message: string;
  }
  /** A failure that would come back in any worker. */
  | { readonly type: "error"; readonly code: string; readonly message: string }
  /** Something broke in this worker; it must not be used again. */
  | { readonly type: "crash"; readonly message: string };
