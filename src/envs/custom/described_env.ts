/**
 * An environment made of a MuJoCo model and a description: observation and reward are quantities
 * and expressions over them (`quantities.ts`, `expression.ts`). Stepping allocates nothing.
 *
 * Positions of sites and bodies are those of the state that the step led to. Where the simulation
 * becomes unstable, observation and reward are NaN: the sampler ends the rollout there.
 *
 * Left out: tasks that change the model, contact forces, quantities of the step before.
 */
import { UserError } from "../../util/errors.ts";
import { didYouMean } from "../../util/nearest.ts";
import type { KeyedRandom } from "../../util/prng.ts";
import {
  drawTasks,
  type Env,
  type EnvDefinition,
  type EnvFactory,
  type EnvSpec,
  envSpec,
  type RewardPartRow,
  type ValueRow,
} from "../env.ts";
import type { Model } from "../mujoco/model.ts";
import { sceneOf } from "../mujoco/scene.ts";
import { Simulation } from "../mujoco/simulation.ts";
import { readOptions } from "../options.ts";
import type { Scene } from "../scene.ts";
import type { Description, ResetNoise } from "./description.ts";
import { type Evaluate, type Expression, parseExpression } from "./expression.ts";
import { buildQuantities, fillQuantities, JointType, type Quantities } from "./quantities.ts";
import { describedTask } from "./task.ts";

/** One number of the observation: an index in the buffer, or an expression. */
type Observed = number | Expression;

/** How episodes begin. */
interface StartPlan {
  /** [q], [v] size of the noise */
  readonly qpos: Float64Array;
  readonly qvel: Float64Array;
  readonly isNormal: boolean;
  /** Where in the positions unit quaternions begin. */
  readonly quaternions: readonly number[];
}

/** Everything that instances share. */
interface Plan {
  readonly model: Model;
  readonly frameSkip: number;
  readonly quantities: Quantities;
  /** [O] */
  readonly observation: readonly Observed[];
  /** [R] */
  readonly reward: readonly Expression[];
  readonly terminate: Expression | null;
  readonly start: StartPlan;
}

/** One simulator. */
class DescribedEnv implements Env {
  readonly obs: Float64Array;
  reward = 0;
  readonly rewardParts: Float64Array;
  terminated = false;
  readonly #sim: Simulation;
  readonly #plan: Plan;
  /** All quantities. */
  readonly #values: Float64Array;
  /** [D] */
  readonly #task: Float64Array;
  /** [O] index in #values, -1 for an expression */
  readonly #obsIndex: Int32Array;
  /** [O] */
  readonly #obsValue: readonly (Evaluate | null)[];
  /** [R] */
  readonly #parts: readonly Evaluate[];
  readonly #terminate: Evaluate | null;

  constructor(readonly spec: EnvSpec, plan: Plan) {
    this.#plan = plan;
    this.#sim = new Simulation(plan.model);
    this.obs = new Float64Array(spec.obsDim);
    this.rewardParts = new Float64Array(spec.rewardParts.length);
    this.#task = new Float64Array(spec.taskDim);
    const values = new Float64Array(plan.quantities.labels.length);
    this.#values = values;
    this.#obsIndex = Int32Array.from(plan.observation, (o) => typeof o === "number" ? o : -1);
    this.#obsValue = plan.observation.map((o) => typeof o === "number" ? null : o(values));
    this.#parts = plan.reward.map((part) => part(values));
    this.#terminate = plan.terminate?.(values) ?? null;
  }

