/**
 * The data of one iteration in memory that the learner and all sampling workers share: the
 * learner writes parameters and tasks, the worker that has task m fills everything else of task m.
 * Allocated once per run.
 *
 * Axis letters: M tasks, K inner steps, E rollouts, T steps, D task, I encoder input, C cell of the
 * encoder.
 */
import type { MetaObjectiveSpec, TaskSamples } from "../algos/meta_objective.ts";
import { encoderLayout, policyLayout } from "../compute/layout.ts";
import type { EnvSpec } from "../envs/env.ts";
import {
  type BatchSizes,
  sampleCount,
  type TrajectoryBatch,
  trajectoryBatchBytes,
  viewTrajectoryBatch,
} from "../rollout/trajectory_batch.ts";
import { messageOf, RunError } from "../util/errors.ts";

/** Everything that an iteration's jobs read and write; can be posted to a worker. */
export interface MetaBatchMemory {
  readonly sizes: BatchSizes;
  /** [P] parameters to sample with */
  readonly policy: Float32Array;
  /** [Q], or `null` for ProMP */
  readonly encoder: Float32Array | null;
  /** [1] step size of the inner steps */
  readonly innerLr: Float64Array;
  /** [M, D] */
  readonly tasks: Float64Array;
  /** [M, E, T, I] input of the task encoder, or `null` for ProMP */
  readonly sequences: Float32Array | null;
  /** [M, C] what the task encoder makes of it: the task's embedding, or `null` for ProMP */
  readonly embeddings: Float32Array | null;
  /** [K+1][M] one trajectory batch each */
  readonly trajectories: readonly (readonly SharedArrayBuffer[])[];
}

function batchSizes(spec: MetaObjectiveSpec, env: EnvSpec): BatchSizes {
  return {
    rollouts: spec.slots,
    maxSteps: spec.sequenceLength,
    obsDim: env.obsDim,
    actDim: env.actDim,
    rewardParts: env.rewardParts.length,
  };
}

/** Bytes that {@link allocateMetaBatch} takes, but for parameters and tasks. */
export function metaBatchBytes(spec: MetaObjectiveSpec, env: EnvSpec): number {
  const rounds = (spec.innerSteps + 1) * spec.tasks;
  const sequences = spec.encoder === null ? 0 : 4 * spec.sampleCapacity * spec.encoder.inputDim;
  return rounds * trajectoryBatchBytes(batchSizes(spec, env)) + sequences;
}

/** @throws RunError `out-of-memory` with the size that was asked for. */
export function allocateMetaBatch(spec: MetaObjectiveSpec, env: EnvSpec): MetaBatchMemory {
  const { tasks, innerSteps, encoder } = spec;
  const sizes = batchSizes(spec, env);
  const float32 = (length: number) => new Float32Array(new SharedArrayBuffer(4 * length));
  const innerLr = new Float64Array(new SharedArrayBuffer(8));
  innerLr[0] = spec.innerLr;
  try {
    return {
      sizes,
      policy: float32(policyLayout(spec.policy).size),
      encoder: encoder === null ? null : float32(encoderLayout(encoder).size),
      innerLr,
      tasks: new Float64Array(new SharedArrayBuffer(8 * tasks * env.taskDim)),
      sequences: encoder === null ? null : float32(spec.sampleCapacity * encoder.inputDim),
      embeddings: encoder === null ? null : float32(tasks * encoder.cellSize),
      trajectories: Array.from({ length: innerSteps + 1 }, () =>
        Array.from(
          { length: tasks },
          () => new SharedArrayBuffer(trajectoryBatchBytes(sizes)),
        )),
    };
  } catch (error) {
    const mebibytes = Math.ceil(metaBatchBytes(spec, env) / 2 ** 20);
    throw new RunError(
      "out-of-memory",
      `Cannot allocate ${mebibytes} MiB for ${innerSteps + 1} rounds of ${tasks} tasks with ` +
        `${spec.slots} rollouts of ${spec.sequenceLength} steps (${messageOf(error)}); ` +
        "lower meta_batch_size",
    );
  }
}

/** Views of one step's batches, [M]. */
export function viewStep(memory: MetaBatchMemory, k: number): TrajectoryBatch[] {
  return memory.trajectories[k].map((buffer) => viewTrajectoryBatch(memory.sizes, buffer));
}

/** A batch as the objective takes it; nothing is copied. */
export function taskSamples(batch: TrajectoryBatch): TaskSamples {
  return {
    count: sampleCount(batch),
    obs: batch.obs,
    actions: batch.actions,
    advantages: batch.advantages,
    oldMean: batch.mean,
    oldLogStd: batch.logStd,
  };
}
