/** Problems with a known answer, for the tests of planners. */
import type { Evaluate, PlanProblem } from "../../src/planning/planner.ts";

/** H, A and S = H * A of {@link bowl}. */
export const HORIZON = 10;
export const ACT_DIM = 5;
export const LENGTH = HORIZON * ACT_DIM;

/** Bounds that differ from component to component: [-1, 1], [-2, 0], [0, 3], [-1, 1], [4, 5]. */
export const PROBLEM: PlanProblem = {
  horizon: HORIZON,
  actionLow: [-1, -2, 0, -1, 4],
  actionHigh: [1, 0, 3, 1, 5],
};

/** [S] A sequence within the bounds, 0.8 of the half range away from the middle at most. */
export const TARGET = Float64Array.from({ length: LENGTH }, (_, i) => {
  const a = i % ACT_DIM;
  const [low, high] = [PROBLEM.actionLow[a], PROBLEM.actionHigh[a]];
  return (low + high) / 2 + 0.4 * (high - low) * Math.sin(1.7 * i);
});

/** -|x - target|^2 of one sequence, in units of the half range. */
export function bowlScore(sequences: Float32Array, n = 0): number {
  let sum = 0;
  for (let i = 0; i < LENGTH; i++) {
    const a = i % ACT_DIM;
    const half = (PROBLEM.actionHigh[a] - PROBLEM.actionLow[a]) / 2;
    sum -= ((sequences[n * LENGTH + i] - TARGET[i]) / half) ** 2;
  }
  return sum;
}

/** A quadratic bowl over sequences, its bottom at {@link TARGET}. */
export const bowl: Evaluate = (sequences, count) =>
  Promise.resolve(Float64Array.from({ length: count }, (_, n) => bowlScore(sequences, n)));

/** A mass on a line: position, velocity. */
export interface Mass {
  position: number;
  velocity: number;
}

const TIME_STEP = 0.2;

/** One step of a mass under a force, which is its acceleration. */
export function push(mass: Mass, force: number): void {
  mass.velocity += TIME_STEP * force;
  mass.position += TIME_STEP * mass.velocity;
}

/** Scores of force sequences by the way that they take `mass` to rest at 0. */
export function doubleIntegrator(mass: Readonly<Mass>, horizon: number): Evaluate {
  return (sequences, count) =>
    Promise.resolve(Float64Array.from({ length: count }, (_, n) => {
      const moving = { ...mass };
      let score = 0;
      for (let h = 0; h < horizon; h++) {
        push(moving, sequences[n * horizon + h]);
        score -= moving.position ** 2 + 0.1 * moving.velocity ** 2;
      }
      return score;
    }));
}
