/**
 * The kernel table: every operation's name and contract. Each backend implements all of them
 * (`reference/` in float64, `cpu/` in SIMD WASM, `webgpu/` in WGSL), so this file is what a
 * caller reads and what the tests hold the backends against.
 *
 * A command is data: it names a kernel, its tensors and its scalars. A device runs a list of
 * commands in order; a later command sees what an earlier one wrote. Unless stated otherwise a
 * kernel OVERWRITES its outputs, and an output must not be one of the inputs.
 *
 * Axis letters are those of `layout.ts`. Samples of task m are rows `offsets[m] .. offsets[m+1]`
 * of the arrays over S; tasks may have different numbers of samples. Formulas: golden README
 * ("Diagonal Gaussian", "Task encoder", "Modulated policy", "Meta-objective", "FAMLE").
 */
import type { StageReward } from "../util/stage_reward.ts";
import type { Tensor } from "./device.ts";
import type { DynamicsSpec, EncoderSpec, PolicySpec } from "./layout.ts";

/** Samples of all tasks of one adaptation step, on a device. */
export interface SampleTensors {
  /** [S, O] */
  readonly obs: Tensor;
  /** [S, A] raw policy actions */
  readonly actions: Tensor;
  /** [S] */
  readonly advantages: Tensor;
  /** [S, A] mean of the distribution that drew the action */
  readonly oldMean: Tensor;
  /** [S, A] its log standard deviation */
  readonly oldLogStd: Tensor;
  /** [M+1] u32, first sample of each task, then S */
  readonly offsets: Tensor;
  /** Largest number of samples of any task (sizes the dispatch). */
  readonly maxSamplesPerTask: number;
}

/** Which network and with what parameters, one set per task. */
export interface PolicyArgs {
  /** Sizes of the network. */
  readonly spec: PolicySpec;
  /** [M, P] */
  readonly params: Tensor;
  /** [M, D], or `null`: the plain network, also where `spec.film` is set */
  readonly modulation: Tensor | null;
}

/** mean[s,:] = MLP(params[m], modulation[m])(obs[s,:]) for the task m of sample s. */
export interface PolicyForward extends PolicyArgs {
  /** Name of the kernel. */
  readonly kernel: "policy_forward";
  /** [S, O] */
  readonly obs: Tensor;
  /** [M+1] u32 */
  readonly offsets: Tensor;
  /** Largest number of samples of any task (sizes the dispatch). */
  readonly maxSamplesPerTask: number;
  /** out [S, A] */
  readonly mean: Tensor;
}

/**
 * Per task: loss = -mean_n(ratio * adv), or with `clipEps` the clipped form
 * -mean_n(min(ratio * adv, clamp(ratio, 1 - eps, 1 + eps) * adv)), and its gradient.
 * log std = max(log_std, minLogStd), gradient 0 below the floor; `minLogStd: null` means no floor.
 * The mean KL(old || current) is reported, it does not enter the gradient.
 */
export interface SurrogateGradient extends PolicyArgs {
  /** Name of the kernel. */
  readonly kernel: "surrogate_gradient";
  /** What the surrogate is taken on. */
  readonly samples: SampleTensors;
  /** Half width of the clip range; `null`: not clipped. */
  readonly clipEps: number | null;
  /** Floor of log_std; `null`: none. */
  readonly minLogStd: number | null;
  /** out [M, P] d loss / d params */
  readonly gradParams: Tensor;
  /** out [M, D] d loss / d modulation; `null` where not wanted or not modulated */
  readonly gradModulation: Tensor | null;
  /** out [M, 2] loss, mean KL(old || current) */
  readonly stats: Tensor;
}

/**
 * Pulls the adjoint of theta' = theta - innerLr * dS/dtheta(theta, gamma) back through the step
 * and adds the gradient of the step's KL penalty, klScale * mean KL(old || current):
 *
 *     adjointOut      =  v - innerLr * H v + klScale * dKL/dtheta
 *     gradModulation += -innerLr * d/de dS/dgamma(theta + e v, gamma) + klScale * dKL/dgamma
 *
 * with v = adjointIn, H the Hessian of the (unclipped) surrogate S. H v and the cross derivative
 * come from Pearlmutter's R-operator: forward and its tangent, then both backward passes.
 */
export interface InnerStepPullback extends PolicyArgs {
  /** Name of the kernel. */
  readonly kernel: "inner_step_pullback";
  /** What the surrogate is taken on. */
  readonly samples: SampleTensors;
  /** Floor of log_std; `null`: none. */
  readonly minLogStd: number | null;
  /** Step size of the inner step. */
  readonly innerLr: number;
  /** Weight of the mean KL. */
  readonly klScale: number;
  /** [M, P] */
  readonly adjointIn: Tensor;
  /** out [M, P] */
  readonly adjointOut: Tensor;
  /** ACCUMULATES [M, D]; `null` where `modulation` is */
  readonly gradModulation: Tensor | null;
}

