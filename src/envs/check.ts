/**
 * Checks that an environment keeps its promises (`env.ts`): the same keys give the same bits,
 * numbers stay finite and within the tables, the reward is the sum of its parts. What
 * `metarl envs check` shows, and a test of an environment of one's own can call.
 *
 * Left out: whether physics or reward make sense, and memory.
 *
 * Axis letters: M tasks, D task dimension, O observation, A action.
 */
import { messageOf } from "../util/errors.ts";
import { KeyedRandom, Purpose } from "../util/prng.ts";
import type { Env, EnvFactory, EnvSpec, TaskBatch, ValueRow } from "./env.ts";

/** Result of one check. */
export interface CheckRow {
  /** What was checked. */
  readonly name: string;
  /** Whether the environment passed. */
  readonly ok: boolean;
  /** What was seen, one clause; where it failed, the first place. */
  readonly detail: string;
}

/** How much is tried. */
export interface CheckEffort {
  /** Seed of tasks, starts and actions. */
  readonly seed?: number;
  /** Episodes of random actions, of the environment's own length. */
  readonly episodes?: number;
  /** Steps per action of the extreme ones. */
  readonly extremeSteps?: number;
  /** How long the speed is measured, in s. */
  readonly seconds?: number;
}

const DEFAULTS: Required<CheckEffort> = { seed: 1, episodes: 4, extremeSteps: 50, seconds: 1 };

/** Tasks drawn to look at the distribution; the first ones are played. */
const TASKS = 64;

/** Parts may be added in another order than here: a few roundings. */
const SUM_TOLERANCE = 1e-9;

/** A promise that was not kept; the message says where. */
class Broken extends Error {}

/** Sets the actuators' action [A] of step t. */
type Actor = (action: Float64Array, t: number) => void;

/** What is looked at after `reset` (t = -1) and after every step. */
type Look = (env: Env, t: number) => void;

function randomActor(spec: EnvSpec, random: KeyedRandom, episode: number): Actor {
  const { actDim, actionLow, actionHigh } = spec;
  return (action, t) => {
    random.at(Purpose.TEST_DATA, 0, episode, 0, 0, t);
    for (let a = 0; a < actDim; a++) {
      action[a] = random.uniformRange(actionLow[a], actionHigh[a]);
    }
  };
}

/** Bounds of the actuators: all low, all high, in turn; actuators against each other. */
const EXTREMES: readonly (readonly [string, (t: number, a: number) => boolean])[] = [
  ["all lowest", () => false],
  ["all highest", () => true],
  ["lowest and highest in turn", (t) => t % 2 === 1],
  ["neighbours opposed", (_t, a) => a % 2 === 1],
];

/** Index of the first number that is not finite, -1 where all are. */
function firstNonFinite(values: ArrayLike<number>): number {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return i;
  return -1;
}

/** Whether two rows of numbers are the same to the last bit, NaN and the sign of 0 included. */
function firstDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return i;
  return a.length === b.length ? -1 : Math.min(a.length, b.length);
}

function rowName(rows: readonly { readonly name: string }[], index: number): string {
  return `${index} (${rows[index]?.name ?? "beyond the table"})`;
}

/** What a reset gives, [O] (reward and end are those of a step), and a step, [O + R + 2]. */
function state(env: Env, t: number): Float64Array {
  if (t < 0) return env.obs.slice();
  return Float64Array.of(...env.obs, ...env.rewardParts, env.reward, Number(env.terminated));
}

/** Everything that is checked on one environment. */
class Checks {
  readonly #factory: EnvFactory;
  readonly #spec: EnvSpec;
  readonly #effort: Required<CheckEffort>;
  readonly #random: KeyedRandom;

  constructor(factory: EnvFactory, effort: Required<CheckEffort>) {
    this.#factory = factory;
    this.#spec = factory.spec;
    this.#effort = effort;
    this.#random = new KeyedRandom(effort.seed);
  }

