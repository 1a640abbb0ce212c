/**
 * Fresh tasks for a trained policy: it samples and adapts in each of them as in training, with as
 * many inner steps as asked, and its returns are kept by step.
 *
 * Tasks, starts and noise are keyed with iterations that no training reaches, so they are new to
 * the policy whatever the seed is; the same seed gives the same tasks and starts to every run.
 * Nothing depends on the number of workers.
 *
 * Axis letters: M tasks, K inner steps, E rollouts, D task, C cell of the task encoder.
 */
import { type EnvFactory, scaleAction, type TaskBatch } from "../envs/env.ts";
import { mujocoBinary } from "../envs/mujoco/runtime.ts";
import { replayRollout } from "../rollout/replay.ts";
import { type TrajectoryBatch, viewTrajectoryBatch } from "../rollout/trajectory_batch.ts";
import { allocateMetaBatch, type MetaBatchMemory } from "../trainer/meta_batch.ts";
import { paramsOf } from "../trainer/meta_state.ts";
import { SamplerPool } from "../trainer/sampler_pool.ts";
import { objectiveSpec } from "../trainer/specs.ts";
import { TaskEncoder } from "../trainer/task_encoder.ts";
import { TaskRunner } from "../trainer/task_runner.ts";
import { KeyedRandom, Purpose } from "../util/prng.ts";
import { mean } from "../util/statistics.ts";
import type { LoadedRun } from "./load_run.ts";

/** First iteration that evaluation is keyed with: beyond all that training counts to. */
export const FIRST_ITERATION = 2 ** 31;

/** Tasks sampled at a time; part of the key, so never another number. */
export const TASKS_PER_GROUP = 40;

/** What to evaluate. */
export interface EvaluationRequest {
  /** M */
  readonly tasks: number;
  /** K, at least 1; may be more than the run was trained with. */
  readonly steps: number;
  /** Seed of tasks, starts and noise. */
  readonly seed: number;
  /** One mode of the tasks alone, or `null`. */
  readonly mode: number | null;
  /** Sampling workers. */
  readonly workers: number;
  /** Of how many tasks paths in the plane are kept, taking modes in turn. */
  readonly paths?: number;
  /** Whether the same rollouts are shown to the encoder that the run started with, too. */
  readonly initialEncoder?: boolean;
  /** Told what goes on. */
  readonly observer?: {
    /** A number of tasks is done. */
    readonly onTasks?: (done: number) => void;
    /** A line that the user should read. */
    readonly onNotice?: (line: string) => void;
  };
}

/** What moved towards a goal, of one rollout in one task. */
export interface TaskPath {
  /** Number of the task, from 0. */
  readonly task: number;
  readonly mode: number;
  /** x, y in m */
  readonly goal: readonly [number, number];
  /** [T+1][2] x, y in m, before adaptation and after it */
  readonly before: readonly (readonly [number, number])[];
  readonly after: readonly (readonly [number, number])[];
}

/** What came of it. */
export interface Evaluation {
  /** [M, D] rows, [M] modes */
  readonly tasks: TaskBatch;
  /** [K+1][M] mean return of the task's rollouts; 0: before adaptation */
  readonly returns: readonly Float64Array[];
  /** [M] return of one rollout of the policy's action 0, the middle of every actuator's range */
  readonly doNothing: Float64Array;
  /** [M] return of one rollout of the environment's oracle, where it has one */
  readonly oracle: Float64Array | null;
  /** [M, C] or `null` for ProMP */
  readonly embeddings: Float32Array | null;
  /** [M, C] of the encoder that the run started with, where it was asked for */
  readonly initialEmbeddings: Float32Array | null;
  /** Empty where tasks are no places in the plane, or none was asked for. */
  readonly paths: readonly TaskPath[];
  /** Environment steps taken by the policy. */
  readonly environmentSteps: number;
  /**
   * Rollouts that were cut because the simulator gave a number that is not finite; those of doing
   * nothing and of the oracle count.
   */
  readonly nonFinite: number;
}

