/**
 * Checks a command's tensors against the kernel table's contracts, before a backend touches them.
 * What a kernel is not told (the content of `offsets`) is not checked.
 *
 * Axis letters as in `layout.ts`.
 */
import { RunError } from "../util/errors.ts";
import type { ElementType, Tensor } from "./device.ts";
import type { StageReward } from "../util/stage_reward.ts";
import type {
  Command,
  DynamicsArgs,
  DynamicsRollout,
  DynamicsTrain,
  EncoderArgs,
  PolicyArgs,
  SampleTensors,
} from "./kernels.ts";
import {
  dynamicsLayout,
  encoderLayout,
  MAX_HIDDEN_LAYERS,
  modulationLayout,
  policyLayout,
} from "./layout.ts";

function refuse(command: Command, problem: string): never {
  throw new RunError("kernel-arguments", `Cannot run ${command.kernel}: ${problem}`);
}

function expectTensor(
  command: Command,
  name: string,
  tensor: Tensor | null,
  shape: readonly number[],
  type: ElementType = "f32",
): void {
  if (tensor === null) return;
  const size = shape.reduce((product, extent) => product * extent, 1);
  if (tensor.size === size && tensor.type === type) return;
  refuse(command, `${name} is ${tensor.type} [${tensor.shape}], wanted ${type} [${shape}]`);
}

/** Number of tasks, samples, parameters and modulation entries of a policy kernel. */
function checkPolicy(
  command: Command & PolicyArgs,
  obs: Tensor,
  offsets: Tensor,
): { tasks: number; samples: number; paramCount: number; modulationCount: number } {
  const { spec, params, modulation } = command;
  const layers = spec.hiddenSizes.length;
  if (layers > MAX_HIDDEN_LAYERS) {
    refuse(command, `${layers} hidden layers, at most ${MAX_HIDDEN_LAYERS} are possible`);
  }
  if (modulation !== null && spec.film === null) {
    refuse(command, "a modulation is given for a policy without FiLM");
  }
  const tasks = offsets.size - 1;
  const samples = Math.floor(obs.size / spec.obsDim);
  const paramCount = policyLayout(spec).size;
  const modulationCount = modulationLayout(spec).size;
  expectTensor(command, "offsets", offsets, [tasks + 1], "u32");
  expectTensor(command, "params", params, [tasks, paramCount]);
  expectTensor(command, "modulation", modulation, [tasks, modulationCount]);
  expectTensor(command, "obs", obs, [samples, spec.obsDim]);
  return { tasks, samples, paramCount, modulationCount };
}

function checkSamples(
  command: Command & PolicyArgs & { readonly samples: SampleTensors },
  samples: number,
): void {
  const { actions, advantages, oldMean, oldLogStd } = command.samples;
  const { actDim } = command.spec;
  expectTensor(command, "actions", actions, [samples, actDim]);
  expectTensor(command, "advantages", advantages, [samples]);
  expectTensor(command, "oldMean", oldMean, [samples, actDim]);
  expectTensor(command, "oldLogStd", oldLogStd, [samples, actDim]);
}

/** Number of tasks and sequences of an encoder kernel. */
function checkEncoder(command: Command & EncoderArgs): { tasks: number; count: number } {
  const { spec, params, sequences, slots, numPaths } = command;
  const tasks = numPaths.size;
  const count = tasks * slots;
  const steps = Math.floor(sequences.size / (count * spec.inputDim));
  expectTensor(command, "numPaths", numPaths, [tasks], "u32");
  expectTensor(command, "params", params, [encoderLayout(spec).size]);
  expectTensor(command, "sequences", sequences, [count, steps, spec.inputDim]);
  return { tasks, count };
}

/** Number of rows and of parameters of a dynamics kernel. */
function checkDynamics(
  command: Command & DynamicsArgs,
  inputs: Tensor,
): { rows: number; paramCount: number } {
  const { spec, params } = command;
  const layers = spec.hiddenSizes.length;
  if (layers < 1 || layers > MAX_HIDDEN_LAYERS) {
    refuse(command, `${layers} hidden layers, wanted 1 to ${MAX_HIDDEN_LAYERS}`);
  }
  if ((spec.situations === 0) !== (spec.embeddingDim === 0)) {
    refuse(command, `${spec.situations} situations with embeddings of size ${spec.embeddingDim}`);
  }
  const rows = Math.floor(inputs.size / spec.inputDim);
  const paramCount = dynamicsLayout(spec).size;
  expectTensor(command, "params", params, [paramCount]);
  expectTensor(command, "inputs", inputs, [rows, spec.inputDim]);
  return { rows, paramCount };
}

function checkSituation(command: Command & DynamicsArgs & { readonly situation: number }): void {
  const { spec, situation } = command;
  if (Number.isInteger(situation) && situation >= 0 && situation < Math.max(1, spec.situations)) {
    return;
  }
  refuse(command, `situation ${situation} of a model that has ${spec.situations}`);
}

function checkDynamicsTrain(command: DynamicsTrain): void {
  const { spec, inputs, targets, order, batchSize, optimizer, losses } = command;
  const { rows, paramCount } = checkDynamics(command, inputs);
  checkSituation(command);
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    refuse(command, `batchSize is ${batchSize}, wanted an integer from 1`);
  }
  expectTensor(command, "targets", targets, [rows, spec.outputDim]);
  expectTensor(command, "order", order, [losses.size * batchSize], "u32");
  expectTensor(command, "losses", losses, [losses.size]);
  if (optimizer.kind === "sgd") return;
  expectTensor(command, "m", optimizer.m, [paramCount]);
  expectTensor(command, "v", optimizer.v, [paramCount]);
}