  /** The tables themselves, and that an instance has their sizes. */
  tables(env: Env): string {
    const { name, observation, action, task, rewardParts, maxSteps, modes } = this.#spec;
    const tables = { observation, action, task, "reward parts": rewardParts };
    for (const [kind, rows] of Object.entries(tables)) {
      const twice = rows.find((row, i) => rows.findIndex((r) => r.name === row.name) < i);
      if (twice !== undefined) throw new Broken(`${kind}: the name "${twice.name}" stands twice`);
      for (const row of rows) {
        if (row.name === "" || row.meaning === "" || row.unit === "") {
          throw new Broken(`${kind}: a row has an empty name, meaning or unit`);
        }
      }
    }
    for (const [kind, rows] of Object.entries({ observation, action, task })) {
      const wrong = rows.find(({ low, high }) => !(low <= high));
      if (wrong !== undefined) throw new Broken(`${kind}: "${wrong.name}" has no valid range`);
    }
    const open = action.find(({ low, high }) => !Number.isFinite(high - low) || low === high);
    if (open !== undefined) throw new Broken(`action: "${open.name}" needs a finite range`);
    if (action.length === 0 || observation.length === 0 || rewardParts.length === 0) {
      throw new Broken("observation, action and reward need at least one row each");
    }
    if (!Number.isInteger(maxSteps) || maxSteps < 1 || !Number.isInteger(modes) || modes < 0) {
      throw new Broken(`maxSteps is ${maxSteps}, modes is ${modes}; they must be whole numbers`);
    }
    const found = [env.obs.length, env.rewardParts.length];
    const wanted = [observation.length, rewardParts.length];
    if (String(found) !== String(wanted)) {
      throw new Broken(
        `obs and rewardParts of an instance have ${found.join(" and ")} numbers, the tables ` +
          `${wanted.join(" and ")} rows`,
      );
    }
    return `${name}: ${observation.length} observations, ${action.length} actions, ` +
      `${rewardParts.length} reward parts, ${task.length} task values`;
  }

  /** Tasks depend on their keys alone and lie within the table. */
  tasks(): string {
    const { modes, task, taskDim } = this.#spec;
    const { seed } = this.#effort;
    const draw = (count: number, mode: number | null = null): TaskBatch =>
      this.#factory.sampleTasks(new KeyedRandom(seed), 3, count, mode);
    const all = draw(TASKS);
    if (all.rows.length !== TASKS * taskDim || all.modes.length !== TASKS) {
      throw new Broken(`${TASKS} tasks have ${all.rows.length} numbers, wanted ${TASKS * taskDim}`);
    }
    for (const [again, what] of [[draw(TASKS), "again"], [draw(3), "as one of 3"]] as const) {
      const at = firstDifference(again.rows, all.rows.subarray(0, again.rows.length));
      if (at >= 0) {
        throw new Broken(
          `task ${Math.floor(at / taskDim)} drawn ${what}: value ${rowName(task, at % taskDim)} ` +
            `is ${again.rows[at]}, was ${all.rows[at]}`,
        );
      }
    }
    all.rows.forEach((value, i) => this.#within(task, value, i % taskDim, "task"));
    for (let m = 0; m < TASKS; m++) {
      if (!(all.modes[m] >= 0 && all.modes[m] < Math.max(modes, 1))) {
        throw new Broken(`task ${m} has mode ${all.modes[m]}, there are ${modes}`);
      }
    }
    for (let mode = 0; mode < modes; mode++) {
      const other = draw(TASKS, mode).modes.find((drawn) => drawn !== mode);
      if (other !== undefined) throw new Broken(`mode ${mode} was asked for, ${other} drawn`);
    }
    return `${TASKS} tasks twice, the same bits` + (modes > 0 ? `; all ${modes} modes` : "");
  }

  /** Two instances, and one of them again after another episode, give the same bits. */
  determinism(env: Env, twin: Env): string {
    const episodes = this.#effort.episodes;
    let steps = 0;
    for (let m = 0; m < episodes; m++) {
      const first: Float64Array[] = [];
      this.#episode(env, m, (e, t) => first.push(state(e, t)));
      const compare = (who: string) => (e: Env, t: number) => {
        const found = state(e, t);
        const at = first[t + 1] === undefined ? 0 : firstDifference(found, first[t + 1]);
        if (at < 0) return;
        const { observation, rewardParts } = this.#spec;
        const name = at < observation.length
          ? `observation ${rowName(observation, at)}`
          : at < observation.length + rewardParts.length
          ? `reward part ${rowName(rewardParts, at - observation.length)}`
          : "reward or terminated";
        throw new Broken(
          `episode ${m}, step ${t + 1}, ${who}: ${name} is ${found[at]}, was ${first[t + 1]?.[at]}`,
        );
      };
      this.#episode(twin, m, compare("in a second instance"));
      // another task and episode in between must leave nothing behind
      this.#episode(env, m + episodes, () => {});
      this.#episode(env, m, compare("played again"));
      steps += first.length - 1;
    }
    return `${episodes} episodes of ${steps} steps in all, three times, the same bits`;
  }

  /** Random actions: finite, within the tables. */
  bounds(env: Env): string {
    const { observation } = this.#spec;
    let steps = 0;
    for (let m = 0; m < this.#effort.episodes; m++) {
      this.#episode(env, m, (e, t) => {
        this.#refuseNonFinite(e, t, `episode ${m}, step ${t + 1}`);
        e.obs.forEach((value, i) => this.#within(observation, value, i, "observation"));
        steps += t < 0 ? 0 : 1;
      });
    }
    return `${steps} steps of random actions, finite and within the tables`;
  }