/** A task's rollouts before, between and after its inner steps. */
export interface AdaptedTask {
  /** [D] */
  readonly taskRow: Float64Array;
  readonly mode: number;
  /** Its key. */
  readonly iteration: number;
  readonly task: number;
  readonly seed: number;
  /** [K+1] */
  readonly batches: readonly TrajectoryBatch[];
}

/** Tasks `first ..` of an evaluation: those of its group. */
function drawGroup(
  env: EnvFactory,
  request: Pick<EvaluationRequest, "seed" | "mode">,
  group: number,
  count: number,
): TaskBatch {
  const random = new KeyedRandom(request.seed);
  return env.sampleTasks(random, FIRST_ITERATION + group, count, request.mode);
}

/** The run's settings as evaluation uses them, for `tasks` tasks in memory. */
function setupOf(run: LoadedRun, steps: number, seed: number, tasks: number) {
  // rollouts that break are counted (`Evaluation.nonFinite`): nothing is learned from them
  const maxCutRollouts = run.config.rolloutsPerTask;
  const config = { ...run.config, innerSteps: steps, metaBatchSize: tasks, seed, maxCutRollouts };
  const spec = objectiveSpec(config, run.algorithm, run.env.spec);
  const params = paramsOf(run.checkpoint, spec);
  const memory = allocateMetaBatch(spec, run.env.spec);
  memory.policy.set(params.policy);
  memory.encoder?.set(params.encoder!);
  const { algorithm, env } = run;
  return { setup: { algorithm, config, envVersion: env.spec.version, memory }, memory, spec };
}

/**
 * Return of one episode of a controller that knows the task; `act` overwrites the action [A]. A
 * rollout is cut, as in sampling, before a step that gives a number that is not finite.
 */
async function controlledReturns(
  run: LoadedRun,
  tasks: TaskBatch,
  seed: number,
  act: (obs: Float64Array, task: Float64Array, action: Float64Array) => void,
): Promise<{ readonly returns: Float64Array; readonly nonFinite: number }> {
  const env = await run.env.createInstance();
  const random = new KeyedRandom(seed);
  const action = new Float64Array(env.spec.actDim);
  const returns = new Float64Array(tasks.count);
  let nonFinite = 0;
  try {
    for (let m = 0; m < tasks.count; m++) {
      const row = tasks.rows.subarray(m * tasks.taskDim, (m + 1) * tasks.taskDim);
      const group = Math.floor(m / TASKS_PER_GROUP);
      env.setTask(row);
      env.reset(
        random.at(Purpose.ENV_RESET, FIRST_ITERATION + group, m % TASKS_PER_GROUP),
      );
      for (let t = 0; t < run.config.maxSteps; t++) {
        act(env.obs, row, action);
        env.step(action);
        if (!Number.isFinite(env.reward) || !env.obs.every(Number.isFinite)) {
          nonFinite++;
          break;
        }
        returns[m] += env.reward;
        if (env.terminated) break;
      }
    }
  } finally {
    env.close();
  }
  return { returns, nonFinite };
}

/** The tasks whose paths are kept: the first of each mode, then the second of each, and so on. */
function tasksInTurn(modes: Int32Array, count: number): number[] {
  const byMode = new Map<number, number[]>();
  modes.forEach((mode, m) => byMode.set(mode, [...(byMode.get(mode) ?? []), m]));
  const queues = [...byMode.keys()].sort((a, b) => a - b).map((mode) => byMode.get(mode)!);
  const chosen: number[] = [];
  for (let place = 0; chosen.length < Math.min(count, modes.length); place++) {
    for (const queue of queues) {
      if (place < queue.length && chosen.length < count) chosen.push(queue[place]);
    }
  }
  return chosen;
}

