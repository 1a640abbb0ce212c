/** The WGSL texts of all kernels for given networks, for reading and for WGSL checkers. */
import type { EncoderSpec, PolicySpec } from "../layout.ts";
import { reduceRowsKernel } from "./chunks.ts";
import {
  denseBackwardKernel,
  denseForwardKernel,
  denseGradientKernel,
  poolBackwardKernel,
  poolKernel,
} from "./dense.ts";
import {
  adamKernel,
  broadcastRowKernel,
  clearKernel,
  sgdStepKernel,
  sumRowsKernel,
} from "./elementwise.ts";
import { packGru, packGruKernel, unpackGruKernel } from "./encoder_packing.ts";
import { gruBackwardKernel, gruForwardKernel, gruGradientKernel, gruTile } from "./gru.ts";
import { innerStepPullbackKernel } from "./inner_step_pullback.ts";
import type { Kernel, KernelLimits } from "./kernel.ts";
import { loopProbeKernel } from "./loop_probe.ts";
import { policyForwardKernel } from "./policy_forward.ts";
import { packKernel, packPolicy, unpackKernel } from "./policy_packing.ts";
import { PolicyTile } from "./policy_tile.ts";
import { GPU_PROFILE, type TileProfile } from "./profile.ts";
import { surrogateGradientKernel } from "./surrogate_gradient.ts";

/** Limits that every WebGPU device has. */
const DEFAULT_LIMITS: KernelLimits = {
  workgroupBytes: 16384,
  uniformBytes: 65536,
  storageBytes: 2 ** 27,
  loopIterations: Infinity,
};

/** One kernel's text. */
export interface KernelDump {
  readonly name: string;
  readonly wgsl: string;
}

/**
 * All kernels that a policy (modulated where it has FiLM) and an encoder need.
 * @param encoder `null` where there is none
 * @param profile shape of the kernels
 * @param limits what the kernels may use of the device
 */
export function dumpKernels(
  policy: PolicySpec,
  encoder: EncoderSpec | null,
  profile: TileProfile = GPU_PROFILE,
  limits: KernelLimits = DEFAULT_LIMITS,
): KernelDump[] {
  const packed = packPolicy(policy);
  const modulated = policy.film !== null;
  const tile = (backward: boolean, tangent: boolean) =>
    new PolicyTile({ packed, profile, limits, tangent, cross: tangent && modulated, backward });
  const kernels: Kernel[] = [
    packKernel(packed, modulated, false),
    policyForwardKernel(tile(false, false)),
    surrogateGradientKernel(tile(true, false)),
    unpackKernel(packed, { modulated, mode: "gradient", gradModulation: modulated }),
    packKernel(packed, modulated, true),
    innerStepPullbackKernel(tile(true, true)),
    unpackKernel(packed, { modulated, mode: "pullback", gradModulation: modulated }),
    reduceRowsKernel(),
    broadcastRowKernel(),
    sgdStepKernel(false),
    sgdStepKernel(true),
    sumRowsKernel(),
    clearKernel(),
    adamKernel(),
    loopProbeKernel(),
  ];
  if (encoder !== null) {
    const gruPacked = packGru(encoder);
    const gru = gruTile(gruPacked, profile, limits);
    kernels.push(
      packGruKernel(gruPacked),
      gruForwardKernel(gru, false),
      gruForwardKernel(gru, true),
      gruBackwardKernel(gru),
      gruGradientKernel(gru),
      unpackGruKernel(gruPacked),
      denseForwardKernel(true),
      denseForwardKernel(false),
      poolKernel(),
      poolBackwardKernel(),
      denseGradientKernel(),
      denseBackwardKernel(true),
      denseBackwardKernel(false),
    );
  }
  // one name may stand for several kernels: number them
  const counts = new Map<string, number>();
  return kernels.map(({ name, wgsl }) => {
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    return { name: count === 1 ? name : `${name}_${count}`, wgsl };
  });
}