/** What both encoder kernels read. */
export interface EncoderArgs {
  /** Sizes of the network. */
  readonly spec: EncoderSpec;
  /** [Q] shared by all tasks */
  readonly params: Tensor;
  /** [R, T, I], R = M * slots, rows of padding zero; sequence r belongs to task r / slots */
  readonly sequences: Tensor;
  /** Sequences per task, all-zero ones included. */
  readonly slots: number;
  /** [M] u32 true number of paths, the divisor of the pooling */
  readonly numPaths: Tensor;
}

/** GRU (hard sigmoid gates, reset before the product), dense layers, pooling, modulation. */
export interface EncoderForward extends EncoderArgs {
  /** Name of the kernel. */
  readonly kernel: "encoder_forward";
  /** out [R, C] last GRU state */
  readonly lastState: Tensor;
  /** out [M, C] */
  readonly taskEmbedding: Tensor;
  /** out [M, D] */
  readonly modulation: Tensor;
}

/** gradParams = scale * d(sum(modulation * gradModulation)) / d params; recomputes the forward. */
export interface EncoderBackward extends EncoderArgs {
  /** Name of the kernel. */
  readonly kernel: "encoder_backward";
  /** [M, D] */
  readonly gradModulation: Tensor;
  /** Factor of the result. */
  readonly scale: number;
  /** out [Q] */
  readonly gradParams: Tensor;
}

/** out[m,:] = row for every m. */
export interface BroadcastRow {
  /** Name of the kernel. */
  readonly kernel: "broadcast_row";
  /** [P] */
  readonly row: Tensor;
  /** out [M, P] */
  readonly out: Tensor;
}

/** out = params - lr * grad; `out` may be `params`. */
export interface SgdStep {
  /** Name of the kernel. */
  readonly kernel: "sgd_step";
  /** [...] */
  readonly params: Tensor;
  /** Of the shape of `params`. */
  readonly grad: Tensor;
  /** Step size. */
  readonly lr: number;
  /** out, of the shape of what it is made from */
  readonly out: Tensor;
}

/** out[p] = scale * sum_m rows[m,p], summed in the order of m. */
export interface SumRows {
  /** Name of the kernel. */
  readonly kernel: "sum_rows";
  /** [M, P] */
  readonly rows: Tensor;
  /** Factor of the result. */
  readonly scale: number;
  /** out [P] */
  readonly out: Tensor;
}

/** tensor = 0 (f32). */
export interface Clear {
  /** Name of the kernel. */
  readonly kernel: "clear";
  /** out, of the shape of what it is made from */
  readonly out: Tensor;
}

/** Where epsilon stands: outside of the bias correction (TensorFlow) or inside (PyTorch). */
export type AdamFlavour = "tensorflow" | "pytorch";

/** One Adam step; UPDATES params, m and v in place. `step` counts from 1. */
export interface Adam {
  /** Name of the kernel. */
  readonly kernel: "adam";
  /** [P], in and out */
  readonly params: Tensor;
  /** [P] */
  readonly grad: Tensor;
  /** [P] first moment, in and out */
  readonly m: Tensor;
  /** [P] second moment, in and out */
  readonly v: Tensor;
  /** Step size. */
  readonly lr: number;
  /** Decay of the first moment. */
  readonly beta1: number;
  /** Decay of the second moment. */
  readonly beta2: number;
  /** Keeps the quotient finite. */
  readonly epsilon: number;
  /** Number of this step, from 1. */
  readonly step: number;
  /** Where epsilon stands. */
  readonly flavour: AdamFlavour;
}

/** out = from + (to - from) * factor; `out` may be `from` or `to`. */
export interface Interpolate {
  /** Name of the kernel. */
  readonly kernel: "interpolate";
  /** [...] */
  readonly from: Tensor;
  /** Of the shape of `from`. */
  readonly to: Tensor;
  /** 0 gives `from`, 1 gives `to`. */
  readonly factor: number;
  /** out, of the shape of `from` */
  readonly out: Tensor;
}

/** Which dynamics model and with what parameters. */
export interface DynamicsArgs {
  /** Sizes of the network. */
  readonly spec: DynamicsSpec;
  /** [P] embeddings, then weights and biases */
  readonly params: Tensor;
}

/** Rows that a dynamics model is trained on or judged by, normalised. */
export interface DynamicsRows {
  /** [N, X] */
  readonly inputs: Tensor;
  /** [N, Y] */
  readonly targets: Tensor;
}

