/**
 * What the 2-D point environments share: their tables, the three forms of reward, the corners
 * that goals lie in. One length is one unit of the plane, one step is one unit of time.
 */
import type { OptionRow, RewardPartRow, ValueRow } from "../env.ts";
import { type OptionValues, readOptions } from "../options.ts";
import type { Point } from "../tasks.ts";

/** Half the width of the square in which every episode starts. */
export const START_POSITION = 0.2;
/** Largest size of a velocity component at the start. */
export const START_VELOCITY = 0.1;
/** Episode length of the published point experiments. */
export const MAX_STEPS = 100;

const unbounded = { low: -Infinity, high: Infinity };

/** Observation rows x, y. */
export const POSITION_ROWS: readonly ValueRow[] = [
  { name: "x", meaning: "position of the point", unit: "m", ...unbounded },
  { name: "y", meaning: "position of the point", unit: "m", ...unbounded },
];

/** Observation rows vx, vy. */
export const VELOCITY_ROWS: readonly ValueRow[] = [
  { name: "vx", meaning: "velocity of the point", unit: "m/step", ...unbounded },
  { name: "vy", meaning: "velocity of the point", unit: "m/step", ...unbounded },
];

/** Task rows of a goal, each coordinate within `limit`. */
export function goalRows(limit: number): readonly ValueRow[] {
  return ["goal_x", "goal_y"].map((name) => ({
    name,
    meaning: "position of the goal",
    unit: "m",
    low: -limit,
    high: limit,
  }));
}

/** Forms of the reward. */
export type RewardType = "dense" | "dense_squared" | "sparse";

/** Options of a point environment. */
export interface PointOptions {
  readonly rewardType: RewardType;
  /** Radius of the sparse reward. */
  readonly sparseRadius: number;
}

/** Option rows; `sparse` says what the sparse reward is. */
export function pointOptionRows(
  rewardType: RewardType,
  sparseRadius: number,
  sparse: string,
): readonly OptionRow[] {
  return [
    {
      name: "reward_type",
      meaning: `dense: -distance to the goal; dense_squared: -distance^2; sparse: ${sparse}`,
      kind: "choice",
      choices: ["dense", "dense_squared", "sparse"],
      default: rewardType,
    },
    {
      name: "sparse_reward_radius",
      meaning: "radius of the sparse reward in m",
      kind: "number",
      low: 0,
      high: 1e6,
      default: sparseRadius,
    },
  ];
}

/** Values of {@link pointOptionRows}. */
export function readPointOptions(
  env: string,
  rows: readonly OptionRow[],
  options: Readonly<Record<string, unknown>>,
): PointOptions {
  const values: OptionValues = readOptions(env, rows, options);
  return {
    rewardType: values.get("reward_type") as RewardType,
    sparseRadius: values.get("sparse_reward_radius") as number,
  };
}

/** The single reward part of every point environment. */
export function goalRewardPart(rewardType: RewardType): RewardPartRow {
  return {
    name: "goal",
    meaning: rewardType === "sparse" ? "sparse reward near the goal" : "minus distance to the goal",
    unit: rewardType === "dense_squared" ? "m^2" : "m",
  };
}

/** Goals of the environments after ProMP: the corners of a square. */
export function corners(half: number): readonly Point[] {
  return [[-half, -half], [half, -half], [-half, half], [half, half]];
}
