/**
 * What an environment is. An {@link EnvFactory} knows the tables (spec) and the task
 * distribution and makes instances; an {@link Env} is one simulator. Learning code sees nothing
 * else of an environment.
 *
 * Axis letters: M tasks, D task dimension, O observation, A action, R reward parts.
 */
import { UserError } from "../util/errors.ts";
import { type KeyedRandom, Purpose } from "../util/prng.ts";
import type { Scene } from "./scene.ts";

/** One number of the observation, the action or the task. */
export interface ValueRow {
  /** Short name, e.g. `x`. */
  readonly name: string;
  /** One clause for people. */
  readonly meaning: string;
  /** SI unit, or `1`. */
  readonly unit: string;
  /** Least and largest value; -Infinity, Infinity where unbounded. */
  readonly low: number;
  /** Largest value. */
  readonly high: number;
}

/** One summand of the reward. */
export interface RewardPartRow {
  /** Name for files and messages. */
  readonly name: string;
  /** One clause for people. */
  readonly meaning: string;
  /** SI unit, or `1`. */
  readonly unit: string;
}

/** An option that a user may set for one environment. */
export type OptionRow =
  & { readonly name: string; readonly meaning: string }
  & (
    | { readonly kind: "choice"; readonly choices: readonly string[]; readonly default: string }
    | {
      readonly kind: "number";
      /** Least and largest value allowed. */
      readonly low: number;
      readonly high: number;
      readonly default: number;
    }
    | { readonly kind: "boolean"; readonly default: boolean }
  );

/** What {@link envSpec} is given: the tables of an environment. */
export interface EnvTables {
  /** Name for files and messages. */
  readonly name: string;
  /** Another one whenever results change; stored with every run. A hash for files of one's own. */
  readonly version: number | string;
  /** One line. */
  readonly description: string;
  /** Index in the observation = index in this list. */
  readonly observation: readonly ValueRow[];
  /** What the actuators take, bounds finite. */
  readonly action: readonly ValueRow[];
  /** The reward is the sum of its parts. */
  readonly rewardParts: readonly RewardPartRow[];
  /** What makes one task, index = index in a task's row. */
  readonly task: readonly ValueRow[];
  /** Number of modes of the task distribution, 0 where it has none. */
  readonly modes: number;
  /** Length of an episode where the user gives none. */
  readonly maxSteps: number;
  /** What a user may set. */
  readonly options: readonly OptionRow[];
}

/** Tables of an environment and the sizes that follow from them. */
export interface EnvSpec extends EnvTables {
  /** O */
  readonly obsDim: number;
  /** A */
  readonly actDim: number;
  /** D */
  readonly taskDim: number;
  /** [A] */
  readonly actionLow: Float64Array;
  /** [A] */
  readonly actionHigh: Float64Array;
}

/** Adds the derived sizes to the tables. */
export function envSpec(tables: EnvTables): EnvSpec {
  return {
    ...tables,
    obsDim: tables.observation.length,
    actDim: tables.action.length,
    taskDim: tables.task.length,
    actionLow: Float64Array.from(tables.action, (row) => row.low),
    actionHigh: Float64Array.from(tables.action, (row) => row.high),
  };
}

/** Tasks of one iteration. */
export interface TaskBatch {
  /** M */
  readonly count: number;
  /** D */
  readonly taskDim: number;
  /** [M, D] */
  readonly rows: Float64Array;
  /** [M] mode that each task was drawn from; 0 where the distribution has no modes */
  readonly modes: Int32Array;
}

/**
 * One simulator instance. `reset` and `step` overwrite the public fields and allocate nothing.
 * Where an episode is cut for its length is the sampler's business, not the environment's.
 */
export interface Env {
  /** Tables and sizes. */
  readonly spec: EnvSpec;
  /** [O] observation after the last `reset` or `step` */
  readonly obs: Float64Array;
  /** Reward of the last `step`. */
  readonly reward: number;
  /** [R] its parts */
  readonly rewardParts: Float64Array;
  /** Whether the last `step` reached an absorbing state (worth 0 from then on). */
  readonly terminated: boolean;
  /** Chooses the task; takes effect at the next `reset`. `row` [D] is copied. */
  setTask(row: ArrayLike<number>): void;
  /** Starts an episode; everything random in it comes from `random`. */
  reset(random: KeyedRandom): void;
  /** One control step. `action` [A] in actuator units, within the bounds of the action table. */
  step(action: Float64Array): void;
  /**
   * Where the task is a place in the plane: writes [2], where what has to get there is now (x, y
   * in m). For pictures.
   */
  tracePosition?(out: Float64Array): void;
  /** What there is to draw, where the environment has bodies. */
  scene?(): Scene;
  /** Frees what the instance holds outside of JavaScript's heap. */
  close(): void;
}

