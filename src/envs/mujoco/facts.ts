/**
 * The numbers of a compiled model, in the form of tests/golden/physics_*.json: what a model is,
 * whatever file it was written in. Angles in radians, lengths in metres, types by MuJoCo's names.
 */
import type { Model } from "./model.ts";

/** One row per object; vectors as nested arrays. */
type Rows = readonly (readonly number[])[];

/** Facts of a model. */
export interface ModelFacts {
  readonly nq: number;
  readonly nv: number;
  readonly nu: number;
  readonly option: {
    readonly timestep: number;
    readonly integrator: string;
    readonly solver: string;
    readonly iterations: number;
    readonly cone: string;
    readonly gravity: readonly number[];
    readonly density: number;
    readonly viscosity: number;
  };
  readonly qpos0: readonly number[];
  readonly body: {
    readonly name: readonly string[];
    readonly parent: readonly number[];
    readonly pos: Rows;
    readonly quat: Rows;
    readonly mass: readonly number[];
    readonly inertia: Rows;
    readonly ipos: Rows;
    readonly iquat: Rows;
  };
  readonly joint: {
    readonly name: readonly string[];
    readonly type: readonly string[];
    readonly body: readonly number[];
    readonly pos: Rows;
    readonly axis: Rows;
    readonly limited: readonly number[];
    readonly range: Rows;
    readonly stiffness: readonly number[];
    /** Per position, not per joint. */
    readonly springref: readonly number[];
    readonly margin: readonly number[];
    readonly solref: Rows;
    readonly solimp: Rows;
  };
  readonly dof: {
    readonly armature: readonly number[];
    readonly damping: readonly number[];
    readonly frictionloss: readonly number[];
  };
  readonly geom: {
    readonly name: readonly string[];
    readonly type: readonly string[];
    readonly body: readonly number[];
    readonly size: Rows;
    readonly pos: Rows;
    readonly quat: Rows;
    readonly contype: readonly number[];
    readonly conaffinity: readonly number[];
    readonly condim: readonly number[];
    readonly friction: Rows;
    readonly margin: readonly number[];
    readonly gap: readonly number[];
    readonly solref: Rows;
    readonly solimp: Rows;
  };
  readonly actuator: {
    readonly joint: readonly string[];
    readonly gear: readonly number[];
    readonly ctrlrange: Rows;
    readonly ctrllimited: readonly number[];
  };
}

/** The numbers of one kind of object, `width` numbers each. */
function rows(values: ArrayLike<number>, width: number): number[][] {
  const flat = Array.from(values);
  return Array.from(
    { length: flat.length / width },
    (_, i) => flat.slice(i * width, (i + 1) * width),
  );
}

/** The name of a value of one of MuJoCo's enumerations. */
function nameIn(enumeration: object, value: number): string {
  for (const [name, member] of Object.entries(enumeration)) {
    if (name.startsWith("mj") && member?.value === value) return name;
  }
  return String(value);
}

/** Facts of a compiled model. */
export function modelFacts(model: Model): ModelFacts {
  const { handle: m, mujoco } = model;
  const list = (values: ArrayLike<number>) => Array.from(values);
  const option = m.opt;
  const jointNames = model.names("joint");
  const { integrator, solver, cone } = option;
  const facts: ModelFacts = {
    nq: m.nq,
    nv: m.nv,
    nu: m.nu,
    option: {
      timestep: option.timestep,
      integrator: nameIn(mujoco.mjtIntegrator, integrator),
      solver: nameIn(mujoco.mjtSolver, solver),
      iterations: option.iterations,
      cone: nameIn(mujoco.mjtCone, cone),
      gravity: list(option.gravity),
      density: option.density,
      viscosity: option.viscosity,
    },
    qpos0: list(m.qpos0),
    body: {
      name: model.names("body"),
      parent: list(m.body_parentid),
      pos: rows(m.body_pos, 3),
      quat: rows(m.body_quat, 4),
      mass: list(m.body_mass),
      inertia: rows(m.body_inertia, 3),
      ipos: rows(m.body_ipos, 3),
      iquat: rows(m.body_iquat, 4),
    },
    joint: {
      name: jointNames,
      type: list(m.jnt_type).map((type) => nameIn(mujoco.mjtJoint, type)),
      body: list(m.jnt_bodyid),
      pos: rows(m.jnt_pos, 3),
      axis: rows(m.jnt_axis, 3),
      // Arrays of booleans can't be read, their elements can.
      limited: Array.from({ length: m.njnt }, (_, i) => {
        const joint = m.jnt(i);
        const limited = Number(joint.limited);
        joint.delete();
        return limited;
      }),
      range: rows(m.jnt_range, 2),
      stiffness: list(m.jnt_stiffness),
      springref: list(m.qpos_spring),
      margin: list(m.jnt_margin),
      solref: rows(m.jnt_solref, 2),
      solimp: rows(m.jnt_solimp, 5),
    },
    dof: {
      armature: list(m.dof_armature),
      damping: list(m.dof_damping),
      frictionloss: list(m.dof_frictionloss),
    },
    geom: {
      name: model.names("geom"),
      type: list(m.geom_type).map((type) => nameIn(mujoco.mjtGeom, type)),
      body: list(m.geom_bodyid),
      size: rows(m.geom_size, 3),
      pos: rows(m.geom_pos, 3),
      quat: rows(m.geom_quat, 4),
      contype: list(m.geom_contype),
      conaffinity: list(m.geom_conaffinity),
      condim: list(m.geom_condim),
      friction: rows(m.geom_friction, 3),
      margin: list(m.geom_margin),
      gap: list(m.geom_gap),
      solref: rows(m.geom_solref, 2),
      solimp: rows(m.geom_solimp, 5),
    },
    actuator: {
      // A transmission has two ids; a joint's is the first.
      joint: rows(m.actuator_trnid, 2).map(([joint]) => jointNames[joint]),
      gear: rows(m.actuator_gear, 6).map(([gear]) => gear),
      ctrlrange: rows(m.actuator_ctrlrange, 2),
      ctrllimited: Array.from({ length: m.nu }, (_, i) => {
        const actuator = m.actuator(i);
        const limited = Number(actuator.ctrllimited);
        actuator.delete();
        return limited;
      }),
    },
  };
  option.delete();
  return facts;
}