/** Paths of the first rollout before and after adaptation, of tasks of the group in memory. */
async function groupPaths(
  run: LoadedRun,
  seed: number,
  group: number,
  tasks: TaskBatch,
  memory: MetaBatchMemory,
  chosen: readonly number[],
): Promise<TaskPath[]> {
  const env = await run.env.createInstance();
  const random = new KeyedRandom(seed);
  const point = new Float64Array(2);
  try {
    return chosen.map((m) => {
      const taskRow = tasks.rows.subarray(m * tasks.taskDim, (m + 1) * tasks.taskDim);
      const pathOf = (round: number) => {
        const path: [number, number][] = [];
        const batch = viewTrajectoryBatch(memory.sizes, memory.trajectories[round][m]);
        const key = { iteration: FIRST_ITERATION + group, task: m, round };
        replayRollout(env, { batch, rollout: 0, taskRow, ...key }, random, () => {
          env.tracePosition!(point);
          path.push([point[0], point[1]]);
        });
        return path;
      };
      return {
        task: group * TASKS_PER_GROUP + m,
        mode: tasks.modes[m],
        goal: run.env.goalOf!(taskRow),
        before: pathOf(0),
        after: pathOf(memory.trajectories.length - 1),
      };
    });
  } finally {
    env.close();
  }
}

/** All tasks of an evaluation. */
function drawTasks(env: EnvFactory, request: EvaluationRequest): TaskBatch {
  const { tasks: count } = request;
  const { taskDim } = env.spec;
  const rows = new Float64Array(count * taskDim);
  const modes = new Int32Array(count);
  for (let first = 0; first < count; first += TASKS_PER_GROUP) {
    const inGroup = Math.min(TASKS_PER_GROUP, count - first);
    const drawn = drawGroup(env, request, first / TASKS_PER_GROUP, inGroup);
    rows.set(drawn.rows, first * taskDim);
    modes.set(drawn.modes, first);
  }
  return { count, taskDim, rows, modes };
}

/** `count` of the tasks, from `first` on; shares their memory. */
function tasksFrom({ taskDim, rows, modes }: TaskBatch, first: number, count: number): TaskBatch {
  return {
    count,
    taskDim,
    rows: rows.subarray(first * taskDim, (first + count) * taskDim),
    modes: modes.subarray(first, first + count),
  };
}

/** What is kept of the trajectories in memory, which the next group takes the place of. */
class Results {
  /** [K+1][M] */
  readonly returns: readonly Float64Array[];
  /** [M, C] */
  readonly embeddings: Float32Array | null;
  readonly initialEmbeddings: Float32Array | null;
  environmentSteps = 0;
  nonFinite = 0;
  readonly #memory: MetaBatchMemory;
  readonly #initial: TaskEncoder | null;
  readonly #cellSize: number;
  readonly #sequenceSize: number;

  /** @param initial the encoder that the run started with, where its embeddings are wanted */
  constructor(
    total: number,
    inMemory: number,
    memory: MetaBatchMemory,
    initial: TaskEncoder | null,
  ) {
    this.returns = memory.trajectories.map(() => new Float64Array(total));
    this.#memory = memory;
    this.#initial = initial;
    this.#cellSize = (memory.embeddings?.length ?? 0) / inMemory;
    this.#sequenceSize = (memory.sequences?.length ?? 0) / inMemory;
    const size = total * this.#cellSize;
    this.embeddings = memory.embeddings === null ? null : new Float32Array(size);
    this.initialEmbeddings = initial === null ? null : new Float32Array(size);
  }

