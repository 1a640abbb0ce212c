/**
 * Repeats a rollout that was recorded: the same start, the same actions, and so the same states.
 * What is not in a {@link TrajectoryBatch} (positions of bodies, what a picture shows) is read from
 * the environment while it goes by.
 */
import { type Env, scaleAction } from "../envs/env.ts";
import { type KeyedRandom, Purpose } from "../util/prng.ts";
import type { TrajectoryBatch } from "./trajectory_batch.ts";

/** Which rollout, and what it was keyed with. */
export interface RecordedRollout {
  /** Of the task's round; holds the actions. */
  readonly batch: TrajectoryBatch;
  /** Index in the batch. */
  readonly rollout: number;
  /** [D] the task */
  readonly taskRow: ArrayLike<number>;
  /** Part of the key of its start, as are `task` and `round`. */
  readonly iteration: number;
  readonly task: number;
  readonly round: number;
}

/**
 * Steps `env` through the rollout.
 * @param random seeded as it was when the rollout was sampled
 * @param visit called after the reset with 0, after step t with t; `env` is as it was then
 * @returns steps taken
 */
export function replayRollout(
  env: Env,
  recorded: RecordedRollout,
  random: KeyedRandom,
  visit: (step: number) => void,
): number {
  const { batch, rollout, iteration, task, round } = recorded;
  const { actDim } = batch.sizes;
  const { actionLow, actionHigh } = env.spec;
  const control = new Float64Array(actDim);
  env.setTask(recorded.taskRow);
  env.reset(random.at(Purpose.ENV_RESET, iteration, task, round, rollout));
  visit(0);
  const first = batch.offsets[rollout];
  const steps = batch.offsets[rollout + 1] - first;
  for (let t = 0; t < steps; t++) {
    for (let a = 0; a < actDim; a++) {
      const action = batch.actions[(first + t) * actDim + a];
      control[a] = scaleAction(action, actionLow[a], actionHigh[a]);
    }
    env.step(control);
    visit(t + 1);
  }
  return steps;
}
