/**
 * Dynamics kernels in float64, one row at a time: the truth that the other backends are held
 * against. Contracts in `kernels.ts`, axis letters in `layout.ts`. Model and training: Kaushik,
 * Anne, Mouret 2020, "Fast Online Adaptation in Robotics through Meta-Learning Embeddings of
 * Simulated Priors", and its published code; formulas: golden README ("FAMLE").
 *
 * Adjoints are prefixed `d`.
 */
import { stageRewards } from "../../util/stage_reward.ts";
import type {
  DynamicsErrors,
  DynamicsForward,
  DynamicsGradient,
  DynamicsRollout,
  DynamicsTrain,
} from "../kernels.ts";
import { dynamicsLayout, type DynamicsSpec, dynamicsWidths } from "../layout.ts";
import { adamUpdate } from "./elementwise.ts";
import { values } from "./tensor.ts";

/** The network with the activations of the row that it saw last. */
class DynamicsNetwork {
  readonly spec: DynamicsSpec;
  /** [P] number of parameters */
  readonly paramCount: number;
  /** [Y] result of `forward` */
  readonly output: Float64Array;
  /** Of every layer: what enters, and what leaves it before the nonlinearity. */
  readonly #inputs: Float64Array[];
  readonly #sums: Float64Array[];
  readonly #widths: number[];
  /** Where each layer's weights begin in the parameters; its bias stands behind them. */
  readonly #weights: number[];

  constructor(spec: DynamicsSpec) {
    this.spec = spec;
    this.#widths = dynamicsWidths(spec);
    const layout = dynamicsLayout(spec);
    this.paramCount = layout.size;
    const layers = this.#widths.slice(1).map((_, l) => l);
    this.#inputs = layers.map((l) => new Float64Array(this.#widths[l]));
    this.#sums = layers.map((l) => new Float64Array(this.#widths[l + 1]));
    this.#weights = layers.map((l) => layout.entries[1 + 2 * l].offset);
    this.output = new Float64Array(spec.outputDim);
  }

  /** output = f(x, embedding of the situation). @param x [X] from `at` on */
  forward(params: Float64Array, situation: number, x: Float64Array, at: number): void {
    const { inputDim, embeddingDim, outputLimit, activation } = this.spec;
    const first = this.#inputs[0];
    for (let i = 0; i < inputDim; i++) first[i] = x[at + i];
    for (let e = 0; e < embeddingDim; e++) {
      first[inputDim + e] = params[situation * embeddingDim + e];
    }
    this.#sums.forEach((sums, l) => {
      const input = this.#inputs[l];
      const w = this.#weights[l], width = sums.length;
      for (let o = 0; o < width; o++) {
        let sum = params[w + input.length * width + o];
        for (let i = 0; i < input.length; i++) sum += input[i] * params[w + i * width + o];
        sums[o] = sum;
        if (l + 1 < this.#sums.length) {
          this.#inputs[l + 1][o] = activation === "relu" ? Math.max(sum, 0) : Math.tanh(sum);
        } else {
          this.output[o] = outputLimit === null ? sum : Math.tanh(sum) * outputLimit;
        }
      }
    });
  }

  /** Accumulates the gradient of sum(dOutput * output) at the row of the last `forward`. */
  backward(
    params: Float64Array,
    situation: number,
    dOutput: Float64Array,
    gradParams: Float64Array,
  ): void {
    const { inputDim, embeddingDim, outputLimit, activation } = this.spec;
    const last = this.#sums.length - 1;
    let dSums = dOutput.map((d, o) =>
      outputLimit === null ? d : d * outputLimit * (1 - (this.output[o] / outputLimit) ** 2)
    );
    for (let l = last; l >= 0; l--) {
      const input = this.#inputs[l];
      const w = this.#weights[l], width = dSums.length;
      const dInput = new Float64Array(input.length);
      for (let o = 0; o < width; o++) gradParams[w + input.length * width + o] += dSums[o];
      for (let i = 0; i < input.length; i++) {
        for (let o = 0; o < width; o++) {
          gradParams[w + i * width + o] += input[i] * dSums[o];
          dInput[i] += params[w + i * width + o] * dSums[o];
        }
      }
      if (l === 0) {
        for (let e = 0; e < embeddingDim; e++) {
          gradParams[situation * embeddingDim + e] += dInput[inputDim + e];
        }
      } else {
        // input is the activation y of the layer in front: f'(u) from y, 0 for relu at 0
        dSums = dInput.map((d, i) =>
          d * (activation === "relu" ? (input[i] > 0 ? 1 : 0) : 1 - input[i] ** 2)
        );
      }
    }
  }

  /** Squared error of one row; with `gradParams` its gradient is accumulated there. */
  squaredError(
    params: Float64Array,
    situation: number,
    inputs: Float64Array,
    targets: Float64Array,
    row: number,
    gradParams: Float64Array | null,
  ): number {
    const { inputDim, outputDim } = this.spec;
    this.forward(params, situation, inputs, row * inputDim);
    const dOutput = new Float64Array(outputDim);
    let sum = 0;
    for (let o = 0; o < outputDim; o++) {
      const error = this.output[o] - targets[row * outputDim + o];
      sum += error * error;
      dOutput[o] = 2 * error;
    }
    if (gradParams !== null) this.backward(params, situation, dOutput, gradParams);
    return sum;
  }
}

