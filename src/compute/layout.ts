/**
 * Sizes of the networks and where each tensor lies in their flat parameter vectors. One table
 * serves the kernels of every backend, the optimiser, the checkpoint and the golden files.
 *
 * A dense layer computes `y = x W + b` with `W` [inputs, outputs], row-major.
 *
 * Axis letters, here and in all kernels: M tasks, S samples of all tasks together, N samples of
 * one task, O observation, A action, P policy parameters, D modulation, Q encoder parameters,
 * R sequences (M times slots), T steps of a sequence, I encoder input (O + A + 1), C GRU cells.
 *
 * Of the dynamics kernels: G situations, E embedding, X input, Y output, P parameters, N rows,
 * B rows of a minibatch, U updates (minibatches), L candidate sequences, H planning horizon,
 * Z state (= Y), A action (= X - Z).
 */

/** Nonlinearity of the policy's hidden layers. */
export type Activation = "tanh" | "relu";

/** How a modulation vector enters the hidden pre-activations u (FiLM). */
export interface FilmSpec {
  /** Per layer gamma and beta (2h numbers) instead of gamma alone (h numbers). */
  readonly useBetas: boolean;
  /** `u * (gamma + 1)` instead of `u * gamma`. */
  readonly shiftGammas: boolean;
}

/** Gaussian policy: MLP to the mean, one log standard deviation per action dimension. */
export interface PolicySpec {
  /** O */
  readonly obsDim: number;
  /** A */
  readonly actDim: number;
  /** Widths of the hidden layers, 0 to 4 of them (none: a linear policy). */
  readonly hiddenSizes: readonly number[];
  /** Nonlinearity of the hidden layers. */
  readonly activation: Activation;
  /** false: log_std is a constant, its gradient is 0. */
  readonly learnStd: boolean;
  /** `null`: the policy is never modulated. */
  readonly film: FilmSpec | null;
}

/** Task encoder: GRU over sequences, dense layers, mean over a task's sequences, dense layers. */
export interface EncoderSpec {
  /** Observation, action and reward of one step: O + A + 1. */
  readonly inputDim: number;
  /** C */
  readonly cellSize: number;
  /** Two dense layers between GRU and pooling. */
  readonly mlpAfterGru: boolean;
  /** Two dense layers between pooling and modulation. */
  readonly mlpAfterPool: boolean;
  /** Size of the modulation vector, D. */
  readonly outputDim: number;
}

/** Dynamics model with situation embeddings (FAMLE): MLP on the input and the embedding. */
export interface DynamicsSpec {
  /** X: state and action. */
  readonly inputDim: number;
  /** Y: change of the state. */
  readonly outputDim: number;
  /** G, 0 for a model without embeddings. */
  readonly situations: number;
  /** E, 0 for a model without embeddings. */
  readonly embeddingDim: number;
  /** Widths of the hidden layers, 1 to 4 of them. */
  readonly hiddenSizes: readonly number[];
  /** Nonlinearity of the hidden layers. */
  readonly activation: Activation;
  /** Output `tanh(u) * outputLimit`; `null`: linear. */
  readonly outputLimit: number | null;
}

/** One named tensor inside of a flat parameter vector. */
export interface LayoutEntry {
  /** Name within the network, e.g. `W0`. */
  readonly name: string;
  /** Extent of every axis. */
  readonly shape: readonly number[];
  /** Index of the first element. */
  readonly offset: number;
  /** Number of elements. */
  readonly size: number;
}

/** Table of all tensors of a network, in the order in which they lie in memory, gap-free. */
export interface Layout {
  /** In the order of memory. */
  readonly entries: readonly LayoutEntry[];
  /** Number of parameters. */
  readonly size: number;
}

/** Largest number of hidden layers that the kernels are written for. */
export const MAX_HIDDEN_LAYERS = 4;

function layoutOf(shapes: readonly (readonly [string, readonly number[]])[]): Layout {
  const entries: LayoutEntry[] = [];
  let offset = 0;
  for (const [name, shape] of shapes) {
    const size = shape.reduce((product, extent) => product * extent, 1);
    entries.push({ name, shape, offset, size });
    offset += size;
  }
  return { entries, size: offset };
}

/** Widths of all layers from observation to mean: `[O, h1, ..., hL, A]`. */
export function layerWidths(spec: PolicySpec): number[] {
  return [spec.obsDim, ...spec.hiddenSizes, spec.actDim];
}

/** `W0, b0, W1, b1, ..., log_std`: the tensors of a policy, P numbers. */
export function policyLayout(spec: PolicySpec): Layout {
  const widths = layerWidths(spec);
  const shapes: [string, number[]][] = [];
  for (let layer = 0; layer + 1 < widths.length; layer++) {
    shapes.push([`W${layer}`, [widths[layer], widths[layer + 1]]]);
    shapes.push([`b${layer}`, [widths[layer + 1]]]);
  }
  shapes.push(["log_std", [spec.actDim]]);
  return layoutOf(shapes);
}

/**
 * Modulation vector: per hidden layer in order `gamma` and, with `useBetas`, `beta` behind it.
 * Size 0 for a policy without FiLM.
 */
export function modulationLayout(spec: PolicySpec): Layout {
  const shapes: [string, number[]][] = [];
  if (spec.film !== null) {
    spec.hiddenSizes.forEach((width, layer) => {
      shapes.push([`gamma${layer}`, [width]]);
      if (spec.film!.useBetas) shapes.push([`beta${layer}`, [width]]);
    });
  }
  return layoutOf(shapes);
}

/** Widths of all layers of a dynamics model: `[X + E, h1, ..., hL, Y]`. */
export function dynamicsWidths(spec: DynamicsSpec): number[] {
  return [spec.inputDim + spec.embeddingDim, ...spec.hiddenSizes, spec.outputDim];
}

/** `embeddings [G,E], W0 [X+E,h1], b0, W1, b1, ...`: the tensors of a dynamics model, P numbers. */
export function dynamicsLayout(spec: DynamicsSpec): Layout {
  const widths = dynamicsWidths(spec);
  const shapes: [string, number[]][] = [["embeddings", [spec.situations, spec.embeddingDim]]];
  for (let layer = 0; layer + 1 < widths.length; layer++) {
    shapes.push([`W${layer}`, [widths[layer], widths[layer + 1]]]);
    shapes.push([`b${layer}`, [widths[layer + 1]]]);
  }
  return layoutOf(shapes);
}

/** Encoder tensors, Q numbers; GRU columns are update z, reset r, candidate c. */
export function encoderLayout(spec: EncoderSpec): Layout {
  const { inputDim: i, cellSize: c, outputDim: d } = spec;
  const shapes: [string, number[]][] = [
    ["gru_kernel", [i, 3 * c]],
    ["gru_recurrent", [c, 3 * c]],
    ["gru_bias", [3 * c]],
  ];
  const mlp = (prefix: string) => {
    for (const layer of [0, 1]) {
      shapes.push([`${prefix}_mlp${layer}_W`, [c, c]], [`${prefix}_mlp${layer}_b`, [c]]);
    }
  };
  if (spec.mlpAfterGru) mlp("gru");
  if (spec.mlpAfterPool) mlp("pool");
  shapes.push(["out_W", [c, d]], ["out_b", [d]]);
  return layoutOf(shapes);
}
