/**
 * Every variant of the kernels that can be chosen, at sizes that fit no tile, against the float64
 * reference: the cpu backend with and without relaxed SIMD and on one and two threads, WGSL shaped
 * for software adapters and for GPUs. An adapter that is software takes a minute of processor time
 * to compile all of the latter, so here are the policies and one width of the other networks;
 * tests/long/ragged_webgpu.ts has all widths.
 */
import type { SimdLevel } from "../../src/compute/cpu/kernel_module.ts";
import { GPU_PROFILE, SOFTWARE_PROFILE } from "../../src/compute/webgpu/profile.ts";
import { lacks } from "../permissions.ts";
import { elementwiseCases } from "./compare.ts";
import { assertKernels, withDevice } from "./cpu_support.ts";
import { HIDDEN, raggedCases, raggedPolicies } from "./ragged_cases.ts";
import { compareOnGpu, gpuTest } from "./webgpu_support.ts";

for (const simd of ["relaxed", "plain"] satisfies SimdLevel[]) {
  for (const threads of [1, 2]) {
    Deno.test({
      name: `cpu (${simd}, ${threads} threads) equals the reference at ragged sizes`,
      ignore: threads > 1 && lacks("read"),
      fn: () =>
        withDevice(
          { threads, simd },
          (device) =>
            assertKernels(device, [...HIDDEN.flatMap(raggedCases), ...elementwiseCases()]),
        ),
    });
  }
}

for (const profile of [SOFTWARE_PROFILE, GPU_PROFILE]) {
  gpuTest(
    `kernels shaped for ${profile.name} adapters equal the reference at ragged sizes`,
    () => {
      const policies = HIDDEN.filter((hidden) => hidden !== 5).flatMap(raggedPolicies);
      return compareOnGpu([...raggedCases(5), ...policies], profile);
    },
  );
}
