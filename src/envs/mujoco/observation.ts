/**
 * Parts that observations are put together from. A part is its rows in the table and the code
 * that writes their values, so that the two can't disagree on size or order.
 */
import { cos, sin } from "../../util/math.ts";
import type { ValueRow } from "../env.ts";
import type { Robot } from "./robots.ts";
import type { Simulation } from "./simulation.ts";

/** A stretch of the observation. */
export interface ObservationPart {
  readonly rows: readonly ValueRow[];
  /** Writes obs[at .. at + rows.length]. */
  write(sim: Simulation, obs: Float64Array, at: number): void;
}

/** Rows whose values are cut to +- limit. */
function clipped(rows: readonly ValueRow[], limit: number): readonly ValueRow[] {
  if (limit === Infinity) return rows;
  return rows.map((row) => ({
    ...row,
    meaning: `${row.meaning}, cut to +-${limit}`,
    low: -limit,
    high: limit,
  }));
}

/** Copies values[first .. first + count], cut to +- limit. */
function part(
  rows: readonly ValueRow[],
  first: number,
  limit: number,
  values: (sim: Simulation) => Float64Array,
): ObservationPart {
  const count = rows.length;
  return {
    rows: clipped(rows, limit),
    write(sim, obs, at) {
      const source = values(sim);
      if (limit === Infinity) {
        for (let i = 0; i < count; i++) obs[at + i] = source[first + i];
      } else {
        for (let i = 0; i < count; i++) {
          obs[at + i] = Math.min(Math.max(source[first + i], -limit), limit);
        }
      }
    },
  };
}

/** Positions from index `first` on. */
export function positions(robot: Robot, first = 0): ObservationPart {
  return part(robot.positions.slice(first), first, Infinity, (sim) => sim.qpos);
}

/** The first `count` velocities, cut to +- limit. */
export function velocities(
  robot: Robot,
  { count, limit = Infinity }: { readonly count?: number; readonly limit?: number } = {},
): ObservationPart {
  return part(robot.velocities.slice(0, count), 0, limit, (sim) => sim.qvel);
}

/** A function of each of the first `count` joint angles. */
function ofAngles(
  robot: Robot,
  count: number,
  name: string,
  of: (x: number) => number,
): ObservationPart {
  return {
    rows: robot.positions.slice(0, count).map((row) => ({
      name: `${name}_${row.name}`,
      meaning: `${name} of the ${row.meaning}`,
      unit: "1",
      low: -1,
      high: 1,
    })),
    write(sim, obs, at) {
      for (let i = 0; i < count; i++) obs[at + i] = of(sim.qpos[i]);
    },
  };
}

/** Cosines of the first `count` joint angles, then their sines. */
export function cosinesAndSines(robot: Robot, count: number): readonly ObservationPart[] {
  return [ofAngles(robot, count, "cos", cos), ofAngles(robot, count, "sin", sin)];
}

const AXES = ["x", "y", "z"] as const;

/** Rows of a spatial vector: the angular part, then the linear one. */
function spatialRows(
  body: string,
  angular: readonly [name: string, meaning: string, unit: string],
  linear: readonly [name: string, meaning: string, unit: string],
): ValueRow[] {
  return [angular, linear].flatMap(([name, meaning, unit]) =>
    AXES.map((axis) => ({
      name: `${name}_${axis}_${body}`,
      meaning: `${axis} of the ${meaning} ${body}`,
      unit,
      low: -Infinity,
      high: Infinity,
    }))
  );
}

/** Torque and force of the contacts on every body, cut to +- limit; needs the contact forces. */
export function contactForces(robot: Robot, limit: number): ObservationPart {
  const rows = robot.bodies.flatMap((body) =>
    spatialRows(
      body,
      ["torque", "torque of contacts on", "N m"],
      ["force", "force of contacts on", "N"],
    )
  );
  return part(rows, 0, limit, (sim) => sim.cfrcExt);
}

/** Angular and linear velocity of every body, at the centre of mass of the robot. */
export function bodyVelocities(robot: Robot): ObservationPart {
  const rows = robot.bodies.flatMap((body) =>
    spatialRows(
      body,
      ["angular_velocity", "angular velocity of", "rad/s"],
      ["linear_velocity", "linear velocity of", "m/s"],
    )
  );
  return part(rows, 0, Infinity, (sim) => sim.cvel);
}

/** Inertia of every body about the centre of mass of the robot. */
export function bodyInertias(robot: Robot): ObservationPart {
  const unbounded = { low: -Infinity, high: Infinity };
  const rows = robot.bodies.flatMap((body) => [
    ...["xx", "yy", "zz", "xy", "xz", "yz"].map((entry) => ({
      name: `inertia_${entry}_${body}`,
      meaning: `${entry} of the inertia of ${body}`,
      unit: "kg m^2",
      ...unbounded,
    })),
    ...AXES.map((axis) => ({
      name: `mass_offset_${axis}_${body}`,
      meaning: `mass of ${body} times ${axis} from the robot's centre of mass`,
      unit: "kg m",
      ...unbounded,
    })),
    { name: `mass_${body}`, meaning: `mass of ${body}`, unit: "kg", ...unbounded },
  ]);
  return part(rows, 0, Infinity, (sim) => sim.cinert);
}

/** What the motors do, per degree of freedom. */
export function actuatorForces(robot: Robot): ObservationPart {
  const rows = robot.velocities.map((row) => ({
    name: `actuation_${row.name}`,
    meaning: `force or torque of the motors on the ${row.meaning}`,
    unit: row.unit === "m/s" ? "N" : "N m",
    low: -Infinity,
    high: Infinity,
  }));
  return part(rows, 0, Infinity, (sim) => sim.qfrcActuator);
}
