/**
 * The named numbers of a described environment: state, action and task, positions of sites and
 * bodies, stretches of the state. All lie in one buffer, which expressions and observations read.
 *
 * Axis letters: q positions, v velocities, u actuators.
 */
import { UserError } from "../../util/errors.ts";
import { didYouMean } from "../../util/nearest.ts";
import type { ValueRow } from "../env.ts";
import type { Model, ObjectKind } from "../mujoco/model.ts";
import type { Simulation } from "../mujoco/simulation.ts";
import type { Description, QuantitySource } from "./description.ts";
import { RESERVED_NAMES, type Slot } from "./expression.ts";

/** Name, meaning and unit of one number. */
export type Label = Pick<ValueRow, "name" | "meaning" | "unit">;

/** A stretch of the buffer that a step fills from the simulation. */
export interface Source {
  readonly offset: number;
  readonly from: "qpos" | "qvel" | "siteXpos" | "xpos";
  /** Index there of each number. */
  readonly indices: Int32Array;
}

/** Where the numbers of an environment are. */
export interface Quantities {
  /** By name, components (`tip_x`, `qpos_0`) included. */
  readonly slots: ReadonlyMap<string, Slot>;
  /** By index in the buffer. */
  readonly labels: readonly Label[];
  readonly sources: readonly Source[];
  /** [u] the action of the last step; zeros before the first one */
  readonly action: Slot;
  /** [D] the task, its parts in the order of the description */
  readonly task: Slot;
}

const AXES = "xyz";

/** Kinds of joints, MuJoCo's mjtJoint. */
export const JointType = { FREE: 0, BALL: 1, SLIDE: 2, HINGE: 3 } as const;

/** Numbers of positions and velocities of each kind. */
const JOINT_SIZES: readonly (readonly [number, number])[] = [[7, 6], [4, 3], [1, 1], [1, 1]];

/** What messages and tables call an object of the model. */
function named(model: Model, kind: ObjectKind, index: number): string {
  return model.names(kind)[index] || `${kind} ${index}`;
}

/** Index of an object of the model. @throws UserError `env-description` with the nearest name. */
function indexIn(model: Model, kind: ObjectKind, name: string, where: string): number {
  const names = model.names(kind);
  const index = names.indexOf(name);
  if (index >= 0) return index;
  const known = names.filter((other) => other !== "");
  const hint = didYouMean(name, known) ||
    (known.length === 0 ? "; none has a name" : `; there are ${known.join(", ")}`);
  throw new UserError("env-description", `${where}: the model has no ${kind} "${name}"${hint}`);
}

/** Unit and meaning of each position and velocity of the model. */
function jointLabels(model: Model): { qpos: Label[]; qvel: Label[] } {
  const types: Int32Array = model.handle.jnt_type;
  const qpos: Label[] = [];
  const qvel: Label[] = [];
  const add = (list: Label[], prefix: string, meaning: string, unit: string) => {
    list.push({ name: `${prefix}_${list.length}`, meaning, unit });
  };
  types.forEach((type, j) => {
    const joint = named(model, "joint", j);
    if (type === JointType.FREE || type === JointType.BALL) {
      if (type === JointType.FREE) {
        for (const axis of AXES) add(qpos, "qpos", `${axis} of ${joint}`, "m");
        for (const axis of AXES) add(qvel, "qvel", `velocity of ${joint} along ${axis}`, "m/s");
      }
      for (const part of "wxyz") add(qpos, "qpos", `${part} of the quaternion of ${joint}`, "1");
      for (const axis of AXES) {
        add(qvel, "qvel", `angular velocity of ${joint} about its ${axis}`, "rad/s");
      }
      return;
    }
    const unit = type === JointType.SLIDE ? "m" : "rad";
    add(qpos, "qpos", `${type === JointType.SLIDE ? "position" : "angle"} of ${joint}`, unit);
    add(qvel, "qvel", `rate of ${joint}`, `${unit}/s`);
  });
  return { qpos, qvel };
}

/** Puts the buffer together. */
class Builder {
  readonly slots = new Map<string, Slot>();
  readonly labels: Label[] = [];
  readonly sources: Source[] = [];

  constructor(readonly file: string, readonly model: Model) {}

  /** New numbers under a name and its components' names. */
  add(name: string, labels: readonly Label[]): Slot {
    const slot = { offset: this.labels.length, size: labels.length };
    this.labels.push(...labels);
    this.register(name, slot, labels.map((label) => label.name));
    return slot;
  }

  /** A name for numbers that are there already, or were just added. */
  register(name: string, slot: Slot, components: readonly string[]): void {
    this.#claim(name, slot);
    if (slot.size === 1) return;
    components.forEach((component, i) =>
      this.#claim(component, { offset: slot.offset + i, size: 1 })
    );
  }

