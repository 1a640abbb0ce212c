/**
 * Every WGSL kernel against the float64 reference. Sizes are few, as a software adapter compiles
 * each new size for seconds; random sizes are small, so that they compile fast.
 */
import type { PolicySpec } from "../../src/compute/layout.ts";
import { ReferenceDevice } from "../../src/compute/reference/reference_device.ts";
import { GPU_PROFILE, SOFTWARE_PROFILE } from "../../src/compute/webgpu/profile.ts";
import {
  assertKernel,
  elementwiseCases,
  encoderCases,
  type EncoderSizes,
  type KernelCase,
  policyCases,
  randomCases,
} from "./compare.ts";
import { gpuTest, withGpu } from "./webgpu_support.ts";

const reference = new ReferenceDevice();
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

const WIDE = policyCases({
  spec: { ...small, obsDim: 17, actDim: 6, hiddenSizes: [200], film },
  counts: [20, 3],
  modulated: true,
});

const encoder = { inputDim: 7, cellSize: 64, mlpAfterGru: true, mlpAfterPool: true, outputDim: 9 };
const tiny = { ...encoder, inputDim: 3, cellSize: 5 };
const ENCODERS: readonly EncoderSizes[] = [
  { spec: encoder, slots: 20, steps: 12, paths: [20, 13] },
  { spec: { ...tiny, mlpAfterGru: false }, slots: 3, steps: 9, paths: [1, 2, 3] },
  { spec: { ...tiny, mlpAfterPool: false }, slots: 1, steps: 1, paths: [1] },
];

async function compareAll(
  cases: readonly KernelCase[],
  profile = SOFTWARE_PROFILE,
): Promise<void> {
  await withGpu(async (device) => {
    for (const kernelCase of cases) await assertKernel(device, reference, kernelCase);
  }, { profile });
}

gpuTest("element-wise kernels equal the reference", () => compareAll(elementwiseCases()));

gpuTest("policy kernels equal the reference on ragged tasks", () => compareAll(POLICIES));

gpuTest("policy kernels equal the reference with 200 units", () => compareAll(WIDE, GPU_PROFILE));

gpuTest("encoder kernels equal the reference", () => compareAll(ENCODERS.flatMap(encoderCases)));

gpuTest("kernels shaped for GPUs equal the reference", () =>
  compareAll([
    ...POLICIES.filter(({ name }) => !name.includes("64-64")),
    ...policyCases({ spec: point, counts: [70], modulated: true }),
    ...ENCODERS.slice(1).flatMap(encoderCases),
  ], GPU_PROFILE));

gpuTest("kernels equal the reference on random sizes", () => compareAll(randomCases(2, 7)));

gpuTest("kernels equal the reference where gradients do not fit into registers", () =>
  compareAll(
    [
      ...policyCases({ spec: { ...small, hiddenSizes: [9] }, counts: [40, 3], modulated: true }),
      ...encoderCases(ENCODERS[1]),
    ],
    { ...GPU_PROFILE, maxRegisterGradients: 0, maxPrivateGradients: 0 },
  ));
