/**
 * WGSL kernels in the shapes that software adapters do not get by themselves: for GPUs, for wide
 * layers, for gradients in registers, in indexed arrays and in the result buffer, and for columns
 * held by other numbers of threads.
 */
import type { PolicySpec } from "../../src/compute/layout.ts";
import { GPU_PROFILE } from "../../src/compute/webgpu/profile.ts";
import { encoderCases, policyCases } from "./compare.ts";
import { compareOnGpu, gpuTest } from "./webgpu_support.ts";

const small: PolicySpec = {
  obsDim: 3,
  actDim: 2,
  hiddenSizes: [9],
  activation: "tanh",
  learnStd: true,
  film: { useBetas: true, shiftGammas: true },
};
const encoder = { inputDim: 3, cellSize: 5, mlpAfterGru: false, mlpAfterPool: true, outputDim: 9 };
const SMALL = [
  ...policyCases({ spec: small, counts: [40, 3, 0], modulated: true }, { clipEps: 0.1 }),
  ...encoderCases({ spec: encoder, slots: 3, steps: 9, paths: [1, 2, 3] }),
];

gpuTest("kernels shaped for GPUs equal the reference", () =>
  compareOnGpu([
    ...SMALL,
    ...policyCases({
      spec: { ...small, obsDim: 4, hiddenSizes: [64, 64] },
      counts: [70],
      modulated: true,
    }),
  ], GPU_PROFILE));

// 12 columns (9 units, padded) are 3 blocks: shared by 21 threads each, by 2, and one after the other
for (const [workgroupSize, tileSizes] of [[64, [32]], [8, [8]], [2, [16]]] as const) {
  gpuTest(
    `kernels equal the reference with columns held by ${workgroupSize} threads`,
    () => compareOnGpu(SMALL, { ...GPU_PROFILE, heldColumns: 8, workgroupSize, tileSizes }),
  );
}

gpuTest("kernels of 200 units equal the reference", () =>
  compareOnGpu(
    policyCases({
      spec: { ...small, obsDim: 17, actDim: 6, hiddenSizes: [200] },
      counts: [20, 3],
      modulated: true,
    }),
    GPU_PROFILE,
  ));

gpuTest(
  "kernels equal the reference with gradients in an indexed array",
  () => compareOnGpu(SMALL, { ...GPU_PROFILE, maxRegisterGradients: 0 }),
);

gpuTest(
  "kernels equal the reference with gradients in the result buffer",
  () => compareOnGpu(SMALL, { ...GPU_PROFILE, maxRegisterGradients: 0, maxPrivateGradients: 0 }),
);