  setTask(row: ArrayLike<number>): void {
    for (let i = 0; i < this.#task.length; i++) this.#task[i] = row[i];
  }

  reset(random: KeyedRandom): void {
    const { quantities } = this.#plan;
    this.#sim.reset();
    this.#addNoise(random);
    this.#sim.forward();
    const { offset, size } = quantities.action;
    this.#values.fill(0, offset, offset + size);
    this.#values.set(this.#task, quantities.task.offset);
    this.reward = 0;
    this.rewardParts.fill(0);
    this.terminated = false;
    this.#observe();
  }

  step(action: Float64Array): void {
    const sim = this.#sim;
    const { quantities, frameSkip } = this.#plan;
    sim.refresh();
    sim.ctrl.set(action);
    if (!sim.advance(frameSkip)) {
      this.obs.fill(NaN);
      this.rewardParts.fill(NaN);
      this.reward = NaN;
      return;
    }
    sim.updatePositions();
    this.#values.set(action, quantities.action.offset);
    this.#observe();
    let reward = 0;
    for (let r = 0; r < this.#parts.length; r++) {
      const part = this.#parts[r]();
      this.rewardParts[r] = part;
      reward += part;
    }
    this.reward = reward;
    if (this.#terminate !== null) {
      const value = this.#terminate();
      this.terminated = value !== 0 && !Number.isNaN(value);
    }
  }

  scene(): Scene {
    return sceneOf(this.#sim, this.#sim.timestep * this.#plan.frameSkip);
  }

  close(): void {
    this.#sim.close();
  }

  #addNoise(random: KeyedRandom): void {
    const { qpos, qvel, isNormal, quaternions } = this.#plan.start;
    const sim = this.#sim;
    for (let i = 0; i < qpos.length; i++) {
      sim.qpos[i] += isNormal ? qpos[i] * random.normal() : random.uniformRange(-qpos[i], qpos[i]);
    }
    for (let i = 0; i < qvel.length; i++) {
      sim.qvel[i] += isNormal ? qvel[i] * random.normal() : random.uniformRange(-qvel[i], qvel[i]);
    }
    for (const at of quaternions) {
      let squares = 0;
      for (let i = at; i < at + 4; i++) squares += sim.qpos[i] * sim.qpos[i];
      const length = Math.sqrt(squares);
      for (let i = at; i < at + 4; i++) sim.qpos[i] /= length;
    }
  }

  #observe(): void {
    const values = this.#values;
    fillQuantities(this.#plan.quantities.sources, this.#sim, values);
    for (let i = 0; i < this.obs.length; i++) {
      const index = this.#obsIndex[i];
      this.obs[i] = index >= 0 ? values[index] : this.#obsValue[i]!();
    }
  }
}

/** What the actuators take. @throws UserError `env-description` for one without limits. */
function actionRows(file: string, modelFile: string, model: Model): ValueRow[] {
  const { handle } = model;
  const names = model.names("actuator");
  if (names.length === 0) {
    throw new UserError("env-description", `${file}: the model ${modelFile} has no actuator`);
  }
  const ranges: Float64Array = handle.actuator_ctrlrange;
  return names.map((name, u) => {
    const shown = name || `actuator_${u}`;
    // arrays of booleans can't be read, their elements can
    const actuator = handle.actuator(u);
    const isLimited = Number(actuator.ctrllimited) !== 0;
    actuator.delete();
    if (!isLimited) {
      throw new UserError(
        "env-description",
        `${file}: actuator ${shown} of ${modelFile} has no ctrlrange; the action needs one`,
      );
    }
    return {
      name: shown,
      meaning: `control of actuator ${shown}`,
      unit: "1",
      low: ranges[2 * u],
      high: ranges[2 * u + 1],
    };
  });
}

function noiseOf(
  spread: number | readonly number[] | undefined,
  size: number,
  where: string,
): Float64Array {
  if (typeof spread !== "object") return new Float64Array(size).fill(spread ?? 0);
  if (spread.length === size) return Float64Array.from(spread);
  throw new UserError(
    "env-description",
    `${where} must be one number or a list of ${size}; got ${spread.length} numbers`,
  );
}

function startPlan(file: string, reset: ResetNoise, { handle }: Model): StartPlan {
  const quaternions: number[] = [];
  const types: Int32Array = handle.jnt_type;
  const addresses: Int32Array = handle.jnt_qposadr;
  types.forEach((type, j) => {
    if (type === JointType.FREE) quaternions.push(addresses[j] + 3);
    if (type === JointType.BALL) quaternions.push(addresses[j]);
  });
  return {
    qpos: noiseOf(reset.qpos, handle.nq, `${file}: "reset.qpos"`),
    qvel: noiseOf(reset.qvel, handle.nv, `${file}: "reset.qvel"`),
    isNormal: reset.noise === "normal",
    quaternions,
  };
}

/** Rows of the observation with where each number comes from. */
function observationPlan(
  file: string,
  description: Description,
  { slots, labels }: Quantities,
): { rows: ValueRow[]; observation: Observed[] } {
  const rows: ValueRow[] = [];
  const observation: Observed[] = [];
  const unbounded = { low: -Infinity, high: Infinity };
  description.observation.forEach((part, p) => {
    const where = `${file}: "observation.${p}"`;
    if (typeof part !== "string") {
      const { name, value, meaning = value, unit = "1" } = part;
      const range = { low: part.low ?? -Infinity, high: part.high ?? Infinity };
      rows.push({ name, meaning, unit, ...range });
      observation.push(parseExpression(value, slots, where));
      return;
    }
    const slot = slots.get(part);
    if (slot === undefined) {
      const hint = didYouMean(part, slots.keys()) || `; known are ${[...slots.keys()].join(", ")}`;
      throw new UserError(
        "env-description",
        `${where}: unknown quantity "${part}"${hint}; expressions are {"name": ..., "value": ...}`,
      );
    }
    for (let i = 0; i < slot.size; i++) {
      const label = labels[slot.offset + i];
      // a stretch of the state is seen under its own name
      const own = slot.size === 1 ? part : `${part}_${i}`;
      const name = label.name.startsWith(`${part}_`) ? label.name : own;
      rows.push({ ...label, name, ...unbounded });
      observation.push(slot.offset + i);
    }
  });
  const twice = rows.find(({ name }, i) => rows.findIndex((row) => row.name === name) < i);
  if (twice !== undefined) {
    throw new UserError("env-description", `${file}: "observation": "${twice.name}" stands twice`);
  }
  return { rows, observation };
}

/**
 * The definition of a described environment.
 * @param file as the user knows the description; starts every message
 * @param modelFile the same for the MJCF file
 * @param model compiled, kept as long as instances are made
 * @param version hash of all files
 * @throws UserError `env-description`, `env-expression`
 */
export function describedDefinition(
  file: string,
  description: Description,
  { modelFile, model, version, name }: {
    readonly modelFile: string;
    readonly model: Model;
    readonly version: string;
    readonly name: string;
  },
): EnvDefinition {
  const task = describedTask(file, description.task);
  const action = actionRows(file, modelFile, model);
  const quantities = buildQuantities(file, description, model, task.rows, action);
  const { slots } = quantities;
  const { rows, observation } = observationPlan(file, description, quantities);
  const parts = Object.entries(description.reward);
  if (parts.length === 0) {
    throw new UserError("env-description", `${file}: "reward" must have a part`);
  }
  const rewardRows = parts.map(([part, { value, unit, meaning }]): RewardPartRow => ({
    name: part,
    meaning: meaning ?? value,
    unit: unit ?? "1",
  }));
  const plan: Plan = {
    model,
    frameSkip: description.frame_skip,
    quantities,
    observation,
    reward: parts.map(([part, { value }]) =>
      parseExpression(value, slots, `${file}: "reward.${part}"`)
    ),
    terminate: description.terminate === undefined
      ? null
      : parseExpression(description.terminate, slots, `${file}: "terminate"`),
    start: startPlan(file, description.reset ?? {}, model),
  };
  const spec = envSpec({
    name,
    version,
    description: description.description,
    observation: rows,
    action,
    rewardParts: rewardRows,
    task: [...task.rows.values()].flat(),
    modes: task.modes,
    maxSteps: description.max_path_length,
    options: [],
  });
  return {
    configure(given): EnvFactory {
      readOptions(name, [], given);
      return {
        spec,
        usesMujoco: true,
        sampleTasks: (random, iteration, count, mode) =>
          drawTasks(spec, task.sample, random, iteration, count, mode),
        createInstance: () => Promise.resolve(new DescribedEnv(spec, plan)),
      };
    },
  };
}
