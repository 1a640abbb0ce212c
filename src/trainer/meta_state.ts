/**
 * The state of a training run between iterations, and its form in a checkpoint: one tensor per
 * entry of the layouts, `policy.W0`, `adam.m.encoder.gru_kernel` and so on.
 */
import type { MetaObjective, MetaObjectiveSpec, MetaParams } from "../algos/meta_objective.ts";
import { encoderLayout, type Layout, policyLayout } from "../compute/layout.ts";
import { type Checkpoint, type NamedTensor, tensorOf } from "../run/checkpoint.ts";
import { RunError, UserError } from "../util/errors.ts";

/** Everything that the next iteration depends on. */
export interface MetaState {
  /** Iterations done. */
  readonly iteration: number;
  readonly params: MetaParams;
  readonly moments: { readonly m: MetaParams; readonly v: MetaParams };
  /** Outer steps taken. */
  readonly outerSteps: number;
  readonly environmentSteps: number;
  /** [K] weight of the inner KL penalty */
  readonly klCoeff: readonly number[];
}

/** Layouts of the parameter vectors that a spec has. */
function layouts(spec: MetaObjectiveSpec): ["policy" | "encoder", Layout][] {
  const found: ["policy" | "encoder", Layout][] = [["policy", policyLayout(spec.policy)]];
  if (spec.encoder !== null) found.push(["encoder", encoderLayout(spec.encoder)]);
  return found;
}

const VECTORS = ["", "adam.m.", "adam.v."] as const;

/** The state as a checkpoint. */
export function toCheckpoint(
  state: MetaState,
  spec: MetaObjectiveSpec,
  algorithm: string,
  config: Checkpoint["config"],
): Checkpoint {
  const vectors = { "": state.params, "adam.m.": state.moments.m, "adam.v.": state.moments.v };
  const tensors: NamedTensor[] = [];
  for (const prefix of VECTORS) {
    for (const [network, layout] of layouts(spec)) {
      const flat = Float32Array.from(vectors[prefix][network]!);
      for (const { name, shape, offset, size } of layout.entries) {
        const data = flat.subarray(offset, offset + size);
        tensors.push({ name: `${prefix}${network}.${name}`, shape, data });
      }
    }
  }
  return {
    algorithm,
    iteration: state.iteration,
    counters: {
      outer_steps: state.outerSteps,
      environment_steps: state.environmentSteps,
      ...Object.fromEntries(state.klCoeff.map((c, k) => [`inner_kl_coeff_${k}`, c])),
    },
    config,
    tensors,
  };
}

/** One parameter vector out of a checkpoint's named tensors. */
function readVector(checkpoint: Checkpoint, prefix: string, spec: MetaObjectiveSpec): MetaParams {
  const params: { policy: Float32Array; encoder: Float32Array | null } = {
    policy: new Float32Array(0),
    encoder: null,
  };
  for (const [network, layout] of layouts(spec)) {
    const flat = new Float32Array(layout.size);
    for (const { name, shape, offset } of layout.entries) {
      flat.set(tensorOf(checkpoint, `${prefix}${network}.${name}`, shape), offset);
    }
    params[network] = flat;
  }
  return params;
}

/**
 * Parameters out of a checkpoint, to start from.
 * @throws UserError `checkpoint-mismatch` where a tensor is missing or of another shape
 */
export function paramsOf(checkpoint: Checkpoint, spec: MetaObjectiveSpec): MetaParams {
  return readVector(checkpoint, "", spec);
}

/**
 * The state in a checkpoint, to go on from.
 * @throws UserError `checkpoint-mismatch` where something is missing or of another size
 */
export function fromCheckpoint(checkpoint: Checkpoint, spec: MetaObjectiveSpec): MetaState {
  const counter = (name: string): number => {
    const value = checkpoint.counters[name];
    if (value === undefined) {
      throw new UserError("checkpoint-mismatch", `the checkpoint has no counter "${name}"`);
    }
    return value;
  };
  return {
    iteration: checkpoint.iteration,
    params: paramsOf(checkpoint, spec),
    moments: {
      m: readVector(checkpoint, "adam.m.", spec),
      v: readVector(checkpoint, "adam.v.", spec),
    },
    outerSteps: counter("outer_steps"),
    environmentSteps: counter("environment_steps"),
    klCoeff: Array.from(
      { length: spec.innerSteps },
      (_, k) => counter(`inner_kl_coeff_${k}`),
    ),
  };
}

/** Reads the state that the objective holds on its device. */
export async function captureState(
  objective: MetaObjective,
  rest: Omit<MetaState, "params" | "moments">,
): Promise<MetaState> {
  const state = { ...rest, params: await objective.params(), moments: await objective.moments() };
  for (const [network, layout] of layouts(objective.spec)) {
    const flat = state.params[network]!;
    const bad = flat.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      const entry = layout.entries.find(({ offset, size }) => bad < offset + size)!;
      throw new RunError(
        "not-finite",
        `Parameter ${network}.${entry.name} is ${flat[bad]} after iteration ` +
          `${rest.iteration - 1}; lower learning_rate or inner_lr`,
      );
    }
  }
  return state;
}
