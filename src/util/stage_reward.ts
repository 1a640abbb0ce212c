/**
 * The reward of one predicted state as data, so that an environment can state it once and a
 * planner's kernels can add it up for thousands of predicted states without knowing what the
 * columns mean:
 *
 *     r(s) = sum_i weight_i s[column_i]
 *          + proximity.weight * exp(-|s[proximity.columns] - proximity.goal|^2)
 *          - penalty.amount   where s[penalty.column] < penalty.below
 *
 * Axis letters: N states, Z state.
 */

import { exp } from "./math.ts";

/** Reward of a predicted state; see the module's header. */
export interface StageReward {
  /** Linear part: state columns and their weights. */
  readonly linear: readonly { readonly column: number; readonly weight: number }[];
  /** Bell around a goal in some of the columns; `null`: none. */
  readonly proximity: {
    /** Reward at the goal. */
    readonly weight: number;
    /** Columns that the goal speaks of. */
    readonly columns: readonly number[];
    /** As many numbers as `columns`, in the state's units. */
    readonly goal: readonly number[];
  } | null;
  /** Taken off where a column is below a threshold; `null`: nothing. */
  readonly penalty: {
    /** Column that is watched. */
    readonly column: number;
    /** Threshold in the state's unit. */
    readonly below: number;
    /** What is taken off. */
    readonly amount: number;
  } | null;
}

/**
 * Rewards of a batch of states.
 *
 * @param states [N, Z] row by row
 * @param stateDim Z
 * @param out [N], overwritten
 */
export function stageRewards(
  reward: StageReward,
  states: ArrayLike<number>,
  stateDim: number,
  out: Float64Array,
): void {
  const { linear, proximity, penalty } = reward;
  for (let n = 0; n < out.length; n++) {
    const row = n * stateDim;
    let sum = 0;
    for (const { column, weight } of linear) sum += weight * states[row + column];
    if (proximity !== null) {
      let distance2 = 0;
      for (let i = 0; i < proximity.columns.length; i++) {
        distance2 += (states[row + proximity.columns[i]] - proximity.goal[i]) ** 2;
      }
      sum += proximity.weight * exp(-distance2);
    }
    if (penalty !== null && states[row + penalty.column] < penalty.below) sum -= penalty.amount;
    out[n] = sum;
  }
}