/** See {@link DynamicsForward}. */
export function dynamicsForward(command: DynamicsForward): void {
  const { spec } = command;
  const network = new DynamicsNetwork(spec);
  const params = values(command.params).data, inputs = values(command.inputs).data;
  const situations = values(command.situations).data, outputs = values(command.outputs).data;
  for (let n = 0; n < situations.length; n++) {
    network.forward(params, situations[n], inputs, n * spec.inputDim);
    outputs.set(network.output, n * spec.outputDim);
  }
}

/** See {@link DynamicsGradient}. */
export function dynamicsGradient(command: DynamicsGradient): void {
  const network = new DynamicsNetwork(command.spec);
  const params = values(command.params).data, inputs = values(command.inputs).data;
  const targets = values(command.targets).data, situations = values(command.situations).data;
  const gradParams = values(command.gradParams).data.fill(0);
  let loss = 0;
  for (let n = 0; n < situations.length; n++) {
    loss += network.squaredError(params, situations[n], inputs, targets, n, gradParams);
  }
  values(command.loss).data[0] = loss;
}

/** See {@link DynamicsErrors}. */
export function dynamicsErrors(command: DynamicsErrors): void {
  const network = new DynamicsNetwork(command.spec);
  const params = values(command.params).data, inputs = values(command.inputs).data;
  const targets = values(command.targets).data, errors = values(command.errors).data;
  const rows = inputs.length / command.spec.inputDim;
  for (let g = 0; g < errors.length; g++) {
    errors[g] = 0;
    for (let n = 0; n < rows; n++) {
      errors[g] += network.squaredError(params, g, inputs, targets, n, null);
    }
  }
}

/** See {@link DynamicsTrain}. */
export function dynamicsTrain(command: DynamicsTrain): void {
  const { situation, batchSize, optimizer } = command;
  const network = new DynamicsNetwork(command.spec);
  const params = values(command.params).data, inputs = values(command.inputs).data;
  const targets = values(command.targets).data, order = values(command.order).data;
  const losses = values(command.losses).data;
  const grad = new Float64Array(network.paramCount);
  for (let u = 0; u < losses.length; u++) {
    grad.fill(0);
    losses[u] = 0;
    for (let b = 0; b < batchSize; b++) {
      const row = order[u * batchSize + b];
      losses[u] += network.squaredError(params, situation, inputs, targets, row, grad);
    }
    if (optimizer.kind === "sgd") {
      for (let p = 0; p < params.length; p++) params[p] -= optimizer.lr * grad[p];
    } else {
      const m = values(optimizer.m).data, v = values(optimizer.v).data;
      adamUpdate({ ...optimizer, step: optimizer.firstStep + u }, params, grad, m, v);
    }
  }
}

/** See {@link DynamicsRollout}. */
export function dynamicsRollout(command: DynamicsRollout): void {
  const { spec, situation, horizon, discount, reward } = command;
  const { inputDim, outputDim: stateDim } = spec;
  const actDim = inputDim - stateDim;
  const network = new DynamicsNetwork(spec);
  const params = values(command.params).data, start = values(command.state).data;
  const normalizer = values(command.normalizer).data, bounds = values(command.bounds).data;
  const sequences = values(command.sequences).data, returns = values(command.returns).data;
  const states = command.states === null ? null : values(command.states).data;
  const [meanIn, stdIn] = [0, inputDim];
  const [meanOut, stdOut] = [2 * inputDim, 2 * inputDim + stateDim];
  const input = new Float64Array(inputDim), state = new Float64Array(stateDim);
  const stage = new Float64Array(1);
  for (let l = 0; l < returns.length; l++) {
    state.set(start);
    returns[l] = 0;
    for (let h = 0; h < horizon; h++) {
      const action = (l * horizon + h) * actDim;
      for (let i = 0; i < inputDim; i++) {
        const x = i < stateDim ? state[i] : sequences[action + i - stateDim];
        input[i] = (x - normalizer[meanIn + i]) / normalizer[stdIn + i];
      }
      network.forward(params, situation, input, 0);
      for (let z = 0; z < stateDim; z++) {
        const delta = network.output[z] * normalizer[stdOut + z] + normalizer[meanOut + z];
        state[z] = Math.min(Math.max(state[z] + delta, bounds[z]), bounds[stateDim + z]);
      }
      states?.set(state, (h * returns.length + l) * stateDim);
      stageRewards(reward, state, stateDim, stage);
      returns[l] += discount ** h * stage[0];
    }
  }
}
