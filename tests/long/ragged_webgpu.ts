/**
 * All WGSL kernels in both shapes, for software adapters and for GPUs, at all ragged sizes, against
 * the float64 reference: tests/compute/ragged_test.ts, complete.
 */
import { GPU_PROFILE, SOFTWARE_PROFILE } from "../../src/compute/webgpu/profile.ts";
import { elementwiseCases } from "../compute/compare.ts";
import { HIDDEN, raggedCases } from "../compute/ragged_cases.ts";
import { compareOnGpu, gpuTest } from "../compute/webgpu_support.ts";

for (const profile of [SOFTWARE_PROFILE, GPU_PROFILE]) {
  gpuTest(
    `kernels shaped for ${profile.name} adapters equal the reference at all ragged sizes`,
    () => compareOnGpu([...HIDDEN.flatMap(raggedCases), ...elementwiseCases()], profile),
  );
}