  #claim(name: string, slot: Slot): void {
    if (this.slots.has(name) || RESERVED_NAMES.includes(name)) {
      throw new UserError(
        "env-description",
        `${this.file}: the name "${name}" is taken already; give the quantity or part of the task ` +
          "another one",
      );
    }
    this.slots.set(name, slot);
  }

  quantity(name: string, source: QuantitySource): void {
    const { model } = this;
    const where = (key: string) => `${this.file}: "quantities.${name}.${key}"`;
    if (source.site !== undefined || source.body !== undefined) {
      const kind = source.site !== undefined ? "site" : "body";
      const object = source.site ?? source.body!;
      const index = indexIn(model, kind, object, where(kind));
      const axes = source.axes ?? AXES;
      const { offset } = this.add(
        name,
        [...axes].map((axis) => ({
          name: axes.length === 1 ? name : `${name}_${axis}`,
          meaning: `${axis} of ${kind} ${object}`,
          unit: "m",
        })),
      );
      this.sources.push({
        offset,
        from: kind === "site" ? "siteXpos" : "xpos",
        indices: Int32Array.from(axes, (axis) => 3 * index + AXES.indexOf(axis)),
      });
      return;
    }
    const { state, first, size } = this.#stretch(source, where);
    const base = this.slots.get(state)!;
    const slot = { offset: base.offset + first, size };
    this.register(name, slot, Array.from({ length: size }, (_, i) => `${name}_${i}`));
  }

  /** Which part of the state a quantity is. */
  #stretch(
    source: QuantitySource,
    where: (key: string) => string,
  ): { state: "qpos" | "qvel"; first: number; size: number } {
    const { handle } = this.model;
    const joint = source.joint ?? source.joint_velocity;
    if (joint !== undefined) {
      const isVelocity = source.joint === undefined;
      const key = isVelocity ? "joint_velocity" : "joint";
      const index = indexIn(this.model, "joint", joint, where(key));
      const type: number = handle.jnt_type[index];
      return {
        state: isVelocity ? "qvel" : "qpos",
        first: isVelocity ? handle.jnt_dofadr[index] : handle.jnt_qposadr[index],
        size: JOINT_SIZES[type][isVelocity ? 1 : 0],
      };
    }
    const state = source.qpos !== undefined ? "qpos" : "qvel";
    const [first, end] = source[state]!;
    const { size } = this.slots.get(state)!;
    if (first >= end || end > size) {
      throw new UserError(
        "env-description",
        `${where(state)} must be [first, end] with first < end <= ${size}, the size of ${state}; ` +
          `got [${first}, ${end}]`,
      );
    }
    return { state, first, size: end - first };
  }
}

/** Names for the numbers of a part of the task: the part's own, with x, y, z or an index. */
export function taskRowNames(part: string, size: number): string[] {
  if (size === 1) return [part];
  return Array.from({ length: size }, (_, i) => `${part}_${size <= AXES.length ? AXES[i] : i}`);
}

/** Index sequence. */
function sequence(length: number): Int32Array {
  return Int32Array.from({ length }, (_, i) => i);
}

/**
 * The quantities of a description and its model.
 * @param taskRows rows of each part of the task, by its name
 * @throws UserError `env-description`
 */
export function buildQuantities(
  file: string,
  description: Description,
  model: Model,
  taskRows: ReadonlyMap<string, readonly ValueRow[]>,
  action: readonly ValueRow[],
): Quantities {
  const builder = new Builder(file, model);
  const { qpos, qvel } = jointLabels(model);
  for (const [from, labels] of [["qpos", qpos], ["qvel", qvel]] as const) {
    const { offset, size } = builder.add(from, labels);
    builder.sources.push({ offset, from, indices: sequence(size) });
  }
  const actionSlot = builder.add(
    "action",
    action.map((row, i) => ({ ...row, name: action.length === 1 ? "action" : `action_${i}` })),
  );
  const firstTask = builder.labels.length;
  for (const [part, rows] of taskRows) builder.add(part, rows);
  const task = { offset: firstTask, size: builder.labels.length - firstTask };
  for (const [name, source] of Object.entries(description.quantities ?? {})) {
    builder.quantity(name, source);
  }
  return {
    slots: builder.slots,
    labels: builder.labels,
    sources: builder.sources,
    action: actionSlot,
    task,
  };
}

/** Copies what the simulation has into the buffer. */
export function fillQuantities(
  sources: readonly Source[],
  sim: Simulation,
  values: Float64Array,
): void {
  for (let s = 0; s < sources.length; s++) {
    const { offset, from, indices } = sources[s];
    const array = sim[from];
    for (let i = 0; i < indices.length; i++) values[offset + i] = array[indices[i]];
  }
}
