/**
 * What task distributions of several environments share: modes and the order in which tasks take
 * them, points in the plane, uniform directions.
 */
import type { KeyedRandom } from "../util/prng.ts";

/** A point of the plane. */
export type Point = readonly [number, number];

/** Corners of a regular hexagon, in the order of the published environments. */
export function hexagon(radius: number): readonly Point[] {
  const half = radius / 2;
  /** sin 60 degrees times the radius */
  const height = half * Math.sqrt(3);
  return [
    [radius, 0],
    [half, height],
    [-half, height],
    [-half, -height],
    [half, -height],
    [-radius, 0],
  ];
}

/** The place that a task's row begins with. */
export function placeOf(row: ArrayLike<number>): Point {
  return [row[0], row[1]];
}

/** Length of (x, y). */
export function norm(x: number, y: number): number {
  return Math.sqrt(x * x + y * y);
}

/**
 * How tasks get their modes: drawn uniformly, or in turn by the task's index (task m of an
 * iteration has mode m modulo the number of modes).
 */
export type ModeOrder = "uniform" | "in turn";

/**
 * The mode of a task: the one asked for, or by `order`. Draws the same numbers in either case,
 * so that what is drawn next does not depend on the restriction.
 */
export function chooseMode(
  random: KeyedRandom,
  order: ModeOrder,
  modes: number,
  index: number,
  asked: number | null,
): number {
  const drawn = order === "uniform" ? random.integer(modes) : index % modes;
  return asked ?? drawn;
}

/** Uniform direction (two normal numbers, normalised) times `radius` to row[offset ..]. */
export function drawOnCircle(
  random: KeyedRandom,
  radius: number,
  row: Float64Array,
  offset: number,
): void {
  const x = random.normal();
  const y = random.normal();
  const length = norm(x, y);
  row[offset] = radius * (x / length);
  row[offset + 1] = radius * (y / length);
}