/** Draws one task: fills `row` [D] and returns its mode. */
export type TaskSampler = (
  random: KeyedRandom,
  /** Index of the task within its iteration. */
  index: number,
  /** Mode asked for, or `null`: as the distribution has it. */
  mode: number | null,
  row: Float64Array,
) => number;

/**
 * A controller written by hand that knows the task: about the most that a policy could earn which
 * recognises the task at once.
 */
export interface Oracle {
  /** What it does, one clause. */
  readonly description: string;
  /**
   * Chooses the next action.
   * @param obs [O]
   * @param task [D]
   * @param action [A] out, in actuator units
   */
  act(obs: Float64Array, task: ArrayLike<number>, action: Float64Array): void;
}

/** A round wall about the origin of the plane, open near one place on it. */
export interface RoundWall {
  /** m */
  readonly radius: number;
  /** The middle of the gap, x and y in m. */
  readonly gap: readonly [number, number];
  /** It is open within this distance of it, m. */
  readonly gapRadius: number;
}

/** An environment with its options set. */
export interface EnvFactory {
  /** Tables and sizes. */
  readonly spec: EnvSpec;
  /**
   * Tasks 0 .. count-1 of an iteration. Task m depends on (seed, iteration, m, mode) only.
   * `mode` restricts the draw to one mode.
   * @throws UserError `env-mode` where there is no such mode.
   */
  sampleTasks(
    random: KeyedRandom,
    iteration: number,
    count: number,
    mode?: number | null,
  ): TaskBatch;
  /** A new simulator. The first call may load one; later calls are cheap. */
  createInstance(): Promise<Env>;
  /** Whether instances run on MuJoCo, which is then compiled once for all threads. */
  readonly usesMujoco?: boolean;
  /** Where tasks are places in the plane: the place (x, y in m) of a task's row [D]. */
  readonly goalOf?: (row: ArrayLike<number>) => readonly [number, number];
  /** Where a task [D] has walls in the plane, for pictures. */
  readonly wallsOf?: (row: ArrayLike<number>) => readonly RoundWall[];
  /** A controller that is told the task, where one is known. */
  readonly oracle?: Oracle;
}

/** An environment as the registry knows it. */
export interface EnvDefinition {
  /** Tables and factory for the given options; unknown or wrong options are a UserError. */
  configure(options: Readonly<Record<string, unknown>>): EnvFactory;
}

/** Makes `sampleTasks` out of the distribution of a single task. */
export function drawTasks(
  spec: EnvSpec,
  sampler: TaskSampler,
  random: KeyedRandom,
  iteration: number,
  count: number,
  mode: number | null = null,
): TaskBatch {
  if (mode !== null && !(Number.isInteger(mode) && mode >= 0 && mode < spec.modes)) {
    throw new UserError(
      "env-mode",
      `Cannot restrict ${spec.name} to mode ${mode}; ` +
        (spec.modes === 0 ? "its tasks have no modes" : `its modes are 0 to ${spec.modes - 1}`),
    );
  }
  const { taskDim } = spec;
  const rows = new Float64Array(count * taskDim);
  const modes = new Int32Array(count);
  for (let m = 0; m < count; m++) {
    random.at(Purpose.TASK, iteration, m);
    modes[m] = sampler(random, m, mode, rows.subarray(m * taskDim, (m + 1) * taskDim));
  }
  return { count, taskDim, rows, modes };
}

/** Policy actions of this size reach the actuators' bounds. */
export const POLICY_ACTION_LIMIT = 10;

/**
 * What the actuator gets for the policy's action `a`: [-10, 10] goes linearly to [low, high],
 * values outside are clipped (the published environments are wrapped like this).
 */
export function scaleAction(a: number, low: number, high: number): number {
  const scaled = low +
    (a + POLICY_ACTION_LIMIT) * (high - low) / (2 * POLICY_ACTION_LIMIT);
  return Math.min(Math.max(scaled, low), high);
}