  /** Adds the `count` tasks in memory, which are numbers `first` .. of all. */
  add(first: number, count: number): void {
    const { sizes, trajectories, embeddings, sequences } = this.#memory;
    trajectories.forEach((round, k) => {
      for (let m = 0; m < count; m++) {
        const batch = viewTrajectoryBatch(sizes, round[m]);
        this.returns[k][first + m] = mean(batch.returns);
        this.environmentSteps += batch.offsets[batch.sizes.rollouts];
        for (const flag of batch.nonFinite) this.nonFinite += flag;
      }
    });
    const width = this.#cellSize;
    this.embeddings?.set(embeddings!.subarray(0, count * width), first * width);
    if (this.#initial === null) return;
    const size = this.#sequenceSize;
    for (let m = 0; m < count; m++) {
      const embedding = this.#initial.encode(sequences!.subarray(m * size, (m + 1) * size));
      this.initialEmbeddings!.set(embedding, (first + m) * width);
    }
  }
}

/**
 * Samples and adapts in fresh tasks.
 *
 * @throws UserError `env-mode`, `checkpoint-mismatch`
 * @throws RunError what sampling throws
 */
export async function evaluate(run: LoadedRun, request: EvaluationRequest): Promise<Evaluation> {
  const { tasks: total, steps, seed, observer } = request;
  const inMemory = Math.min(total, TASKS_PER_GROUP);
  const { setup, memory, spec } = setupOf(run, steps, seed, inMemory);
  const tasks = drawTasks(run.env, request);
  const withPath = new Set(
    run.env.goalOf === undefined ? [] : tasksInTurn(tasks.modes, request.paths ?? 0),
  );
  const initial = spec.encoder === null || request.initialEncoder !== true
    ? null
    : TaskEncoder.initial(spec.encoder, spec.slots, spec.sequenceLength, run.config.seed);
  const results = new Results(total, inMemory, memory, initial);
  const paths: TaskPath[] = [];

  const pool = new SamplerPool(setup, Math.min(request.workers, inMemory), {
    notice: (line) => observer?.onNotice?.(line),
    mujoco: run.env.usesMujoco ? mujocoBinary() : null,
  });
  try {
    for (let first = 0, group = 0; first < total; first += TASKS_PER_GROUP, group++) {
      const drawn = tasksFrom(tasks, first, Math.min(TASKS_PER_GROUP, total - first));
      memory.tasks.set(drawn.rows);
      await pool.run(
        FIRST_ITERATION + group,
        drawn.count,
        (done) => observer?.onTasks?.(first + done),
      );
      results.add(first, drawn.count);
      const chosen = Array.from({ length: drawn.count }, (_, m) => m)
        .filter((m) => withPath.has(first + m));
      if (chosen.length > 0) {
        paths.push(...await groupPaths(run, seed, group, drawn, memory, chosen));
      }
    }
  } finally {
    pool.close();
  }

  const { actionLow, actionHigh, actDim } = run.env.spec;
  const { oracle } = run.env;
  const rest = Float64Array.from(
    { length: actDim },
    (_, a) => scaleAction(0, actionLow[a], actionHigh[a]),
  );
  const { returns, embeddings, initialEmbeddings, environmentSteps } = results;
  const resting = await controlledReturns(run, tasks, seed, (_obs, _task, out) => out.set(rest));
  const knowing = oracle === undefined
    ? null
    : await controlledReturns(run, tasks, seed, (obs, task, out) => oracle.act(obs, task, out));
  return {
    ...{ tasks, returns, embeddings, initialEmbeddings, paths, environmentSteps },
    doNothing: resting.returns,
    oracle: knowing?.returns ?? null,
    nonFinite: results.nonFinite + resting.nonFinite + (knowing?.nonFinite ?? 0),
  };
}

/**
 * Samples and adapts in one task of an evaluation, in this thread: the same rollouts as
 * {@link evaluate} has for it.
 *
 * @param request `task`: its number, from 0
 */
export async function adaptToTask(
  run: LoadedRun,
  request: Pick<EvaluationRequest, "steps" | "seed" | "mode"> & { readonly task: number },
): Promise<AdaptedTask> {
  const { steps, seed } = request;
  const group = Math.floor(request.task / TASKS_PER_GROUP);
  const task = request.task % TASKS_PER_GROUP;
  const iteration = FIRST_ITERATION + group;
  const drawn = drawGroup(run.env, request, group, task + 1);
  const taskRow = drawn.rows.slice(task * drawn.taskDim);
  const { setup, memory } = setupOf(run, steps, seed, 1);
  memory.tasks.set(taskRow);
  const runner = await TaskRunner.create(setup);
  try {
    runner.run(iteration, task, undefined, 0);
  } finally {
    runner.close();
  }
  const batches = memory.trajectories.map(([buffer]) => viewTrajectoryBatch(memory.sizes, buffer));
  return { taskRow, mode: drawn.modes[task], iteration, task, seed, batches };
}