  /** Actions at the actuators' bounds: finite. */
  extremes(env: Env): string {
    const { spec, effort } = { spec: this.#spec, effort: this.#effort };
    EXTREMES.forEach(([name, isHigh], i) => {
      const actor: Actor = (action, t) => {
        for (let a = 0; a < spec.actDim; a++) {
          action[a] = isHigh(t, a) ? spec.actionHigh[a] : spec.actionLow[a];
        }
      };
      this.#episode(env, i, (e, t) => {
        this.#refuseNonFinite(e, t, `actions ${name}, step ${t + 1}`);
      }, { actor, steps: effort.extremeSteps });
    });
    return `${EXTREMES.length} x ${effort.extremeSteps} steps at the actuators' bounds, finite`;
  }

  /** The reward is the sum of its parts, and the action is left alone. */
  reward(env: Env): string {
    let least = Infinity;
    let most = -Infinity;
    for (let m = 0; m < this.#effort.episodes; m++) {
      this.#episode(env, m, (e, t) => {
        if (t < 0) return;
        const sum = e.rewardParts.reduce((total, part) => total + part, 0);
        const size = e.rewardParts.reduce((total, part) => total + Math.abs(part), 1);
        if (!(Math.abs(sum - e.reward) <= SUM_TOLERANCE * size)) {
          throw new Broken(
            `episode ${m}, step ${t + 1}: the reward is ${e.reward}, its parts add up to ${sum}`,
          );
        }
        least = Math.min(least, e.reward);
        most = Math.max(most, e.reward);
      });
    }
    return `the sum of its parts; seen ${round(least)} to ${round(most)}`;
  }

  /** `terminated` is a boolean; how episodes end. */
  endings(env: Env): string {
    let ended = 0;
    let steps = 0;
    const { episodes } = this.#effort;
    for (let m = 0; m < episodes; m++) {
      this.#episode(env, m, (e, t) => {
        if (typeof e.terminated !== "boolean") {
          throw new Broken(`terminated is ${String(e.terminated)}; it must be true or false`);
        }
        if (t < 0) return;
        if (e.terminated) ended++;
        steps++;
      });
    }
    return `${ended} of ${episodes} episodes terminated, the others ran to ` +
      `${this.#spec.maxSteps} steps; ${round(steps / episodes)} steps on average`;
  }

  /** Steps per second on one thread with random actions, resets included. */
  stepsPerSecond(env: Env): number {
    const start = performance.now();
    const end = start + 1000 * this.#effort.seconds;
    let steps = 0;
    for (let m = 0; performance.now() < end; m = (m + 1) % TASKS) {
      this.#episode(env, m, () => steps++);
    }
    return 1000 * steps / (performance.now() - start);
  }

  /** {@link stepsPerSecond} in words. */
  speed(env: Env): string {
    return `${round(this.stepsPerSecond(env))} steps/s on one thread`;
  }

  /** One episode of task m and start m; `look` is called after the reset and every step. */
  #episode(
    env: Env,
    m: number,
    look: Look,
    { actor, steps = this.#spec.maxSteps }: { actor?: Actor; steps?: number } = {},
  ): void {
    const { taskDim, actDim } = this.#spec;
    const random = this.#random;
    const { rows } = this.#factory.sampleTasks(random, 0, m + 1);
    const act = actor ?? randomActor(this.#spec, random, m);
    const row = rows.slice(m * taskDim, (m + 1) * taskDim);
    env.setTask(row);
    row.fill(NaN); // the row must have been copied
    env.reset(random.at(Purpose.ENV_RESET, 0, m));
    look(env, -1);
    const action = new Float64Array(actDim);
    const given = new Float64Array(actDim);
    for (let t = 0; t < steps; t++) {
      act(given, t);
      action.set(given);
      env.step(action);
      if (firstDifference(action, given) >= 0) throw new Broken("step() changes its argument");
      look(env, t);
      if (env.terminated) return;
    }
  }

  #refuseNonFinite(env: Env, t: number, where: string): void {
    const { observation, rewardParts } = this.#spec;
    const at = firstNonFinite(env.obs);
    if (at >= 0) {
      throw new Broken(`${where}: observation ${rowName(observation, at)} is ${env.obs[at]}`);
    }
    if (t < 0) return;
    const part = firstNonFinite(env.rewardParts);
    if (part >= 0) {
      throw new Broken(
        `${where}: reward part ${rowName(rewardParts, part)} is ${env.rewardParts[part]}`,
      );
    }
    if (!Number.isFinite(env.reward)) throw new Broken(`${where}: the reward is ${env.reward}`);
  }

  #within(rows: readonly ValueRow[], value: number, index: number, kind: string): void {
    const { low, high } = rows[index];
    if (value >= low && value <= high) return;
    throw new Broken(`${kind} ${rowName(rows, index)} is ${value}, its range ${low} to ${high}`);
  }
}