/** outputs[n,:] = f(inputs[n,:], embeddings[situations[n],:]), normalised in and out. */
export interface DynamicsForward extends DynamicsArgs {
  /** Name of the kernel. */
  readonly kernel: "dynamics_forward";
  /** [N, X] normalised */
  readonly inputs: Tensor;
  /** [N] u32, each below G; not read where G is 0 */
  readonly situations: Tensor;
  /** out [N, Y] normalised */
  readonly outputs: Tensor;
}

/** loss = sum over all rows and outputs of (f - target)^2, and its gradient. */
export interface DynamicsGradient extends DynamicsArgs, DynamicsRows {
  /** Name of the kernel. */
  readonly kernel: "dynamics_gradient";
  /** [N] u32, each below G; not read where G is 0 */
  readonly situations: Tensor;
  /** out [P]; 0 for the embeddings of situations that no row has */
  readonly gradParams: Tensor;
  /** out [1] */
  readonly loss: Tensor;
}

/** errors[g] = sum over all rows and outputs of (f with embedding g - target)^2. */
export interface DynamicsErrors extends DynamicsArgs, DynamicsRows {
  /** Name of the kernel. */
  readonly kernel: "dynamics_errors";
  /** out [G] */
  readonly errors: Tensor;
}

/** How `dynamics_train` uses a minibatch's gradient of the sum of squared errors. */
export type DynamicsOptimizer =
  | {
    /** p -= lr * gradient */
    readonly kind: "sgd";
    /** Step size. */
    readonly lr: number;
  }
  | {
    /** Adam, as the kernel of that name. */
    readonly kind: "adam";
    /** Step size. */
    readonly lr: number;
    /** Decay of the first moment. */
    readonly beta1: number;
    /** Decay of the second moment. */
    readonly beta2: number;
    /** Keeps the quotient finite. */
    readonly epsilon: number;
    /** Where epsilon stands. */
    readonly flavour: AdamFlavour;
    /** Number of the first of these steps, from 1. */
    readonly firstStep: number;
    /** [P] first moment, in and out */
    readonly m: Tensor;
    /** [P] second moment, in and out */
    readonly v: Tensor;
  };

/**
 * U updates one after the other, UPDATES params (and the optimiser's moments) in place: update u
 * takes the gradient of the sum of squared errors over rows order[u B .. u B + B - 1], all with
 * the embedding of one situation, at the parameters that update u - 1 left.
 */
export interface DynamicsTrain extends DynamicsArgs, DynamicsRows {
  /** Name of the kernel. */
  readonly kernel: "dynamics_train";
  /** Row of the embedding table; 0 where G is 0. */
  readonly situation: number;
  /** [U * B] u32 rows of the minibatches, each below N */
  readonly order: Tensor;
  /** B */
  readonly batchSize: number;
  /** What is done with the gradient. */
  readonly optimizer: DynamicsOptimizer;
  /** out [U] sum of squared errors of every minibatch before its update */
  readonly losses: Tensor;
}

/**
 * Plays candidate action sequences through the model, the whole horizon at once. From s_0 = state
 * and for h = 0 .. H-1, in the state's own units,
 *
 *     s_h+1 = clamp(s_h + f(([s_h, a_h] - meanIn) / stdIn) * stdOut + meanOut, low, high)
 *     returns += discount^h * reward(s_h+1)
 *
 * with the embedding of one situation. A prediction that is not finite makes the return NaN or
 * leaves it at the bounds, whichever the device's clamp gives: callers must not rely on it.
 */
export interface DynamicsRollout extends DynamicsArgs {
  /** Name of the kernel. */
  readonly kernel: "dynamics_rollout";
  /** Row of the embedding table; 0 where G is 0. */
  readonly situation: number;
  /** [2 X + 2 Y] meanIn, stdIn, meanOut, stdOut */
  readonly normalizer: Tensor;
  /** [Z] state that all sequences start from */
  readonly state: Tensor;
  /** [2, Z] least and largest value of every state column */
  readonly bounds: Tensor;
  /** [L, H, A] */
  readonly sequences: Tensor;
  /** H */
  readonly horizon: number;
  /** Reward of a predicted state. */
  readonly reward: StageReward;
  /** Weight of a step relative to the one before it. */
  readonly discount: number;
  /** out [L] */
  readonly returns: Tensor;
  /** out [H, L, Z] state after every step; `null` where not wanted */
  readonly states: Tensor | null;
}

/** One launch of one kernel. */
export type Command =
  | PolicyForward
  | SurrogateGradient
  | InnerStepPullback
  | EncoderForward
  | EncoderBackward
  | BroadcastRow
  | SgdStep
  | SumRows
  | Clear
  | Interpolate
  | Adam
  | DynamicsForward
  | DynamicsGradient
  | DynamicsErrors
  | DynamicsTrain
  | DynamicsRollout;

/** Name of a kernel. */
export type KernelName = Command["kernel"];

/** The command type of a kernel. */
export type CommandOf<K extends KernelName> = Extract<Command, { kernel: K }>;
