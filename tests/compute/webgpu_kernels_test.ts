/**
 * Every WGSL kernel, shaped for software adapters, against the float64 reference. Sizes are few,
 * as such an adapter compiles each new size for seconds.
 */
import type { PolicySpec } from "../../src/compute/layout.ts";
import {
  elementwiseCases,
  encoderCases,
  type EncoderSizes,
  type KernelCase,
  policyCases,
  randomCases,
} from "./compare.ts";
import { compareOnGpu, gpuTest } from "./webgpu_support.ts";

const film = { useBetas: true, shiftGammas: true };
const small: PolicySpec = {
  obsDim: 3,
  actDim: 2,
  hiddenSizes: [5],
  activation: "tanh",
  learnStd: true,
  film,
};
const point: PolicySpec = {
  ...small,
  obsDim: 4,
  hiddenSizes: [64, 64],
  film: { useBetas: false, shiftGammas: true },
};

/** Sizes at the borders of tiles (4, 8, 32 samples), vec4 padding, empty tasks and many tasks. */
const POLICIES: readonly KernelCase[] = [
  ...policyCases(
    { spec: { ...small, hiddenSizes: [1] }, counts: [7], modulated: true },
    { clipEps: 0.1 },
  ),
  ...policyCases(
    {
      spec: { ...small, film: { useBetas: false, shiftGammas: false } },
      counts: Array.from({ length: 41 }, (_, m) => [1, 7, 33, 0, 64][m % 5]),
      modulated: true,
    },
    { minLogStd: -0.5 },
  ),
  ...policyCases({ spec: { ...small, hiddenSizes: [] }, counts: [2001, 1], modulated: true }),
  ...policyCases({ spec: small, counts: [2001, 0, 1], modulated: false }),
  ...policyCases({
    spec: { ...small, hiddenSizes: [3, 9, 6, 12], activation: "relu", learnStd: false },
    counts: [31, 33],
    modulated: true,
  }, { clipEps: 0.2, minLogStd: -0.5 }),
  ...policyCases({ spec: point, counts: [101, 1, 32], modulated: true }, { clipEps: 0.1 }),
];

const encoder = { inputDim: 7, cellSize: 64, mlpAfterGru: true, mlpAfterPool: true, outputDim: 9 };
const tiny = { ...encoder, inputDim: 3, cellSize: 5 };
const ENCODERS: readonly EncoderSizes[] = [
  { spec: encoder, slots: 20, steps: 12, paths: [20, 13] },
  { spec: { ...tiny, mlpAfterGru: false }, slots: 3, steps: 9, paths: [1, 2, 3] },
  { spec: { ...tiny, mlpAfterPool: false }, slots: 1, steps: 1, paths: [1] },
];

gpuTest("element-wise kernels equal the reference", () => compareOnGpu(elementwiseCases()));

gpuTest("policy kernels equal the reference on ragged tasks", () => compareOnGpu(POLICIES));

gpuTest("encoder kernels equal the reference", () => compareOnGpu(ENCODERS.flatMap(encoderCases)));

gpuTest("kernels equal the reference on random sizes", () => compareOnGpu(randomCases(1, 7)));