function checkReward(command: Command, reward: StageReward, stateDim: number): void {
  const { linear, proximity, penalty } = reward;
  const columns = [
    ...linear.map(({ column }) => column),
    ...proximity?.columns ?? [],
    ...penalty === null ? [] : [penalty.column],
  ];
  for (const column of columns) {
    if (Number.isInteger(column) && column >= 0 && column < stateDim) continue;
    refuse(command, `the reward reads column ${column} of a state of ${stateDim}`);
  }
  if (proximity !== null && proximity.goal.length !== proximity.columns.length) {
    const { goal, columns } = proximity;
    refuse(command, `the reward's goal has ${goal.length} numbers for ${columns.length} columns`);
  }
}

function checkDynamicsRollout(command: DynamicsRollout): void {
  const { spec, normalizer, state, bounds, sequences, horizon, returns, states } = command;
  const { inputDim, outputDim: stateDim } = spec;
  const paramCount = dynamicsLayout(spec).size;
  checkSituation(command);
  if (inputDim <= stateDim) {
    refuse(command, `a model of ${inputDim} inputs and a state of ${stateDim} leave no action`);
  }
  expectTensor(command, "params", command.params, [paramCount]);
  expectTensor(command, "normalizer", normalizer, [2 * (inputDim + stateDim)]);
  expectTensor(command, "state", state, [stateDim]);
  expectTensor(command, "bounds", bounds, [2, stateDim]);
  expectTensor(command, "sequences", sequences, [returns.size, horizon, inputDim - stateDim]);
  expectTensor(command, "returns", returns, [returns.size]);
  expectTensor(command, "states", states, [horizon, returns.size, stateDim]);
  checkReward(command, command.reward, stateDim);
}

/**
 * Throws where a tensor's size or type, or the network, does not fit the command's kernel.
 * @throws {RunError} `kernel-arguments`
 */
export function checkCommand(command: Command): void {
  switch (command.kernel) {
    case "policy_forward": {
      const { samples } = checkPolicy(command, command.obs, command.offsets);
      return expectTensor(command, "mean", command.mean, [samples, command.spec.actDim]);
    }
    case "surrogate_gradient": {
      const { obs, offsets } = command.samples;
      const { tasks, samples, paramCount, modulationCount } = checkPolicy(command, obs, offsets);
      checkSamples(command, samples);
      expectTensor(command, "gradParams", command.gradParams, [tasks, paramCount]);
      expectTensor(command, "gradModulation", command.gradModulation, [tasks, modulationCount]);
      return expectTensor(command, "stats", command.stats, [tasks, 2]);
    }
    case "inner_step_pullback": {
      const { obs, offsets } = command.samples;
      const { tasks, samples, paramCount, modulationCount } = checkPolicy(command, obs, offsets);
      checkSamples(command, samples);
      expectTensor(command, "adjointIn", command.adjointIn, [tasks, paramCount]);
      expectTensor(command, "adjointOut", command.adjointOut, [tasks, paramCount]);
      const { gradModulation } = command;
      return expectTensor(command, "gradModulation", gradModulation, [tasks, modulationCount]);
    }
    case "encoder_forward": {
      const { tasks, count } = checkEncoder(command);
      const { cellSize, outputDim } = command.spec;
      expectTensor(command, "lastState", command.lastState, [count, cellSize]);
      expectTensor(command, "taskEmbedding", command.taskEmbedding, [tasks, cellSize]);
      return expectTensor(command, "modulation", command.modulation, [tasks, outputDim]);
    }
    case "encoder_backward": {
      const { tasks } = checkEncoder(command);
      const { spec, gradModulation, gradParams } = command;
      expectTensor(command, "gradModulation", gradModulation, [tasks, spec.outputDim]);
      return expectTensor(command, "gradParams", gradParams, [encoderLayout(spec).size]);
    }
    case "broadcast_row": {
      const { row, out } = command;
      const rows = Math.max(1, Math.floor(out.size / row.size));
      return expectTensor(command, "out", out, [rows, row.size]);
    }
    case "sgd_step":
      expectTensor(command, "grad", command.grad, command.params.shape);
      return expectTensor(command, "out", command.out, command.params.shape);
    case "sum_rows": {
      const { rows, out } = command;
      const count = Math.max(1, Math.floor(rows.size / out.size));
      return expectTensor(command, "rows", rows, [count, out.size]);
    }
    case "clear":
      return;
    case "interpolate":
      expectTensor(command, "to", command.to, command.from.shape);
      return expectTensor(command, "out", command.out, command.from.shape);
    case "adam":
      for (const name of ["grad", "m", "v"] as const) {
        expectTensor(command, name, command[name], command.params.shape);
      }
      return;
    case "dynamics_forward": {
      const { rows } = checkDynamics(command, command.inputs);
      expectTensor(command, "situations", command.situations, [rows], "u32");
      return expectTensor(command, "outputs", command.outputs, [rows, command.spec.outputDim]);
    }
    case "dynamics_gradient": {
      const { rows, paramCount } = checkDynamics(command, command.inputs);
      expectTensor(command, "targets", command.targets, [rows, command.spec.outputDim]);
      expectTensor(command, "situations", command.situations, [rows], "u32");
      expectTensor(command, "gradParams", command.gradParams, [paramCount]);
      return expectTensor(command, "loss", command.loss, [1]);
    }
    case "dynamics_errors": {
      const { rows } = checkDynamics(command, command.inputs);
      expectTensor(command, "targets", command.targets, [rows, command.spec.outputDim]);
      return expectTensor(command, "errors", command.errors, [command.spec.situations]);
    }
    case "dynamics_train":
      return checkDynamicsTrain(command);
    case "dynamics_rollout":
      return checkDynamicsRollout(command);
  }
}
