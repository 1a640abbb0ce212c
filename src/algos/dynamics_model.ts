/**
 * A dynamics model with situation embeddings on a device: predictions, training on minibatches,
 * and the evaluation of action sequences for a planner. The network and its kernels:
 * `compute/kernels.ts`; formulas: golden README ("FAMLE").
 *
 * Axis letters as in `compute/layout.ts`: G situations, X input, Y output, P parameters, N rows,
 * B rows of a minibatch, U updates, L candidate sequences, H planning horizon, Z state, A action.
 */
import type { Device, HostArray, HostNumbers, Tensor } from "../compute/device.ts";
import type { Command, DynamicsOptimizer } from "../compute/kernels.ts";
import { dynamicsLayout, type DynamicsSpec } from "../compute/layout.ts";
import { denormalizeRows, type Normalizer, normalizeRows } from "../util/normalizer.ts";
import type { StageReward } from "../util/stage_reward.ts";

/** Rows on a device, normalised; whoever uploaded them frees them. */
export interface DynamicsRowSet {
  /** N */
  readonly count: number;
  /** [N, X] */
  readonly inputs: Tensor;
  /** [N, Y] */
  readonly targets: Tensor;
}

/** Settings of Adam as PyTorch has them, which the published code leaves at their defaults. */
export const TORCH_ADAM = {
  kind: "adam",
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  flavour: "pytorch",
} as const;

/** A model's parameters on a device; owns their memory until {@link close}. */
export class DynamicsModel {
  /** Where it lives. */
  readonly device: Device;
  /** Sizes of the network. */
  readonly spec: DynamicsSpec;
  /** Units of the network's inputs and outputs. */
  readonly normalizer: Normalizer;
  /** [P] */
  readonly params: Tensor;

  /** A model with zeros for parameters. */
  constructor(device: Device, spec: DynamicsSpec, normalizer: Normalizer) {
    this.device = device;
    this.spec = spec;
    this.normalizer = normalizer;
    this.params = device.tensor("dynamics parameters", [dynamicsLayout(spec).size]);
  }

  /** Sets the parameters. @param params [P] in the order of `dynamicsLayout` */
  setParams(params: ArrayLike<number>): void {
    this.device.write(this.params, params);
  }

  /** Copy of the parameters [P]. */
  readParams(): Promise<HostArray> {
    return this.device.read(this.params);
  }

  /** The command that takes over another model's parameters, on the same device. */
  copyFrom(other: DynamicsModel): Command {
    return { kernel: "broadcast_row", row: other.params, out: this.params };
  }

  /** Normalises rows and puts them on the device. @param inputs [N, X] @param targets [N, Y] */
  upload(inputs: ArrayLike<number>, targets: ArrayLike<number>): DynamicsRowSet {
    const { device, spec, normalizer: { meanIn, stdIn, meanOut, stdOut } } = this;
    const count = inputs.length / spec.inputDim;
    const rows = {
      count,
      inputs: device.tensor("dynamics inputs", [count, spec.inputDim]),
      targets: device.tensor("dynamics targets", [count, spec.outputDim]),
    };
    device.write(rows.inputs, normalizeRows(inputs, meanIn, stdIn));
    device.write(rows.targets, normalizeRows(targets, meanOut, stdOut));
    return rows;
  }

  /** Gives the memory of rows back. */
  free(rows: DynamicsRowSet): void {
    this.device.free(rows.inputs);
    this.device.free(rows.targets);
  }

  /**
   * Predicted outputs in their own units.
   * @param inputs [N, X] in their own units
   * @param situation whose embedding is used
   * @returns [N, Y]
   */
  async predict(inputs: ArrayLike<number>, situation: number): Promise<Float64Array> {
    const { device, spec, normalizer: { meanIn, stdIn, meanOut, stdOut } } = this;
    const count = inputs.length / spec.inputDim;
    const tensors = {
      inputs: device.tensor("dynamics inputs", [count, spec.inputDim]),
      situations: device.tensor("situations", [count], "u32"),
      outputs: device.tensor("dynamics outputs", [count, spec.outputDim]),
    };
    try {
      device.write(tensors.inputs, normalizeRows(inputs, meanIn, stdIn));
      device.write(tensors.situations, new Uint32Array(count).fill(situation));
      await device.submit([{ kernel: "dynamics_forward", spec, params: this.params, ...tensors }]);
      return denormalizeRows(await device.read(tensors.outputs), meanOut, stdOut);
    } finally {
      for (const tensor of Object.values(tensors)) device.free(tensor);
    }
  }

  /** [G] sum of squared normalised errors over the rows, with each situation's embedding. */
  async errors(rows: DynamicsRowSet): Promise<Float64Array> {
    const { device, spec, params } = this;
    const { inputs, targets } = rows;
    const errors = device.tensor("situation errors", [spec.situations]);
    try {
      await device.submit([{ kernel: "dynamics_errors", spec, params, inputs, targets, errors }]);
      return Float64Array.from(await device.read(errors));
    } finally {
      device.free(errors);
    }
  }

  /** Frees the parameters. */
  close(): void {
    this.device.free(this.params);
  }
}

/**
 * Updates of a model on minibatches of one set of rows, as often as wanted: what does not change
 * from one call to the next is prepared once. Owns its tensors until {@link close}.
 */