function round(value: number): string {
  return String(Number(value.toPrecision(4)));
}

/**
 * Runs all checks; one that breaks does not keep the others from running.
 * @throws whatever making an instance throws (e.g. UserError of a model that does not compile)
 */
export async function checkEnv(
  factory: EnvFactory,
  effort: CheckEffort = {},
): Promise<CheckRow[]> {
  const checks = new Checks(factory, { ...DEFAULTS, ...effort });
  const env = await factory.createInstance();
  const twin = await factory.createInstance();
  const rows: CheckRow[] = [];
  const check = (name: string, run: () => string): void => {
    try {
      rows.push({ name, ok: true, detail: run() });
    } catch (error) {
      const detail = error instanceof Broken ? error.message : `it threw: ${messageOf(error)}`;
      rows.push({ name, ok: false, detail });
    }
  };
  try {
    check("tables", () => checks.tables(env));
    check("tasks", () => checks.tasks());
    check("determinism", () => checks.determinism(env, twin));
    check("bounds", () => checks.bounds(env));
    check("extreme actions", () => checks.extremes(env));
    check("reward", () => checks.reward(env));
    check("endings", () => checks.endings(env));
    check("speed", () => checks.speed(env));
  } finally {
    env.close();
    twin.close();
  }
  return rows;
}

/** Steps per second on one thread with random actions, resets included; measured for `seconds`. */
export async function measureEnvSpeed(factory: EnvFactory, seconds: number): Promise<number> {
  const env = await factory.createInstance();
  try {
    return new Checks(factory, { ...DEFAULTS, seconds }).stepsPerSecond(env);
  } finally {
    env.close();
  }
}
