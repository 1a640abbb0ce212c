/**
 * The state of a training run between iterations, and its form in a checkpoint: one tensor per
 * entry of the layouts, `policy.W0`, `adam.m.encoder.gru_kernel` and so on.
 */
import type { MetaObjective, MetaObjectiveSpec, MetaParams } from "../algos/meta_objective.ts";
import { encoderLayout, type Layout, policyLayout } from "../compute/layout.ts";
import { type Checkpoint, type NamedTensor, tensorOf } from "../run/checkpoint.ts";
import { UserError } from "../util/errors.ts";
import { checkMoments, checkParams, type GuardState, NEW_GUARD } from "./divergence.ts";

/** What the outer steps change. */
export interface LearnedState {
  readonly params: MetaParams;
  readonly moments: { readonly m: MetaParams; readonly v: MetaParams };
  /** Outer steps taken. */
  readonly outerSteps: number;
}

/** Everything that the next iteration depends on. */
export interface MetaState extends LearnedState {
  /** Iterations done. */
  readonly iteration: number;
  readonly environmentSteps: number;
  /** [K] weight of the inner KL penalty */
  readonly klCoeff: readonly number[];
  readonly guard: GuardState;
  /** What the best moving average of the return was reached with; `null`: not kept. */
  readonly best: LearnedState | null;
}

/** Layouts of the parameter vectors that a spec has. */
export function layouts(spec: MetaObjectiveSpec): ["policy" | "encoder", Layout][] {
  const found: ["policy" | "encoder", Layout][] = [["policy", policyLayout(spec.policy)]];
  if (spec.encoder !== null) found.push(["encoder", encoderLayout(spec.encoder)]);
  return found;
}

const VECTORS = ["", "adam.m.", "adam.v."] as const;

/** In front of the names of the tensors and counters of {@link MetaState.best}. */
const BEST = "best.";

const INNER_LR_SCALE = "inner_lr_scale";

/** Counters of the guard. */
const GUARD_COUNTERS = {
  [INNER_LR_SCALE]: (guard) => guard.innerLrScale,
  outer_lr_scale: (guard) => guard.outerLrScale,
  divergences_in_a_row: (guard) => guard.eventsInARow,
  returns_counted: (guard) => guard.returns.count,
  average_return: (guard) => guard.returns.average,
  first_average_return: (guard) => guard.returns.first,
  best_average_return: (guard) => guard.returns.best,
} satisfies Record<string, (guard: GuardState) => number>;

/** Tensors of a learned state. */
function tensorsOf(
  { params, moments }: LearnedState,
  spec: MetaObjectiveSpec,
  start: string,
): NamedTensor[] {
  const vectors = { "": params, "adam.m.": moments.m, "adam.v.": moments.v };
  const tensors: NamedTensor[] = [];
  for (const prefix of VECTORS) {
    for (const [network, layout] of layouts(spec)) {
      const flat = Float32Array.from(vectors[prefix][network]!);
      for (const { name, shape, offset, size } of layout.entries) {
        const data = flat.subarray(offset, offset + size);
        tensors.push({ name: `${start}${prefix}${network}.${name}`, shape, data });
      }
    }
  }
  return tensors;
}

/** The state as a checkpoint. */
export function toCheckpoint(
  state: MetaState,
  spec: MetaObjectiveSpec,
  algorithm: string,
  config: Checkpoint["config"],
): Checkpoint {
  const { guard, best } = state;
  const counters = Object.entries(GUARD_COUNTERS).map(([name, of]) => [name, of(guard)]);
  return {
    algorithm,
    iteration: state.iteration,
    counters: {
      outer_steps: state.outerSteps,
      environment_steps: state.environmentSteps,
      ...Object.fromEntries(state.klCoeff.map((c, k) => [`inner_kl_coeff_${k}`, c])),
      ...Object.fromEntries(counters),
      ...best === null ? {} : { [`${BEST}outer_steps`]: best.outerSteps },
    },
    config,
    tensors: [
      ...tensorsOf(state, spec, ""),
      ...best === null ? [] : tensorsOf(best, spec, BEST),
    ],
  };
}

/** One parameter vector out of a checkpoint's named tensors. */
function readVector(checkpoint: Checkpoint, prefix: string, spec: MetaObjectiveSpec): MetaParams {
  const params: { policy: Float32Array; encoder: Float32Array | null } = {
    policy: new Float32Array(0),
    encoder: null,
  };
  for (const [network, layout] of layouts(spec)) {
    // found before room is made for them: stated sizes may be any
    const tensors = layout.entries.map(({ name, shape }) =>
      tensorOf(checkpoint, `${prefix}${network}.${name}`, shape)
    );
    const flat = new Float32Array(layout.size);
    layout.entries.forEach(({ offset }, i) => flat.set(tensors[i], offset));
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

/** Factor on `inner_lr` that training had come to (docs/runs.md, "When a run diverges"). */
export function innerLrScaleOf({ counters }: Checkpoint): number {
  return counters[INNER_LR_SCALE] ?? NEW_GUARD.innerLrScale;
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
  const learned = (start: string): LearnedState => ({
    params: readVector(checkpoint, start, spec),
    moments: {
      m: readVector(checkpoint, `${start}adam.m.`, spec),
      v: readVector(checkpoint, `${start}adam.v.`, spec),
    },
    outerSteps: counter(`${start}outer_steps`),
  });
  // checkpoints of early versions have no guard
  const guarded = (name: keyof typeof GUARD_COUNTERS) =>
    checkpoint.counters[name] ?? GUARD_COUNTERS[name](NEW_GUARD);
  return {
    iteration: checkpoint.iteration,
    ...learned(""),
    environmentSteps: counter("environment_steps"),
    klCoeff: Array.from(
      { length: spec.innerSteps },
      (_, k) => counter(`inner_kl_coeff_${k}`),
    ),
    guard: {
      innerLrScale: guarded(INNER_LR_SCALE),
      outerLrScale: guarded("outer_lr_scale"),
      eventsInARow: guarded("divergences_in_a_row"),
      returns: {
        count: guarded("returns_counted"),
        average: guarded("average_return"),
        first: guarded("first_average_return"),
        best: guarded("best_average_return"),
      },
    },
    best: checkpoint.counters[`${BEST}outer_steps`] === undefined ? null : learned(BEST),
  };
}

/**
 * Reads the state that the objective holds on its device.
 * @throws Divergence where a moment or a parameter is not finite
 */
export async function captureState(
  objective: MetaObjective,
  rest: Omit<MetaState, "params" | "moments">,
): Promise<MetaState> {
  const state = { ...rest, params: await objective.params(), moments: await objective.moments() };
  const networks = layouts(objective.spec);
  checkMoments(state.moments, networks, rest.iteration - 1);
  checkParams(state.params, networks, rest.iteration - 1);
  return state;
}