export class MinibatchTraining {
  readonly #device: Device;
  readonly #order: Tensor;
  readonly #losses: Tensor;
  readonly #batchSize: number;
  /** U updates of all B rows. */
  readonly command: Command;

  /**
   * Prepares the updates.
   * @param rows rows of one situation
   * @param situation whose embedding is trained along
   * @param batchSize B
   * @param updates U
   */
  constructor(
    model: DynamicsModel,
    rows: DynamicsRowSet,
    situation: number,
    batchSize: number,
    updates: number,
    optimizer: DynamicsOptimizer,
  ) {
    const { device, spec, params } = model;
    this.#device = device;
    this.#batchSize = batchSize;
    this.#order = device.tensor("minibatches", [updates * batchSize], "u32");
    this.#losses = device.tensor("minibatch losses", [updates]);
    this.command = {
      kernel: "dynamics_train",
      spec,
      params,
      inputs: rows.inputs,
      targets: rows.targets,
      situation,
      order: this.#order,
      batchSize,
      optimizer,
      losses: this.#losses,
    };
  }

  /** Which rows the updates take. @param order [U * B], each below N */
  setOrder(order: Uint32Array): void {
    this.#device.write(this.#order, order);
  }

  /** [U] mean over its rows of every minibatch's squared error before its update. */
  async readLosses(): Promise<Float64Array> {
    return Float64Array.from(await this.#device.read(this.#losses), (sum) => sum / this.#batchSize);
  }

  /** Frees what it owns. */
  close(): void {
    this.#device.free(this.#order);
    this.#device.free(this.#losses);
  }
}

/** What a planner's action sequences are judged by. */
export interface SequenceTask {
  /** H */
  readonly horizon: number;
  /** Weight of a step relative to the one before it. */
  readonly discount: number;
}

/**
 * Returns of action sequences under a model: the function that a planner takes. The whole horizon
 * of all sequences is one kernel. Owns its tensors until {@link close}.
 */
export class SequenceEvaluator {
  readonly #model: DynamicsModel;
  readonly #task: SequenceTask;
  readonly #normalizer: Tensor;
  readonly #state: Tensor;
  readonly #bounds: Tensor;
  /** By number of sequences: planners use one or a few numbers. */
  readonly #sets = new Map<number, { sequences: Tensor; returns: Tensor; command: Command }>();
  #reward: StageReward = { linear: [], proximity: null, penalty: null };
  #situation = 0;

  /** Situation 0, a reward of 0, bounds of 0 and the state 0 until they are set. */
  constructor(model: DynamicsModel, task: SequenceTask) {
    const { device, spec, normalizer: { meanIn, stdIn, meanOut, stdOut } } = model;
    this.#model = model;
    this.#task = task;
    this.#normalizer = device.tensor("normalizer", [2 * (spec.inputDim + spec.outputDim)]);
    this.#state = device.tensor("state", [spec.outputDim]);
    this.#bounds = device.tensor("state bounds", [2, spec.outputDim]);
    device.write(this.#normalizer, [...meanIn, ...stdIn, ...meanOut, ...stdOut]);
  }

  /** Which situation's embedding predicts. */
  setSituation(situation: number): void {
    if (situation === this.#situation) return;
    this.#situation = situation;
    this.#dropSets();
  }

  /** What a predicted state is worth. */
  setReward(reward: StageReward): void {
    this.#reward = reward;
    this.#dropSets();
  }

  /** Range that predicted states are clamped to. @param low [Z] @param high [Z] */
  setBounds(low: ArrayLike<number>, high: ArrayLike<number>): void {
    this.#model.device.write(this.#bounds, [...Array.from(low), ...Array.from(high)]);
  }

  /** Where all sequences start. @param state [Z] */
  setState(state: ArrayLike<number>): void {
    this.#model.device.write(this.#state, state);
  }

  /**
   * [L] discounted reward of every sequence.
   * @param sequences [L, H * A]; longer arrays are cut
   * @param count L
   */
  readonly evaluate = async (sequences: Float32Array, count: number): Promise<HostNumbers> => {
    const { device } = this.#model;
    const set = this.#setOf(count);
    device.write(set.sequences, sequences.subarray(0, set.sequences.size));
    await device.submit([set.command]);
    return await device.read(set.returns) as HostNumbers;
  };

  #setOf(count: number) {
    const existing = this.#sets.get(count);
    if (existing !== undefined) return existing;
    const { device, spec, params } = this.#model;
    const { horizon, discount } = this.#task;
    const actDim = spec.inputDim - spec.outputDim;
    const sequences = device.tensor("action sequences", [count, horizon, actDim]);
    const returns = device.tensor("sequence returns", [count]);
    const command: Command = {
      kernel: "dynamics_rollout",
      spec,
      params,
      situation: this.#situation,
      normalizer: this.#normalizer,
      state: this.#state,
      bounds: this.#bounds,
      sequences,
      horizon,
      reward: this.#reward,
      discount,
      returns,
      states: null,
    };
    const set = { sequences, returns, command };
    this.#sets.set(count, set);
    return set;
  }

  #dropSets(): void {
    for (const { sequences, returns } of this.#sets.values()) {
      this.#model.device.free(sequences);
      this.#model.device.free(returns);
    }
    this.#sets.clear();
  }

  /** Frees what it owns. */
  close(): void {
    this.#dropSets();
    for (const tensor of [this.#normalizer, this.#state, this.#bounds]) {
      this.#model.device.free(tensor);
    }
  }
}
