/**
 * Cases at sizes that fit no tile: 1, 7 and 2001 samples, 1 and 41 tasks, 1, 5, 64 and 200 hidden
 * units.
 */
import type { DynamicsSpec, PolicySpec } from "../../src/compute/layout.ts";
import { encoderCases, type KernelCase, policyCases } from "./compare.ts";
import { dynamicsRolloutKernelCase, dynamicsRowCases } from "./dynamics_cases.ts";

export const HIDDEN = [1, 5, 64, 200];
/** Samples of each task. */
const COUNTS: readonly (readonly number[])[] = [
  [1],
  [7],
  [2001],
  Array.from({ length: 41 }, (_, m) => [1, 7, 33, 0, 4][m % 5]),
];

/** A plain and a modulated policy with one hidden layer, at all counts. */
export function raggedPolicies(hidden: number): KernelCase[] {
  const spec: PolicySpec = {
    ...{ obsDim: 3, actDim: 2, hiddenSizes: [hidden], activation: "tanh", learnStd: true },
    film: { useBetas: false, shiftGammas: true },
  };
  return COUNTS.flatMap((counts, i) =>
    policyCases({ spec, counts, modulated: i % 2 === 0 }, { clipEps: 0.1 })
  );
}

/** 1 task with one sequence, 41 tasks of up to two. */
function raggedEncoders(cells: number): KernelCase[] {
  const spec = {
    ...{ inputDim: 6, cellSize: cells, outputDim: 9 },
    ...{ mlpAfterGru: true, mlpAfterPool: false },
  };
  return [
    ...encoderCases({ spec, slots: 1, steps: 7, paths: [1] }),
    ...encoderCases({ spec, slots: 2, steps: 3, paths: Array(41).fill(1) }),
  ];
}

/** Rows and candidate sequences that fill no tile. */
function raggedDynamics(hidden: number): KernelCase[] {
  const spec: DynamicsSpec = {
    ...{ inputDim: 5, outputDim: 3, situations: 3, embeddingDim: 2 },
    ...{ hiddenSizes: [hidden], activation: "relu", outputLimit: 10 },
  };
  const reward = { linear: true, proximity: true, penalty: true };
  return [
    ...[1, 7, 2001].flatMap((rows) => dynamicsRowCases({ spec, rows })),
    ...[1, 41].map((count) =>
      dynamicsRolloutKernelCase({ spec, count, horizon: 3, states: true, reward })
    ),
  ];
}

/** All of the above with layers and cells of one width. */
export const raggedCases = (hidden: number) => [
  ...raggedPolicies(hidden),
  ...raggedEncoders(hidden),
  ...raggedDynamics(hidden),
];
