/** The WGSL texts of all kernels for given networks, for reading and for WGSL checkers. */
import type { DynamicsSpec, EncoderSpec, PolicySpec } from "../layout.ts";
import type { StageReward } from "../../util/stage_reward.ts";
import { reduceRowsKernel } from "./chunks.ts";
import {
  denseBackwardKernel,
  denseForwardKernel,
  denseGradientKernel,
  poolBackwardKernel,
  poolKernel,
} from "./dense.ts";
import { dynamicsGradientKernel } from "./dynamics_gradient.ts";
import {
  packDynamics,
  packDynamicsKernel,
  packRollout,
  packRolloutKernel,
  unpackDynamicsKernel,
} from "./dynamics_packing.ts";
import { RolloutTile } from "./dynamics_rollout.ts";
import { dynamicsErrorsKernel, dynamicsForwardKernel, ERRORS_ROWS } from "./dynamics_rows.ts";
import { DynamicsTile, ROWS_WITH_SITUATIONS, type RowSource } from "./dynamics_tile.ts";
import { trainGradientKernel, trainTile, trainUpdateKernel } from "./dynamics_train.ts";
import {
  adamKernel,
  broadcastRowKernel,
  clearKernel,
  interpolateKernel,
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
export const DEFAULT_LIMITS: KernelLimits = {
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

/** A reward with every part, of the first column of a state. */
const REWARD: StageReward = {
  linear: [{ column: 0, weight: 1 }],
  proximity: { weight: 1, columns: [0], goal: [0] },
  penalty: { column: 0, below: 0, amount: 1 },
};

/** All kernels that a dynamics model needs. */
export function dumpDynamicsKernels(
  spec: DynamicsSpec,
  profile: TileProfile = GPU_PROFILE,
  limits: KernelLimits = DEFAULT_LIMITS,
): KernelDump[] {
  const packed = packDynamics(spec);
  const rollout = packRollout(spec);
  const tile = (source: RowSource, backward: boolean) =>
    new DynamicsTile({ packed, profile, limits, source, backward });
  const train = trainTile(packed, { profile, limits }, 32, true);
  return numbered([
    packDynamicsKernel(packed),
    dynamicsForwardKernel(tile(ROWS_WITH_SITUATIONS, false)),
    ...(spec.situations > 0 ? [dynamicsErrorsKernel(tile(ERRORS_ROWS, false))] : []),
    dynamicsGradientKernel(tile(ROWS_WITH_SITUATIONS, true)),
    unpackDynamicsKernel(packed, true),
    trainGradientKernel(train),
    trainUpdateKernel(packed, "sgd"),
    trainUpdateKernel(packed, "adam"),
    unpackDynamicsKernel(packed, false),
    packRolloutKernel(rollout),
    new RolloutTile({ packed: rollout, profile, limits, reward: REWARD, states: true }).kernel(),
  ]);
}

/**
 * All kernels that a policy (modulated where it has FiLM) and an encoder need, and those without
 * a network in them.
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
    interpolateKernel("other"),
    interpolateKernel("from"),
    interpolateKernel("to"),
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
  return numbered(kernels);
}

/** Texts by name; one name may stand for several kernels, which are numbered. */
function numbered(kernels: readonly Kernel[]): KernelDump[] {
  const counts = new Map<string, number>();
  return kernels.map(({ name, wgsl }) => {
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    return { name: count === 1 ? name : `${name}_${count}`, wgsl };
  });
}
