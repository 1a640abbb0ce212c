/**
 * From a command of the kernel table to what the WASM kernels take: checks all shapes, then
 * writes the arguments in the order of the structs in assembly/ (`PolicyArgs`, `EncoderArgs`,
 * `ElementArgs`, `ModelArgs` and what extends it). A plan is data without addresses of its own memory: it can be kept and run
 * again on any thread.
 */
import { RunError } from "../../util/errors.ts";
import { checkCommand } from "../checks.ts";
import type { Tensor } from "../device.ts";
import type { Command, DynamicsArgs, EncoderArgs, PolicyArgs } from "../kernels.ts";
import {
  dynamicsLayout,
  dynamicsWidths,
  encoderLayout,
  layerWidths,
  MAX_HIDDEN_LAYERS,
  modulationLayout,
  policyLayout,
} from "../layout.ts";
import { PASS_NAMES, type PassName, type SizeName } from "./kernel_module.ts";

/** One pass of a kernel over its work items. */
export interface Pass {
  readonly name: PassName;
  /** Index in `PASS_NAMES`. */
  readonly id: number;
  readonly items: number;
  /** The argument struct. */
  readonly args: Int32Array;
}

/** A command, ready to run. */
export interface Plan {
  readonly command: Command;
  readonly passes: readonly Pass[];
  readonly scratchBytes: number;
  readonly workspaceBytes: number;
  /** All tensors that the passes address. */
  readonly tensors: readonly Tensor[];
  /** Rough number of floating-point operations: small plans are not worth waking threads for. */
  readonly flops: number;
}

/** What a plan needs to know about the memory. */
export interface PlanContext {
  /** Address of the tensor's first byte. @throws RunError for a freed or foreign tensor. */
  addressOf(tensor: Tensor): number;
  /** Calls a size function of the kernels with the given arguments. */
  measure(name: SizeName, args: Int32Array): number;
}

/** Bytes that the largest argument struct may take; dynamics_rollout's holds the reward. */
export const ARGS_BYTES = 1024;

/** Most terms of a reward, those of the linear part and the columns of the proximity together. */
const MAX_REWARD_TERMS = 96;

/**
 * Samples of one work item of the policy kernels, a multiple of their tile. Fixed, so that sums
 * run in the same order whatever the number of threads and tasks.
 */
const CHUNK = 1024;

/** Rows of one work item of the dynamics kernels on rows, and sequences of one of the rollout. */
const ROWS = 256, SEQUENCES = 64;

/** Most work items of dynamics_gradient: each has partial sums of the size of the parameters. */
const MAX_GRADIENT_ITEMS = 64;

/** Samples of a tile in assembly/lanes.ts. */
const LANES = 32;

/** Elements of one work item in assembly/elementwise.ts. */
const BLOCK = 8192;

/** Widths of layers in `PolicyArgs` and `ModelArgs`. */
const WIDTHS = MAX_HIDDEN_LAYERS + 2;

/** Writes one argument struct, field by field. */
class ArgsWriter {
  readonly #ints = new Int32Array(ARGS_BYTES / 4);
  readonly #floats = new Float32Array(this.#ints.buffer);
  readonly #doubles = new Float64Array(this.#ints.buffer);
  readonly #addressOf: PlanContext["addressOf"];
  readonly tensors: Tensor[] = [];
  #at = 0;

  constructor(context: PlanContext) {
    this.#addressOf = (tensor) => context.addressOf(tensor);
  }

  int(...values: number[]): this {
    for (const value of values) this.#ints[this.#at++] = value;
    return this;
  }

  float(...values: number[]): this {
    for (const value of values) this.#floats[this.#at++] = value;
    return this;
  }

  /** float64 numbers, from the next multiple of eight bytes on. */
  double(...values: number[]): this {
    this.#at += this.#at % 2;
    for (const value of values) {
      this.#doubles[this.#at / 2] = value;
      this.#at += 2;
    }
    return this;
  }

  /** Addresses; `null` becomes 0. */
  tensor(...tensors: (Tensor | null)[]): this {
    for (const tensor of tensors) {
      this.int(tensor === null ? 0 : this.#addressOf(tensor));
      if (tensor !== null) this.tensors.push(tensor);
    }
    return this;
  }

  /** The struct, without what was not written. */
  finish(): Int32Array {
    return this.#ints.slice(0, this.#at);
  }
}

/** Number of tasks, samples, parameters and modulation entries of a policy kernel. */
function countsOf(
  { spec }: PolicyArgs,
  obs: Tensor,
  offsets: Tensor,
): { tasks: number; samples: number; paramCount: number; modulationCount: number } {
  return {
    tasks: offsets.size - 1,
    samples: obs.size / spec.obsDim,
    paramCount: policyLayout(spec).size,
    modulationCount: modulationLayout(spec).size,
  };
}

/** Fields of `PolicyArgs` up to `obs`. */
function policyPrefix(
  writer: ArgsWriter,
  args: PolicyArgs,
  counts: { paramCount: number; modulationCount: number },
  obs: Tensor,
  offsets: Tensor,
  chunks: number,
): void {
  const { spec } = args;
  const widths = layerWidths(spec);
  const filled = Array.from({ length: WIDTHS }, (_, i) => widths[i] ?? 0);
  writer
    .int(widths.length - 1, ...filled)
    .int(spec.activation === "relu" ? 1 : 0, spec.learnStd ? 1 : 0, spec.film?.useBetas ? 1 : 0)
    .float(spec.film?.shiftGammas ? 1 : 0)
    .tensor(args.params).int(counts.paramCount)
    .tensor(args.modulation).int(counts.modulationCount)
    .tensor(offsets).int(CHUNK, chunks)
    .tensor(obs);
}

function chunksOf(maxSamplesPerTask: number): number {
  return Math.max(1, Math.ceil(maxSamplesPerTask / CHUNK));
}

function pass(name: PassName, items: number, args: Int32Array): Pass {
  return { name, id: PASS_NAMES.indexOf(name), items, args };
}

/** Multiply-adds of the dense layers for one sample. */
function layerProducts(args: PolicyArgs): number {
  const widths = layerWidths(args.spec);
  let sum = 0;
  for (let l = 0; l + 1 < widths.length; l++) sum += widths[l] * widths[l + 1];
  return sum;
}

function planPolicyForward(
  command: Extract<Command, { kernel: "policy_forward" }>,
  context: PlanContext,
): Plan {
  const counts = countsOf(command, command.obs, command.offsets);
  const chunks = chunksOf(command.maxSamplesPerTask);
  const writer = new ArgsWriter(context);
  policyPrefix(writer, command, counts, command.obs, command.offsets, chunks);
  const args = writer.tensor(command.mean).finish();
  return {
    command,
    passes: [pass("policy_forward", counts.tasks * chunks, args)],
    scratchBytes: context.measure("policy_forward_scratch", args),
    workspaceBytes: 0,
    tensors: writer.tensors,
    flops: 2 * layerProducts(command) * counts.samples,
  };
}

function planPolicyGradient(
  command: Extract<Command, { kernel: "surrogate_gradient" | "inner_step_pullback" }>,
  context: PlanContext,
): Plan {
  const { samples: data } = command;
  const counts = countsOf(command, data.obs, data.offsets);
  const { tasks } = counts;
  const chunks = chunksOf(data.maxSamplesPerTask);
  const writer = new ArgsWriter(context);
  policyPrefix(writer, command, counts, data.obs, data.offsets, chunks);
  writer.int(0).tensor(data.actions, data.advantages, data.oldMean, data.oldLogStd);
  const floor = command.minLogStd ?? -Infinity;
  if (command.kernel === "surrogate_gradient") {
    writer
      .tensor(command.gradParams, command.gradModulation, command.stats)
      .float(command.clipEps ?? -1, floor, 0, 0).int(0, 0);
  } else {
    writer
      .int(0).tensor(command.gradModulation).int(0)
      .float(-1, floor, command.innerLr, command.klScale)
      .tensor(command.adjointIn, command.adjointOut);
  }
  const args = writer.finish();
  return {
    command,
    passes: [
      pass(command.kernel, tasks * chunks, args),
      pass(`${command.kernel}_finish`, tasks, args),
    ],
    scratchBytes: context.measure(`${command.kernel}_scratch`, args),
    workspaceBytes: tasks * chunks * context.measure("policy_partials", args),
    tensors: writer.tensors,
    flops: (command.kernel === "surrogate_gradient" ? 6 : 16) * layerProducts(command) *
      counts.samples,
  };
}

function planEncoder(
  command: Extract<Command, { kernel: "encoder_forward" | "encoder_backward" }>,
  context: PlanContext,
): Plan {
  const { spec, slots, params, sequences, numPaths }: EncoderArgs = command;
  const { inputDim, cellSize, outputDim } = spec;
  const tasks = numPaths.size;
  const paramCount = encoderLayout(spec).size;
  const steps = sequences.size / (tasks * slots * inputDim);
  const writer = new ArgsWriter(context);
  writer
    .int(inputDim, cellSize, outputDim, spec.mlpAfterGru ? 1 : 0, spec.mlpAfterPool ? 1 : 0)
    .int(paramCount, steps, slots)
    .tensor(params, sequences, numPaths);
  const products = tasks * slots * steps * (inputDim + cellSize) * 3 * cellSize;
  if (command.kernel === "encoder_forward") {
    const args = writer
      .tensor(command.lastState, command.taskEmbedding, command.modulation).int(0).finish();
    return {
      command,
      passes: [pass("encoder_forward", tasks, args)],
      scratchBytes: context.measure("encoder_forward_scratch", args),
      workspaceBytes: 0,
      tensors: writer.tensors,
      flops: 2 * products,
    };
  }
  const args = writer.int(0, 0, 0).tensor(command.gradModulation).finish();
  // the tasks' gradients lie in the workspace, [M, Q]; address 0 stands for it
  const sum = new ArgsWriter(context)
    .int(paramCount, tasks).tensor(command.gradParams).int(0, 0, 0).float(command.scale).finish();
  return {
    command,
    passes: [
      pass("encoder_backward", tasks, args),
      pass("sum_rows", Math.ceil(paramCount / BLOCK), sum),
    ],
    scratchBytes: context.measure("encoder_backward_scratch", args),
    // the last vector of the sum reads up to three elements further
    workspaceBytes: (tasks * paramCount + 4) * 4,
    tensors: [...writer.tensors, command.gradParams],
    flops: 6 * products,
  };
}

/** Fields of `ModelArgs`. */
function modelPrefix(writer: ArgsWriter, { spec, params }: DynamicsArgs, situation: number): void {
  const widths = dynamicsWidths(spec);
  const filled = Array.from({ length: WIDTHS }, (_, i) => widths[i] ?? 0);
  writer
    .int(widths.length - 1, ...filled)
    .int(spec.activation === "relu" ? 1 : 0).float(spec.outputLimit ?? 0)
    .int(spec.inputDim, spec.embeddingDim, spec.situations)
    .tensor(params).int(situation);
}

/** Multiply-adds of a dynamics model for one row with a folded embedding. */
function modelProducts({ spec }: DynamicsArgs): number {
  const widths = [spec.inputDim, ...spec.hiddenSizes, spec.outputDim];
  return widths.slice(1).reduce((sum, width, l) => sum + width * widths[l], 0);
}

function planDynamicsRows(
  command: Extract<
    Command,
    { kernel: "dynamics_forward" | "dynamics_gradient" | "dynamics_errors" }
  >,
  context: PlanContext,
): Plan {
  const { spec, inputs } = command;
  const rows = inputs.size / spec.inputDim;
  let chunk = ROWS;
  if (command.kernel === "dynamics_gradient") {
    chunk = Math.max(ROWS, Math.ceil(rows / MAX_GRADIENT_ITEMS / LANES) * LANES);
  }
  const chunks = Math.max(1, Math.ceil(rows / chunk));
  const writer = new ArgsWriter(context);
  modelPrefix(writer, command, 0);
  writer.int(rows, chunk, chunks).tensor(inputs);
  const flops = 2 * modelProducts(command) * rows;
  const plan = (
    passes: (args: Int32Array) => readonly Pass[],
    flops: number,
    workspaceBytes: (args: Int32Array) => number,
  ): Plan => {
    const args = writer.finish();
    const scratchBytes = context.measure("dynamics_rows_scratch", args);
    const { tensors } = writer;
    return {
      ...{ command, passes: passes(args), scratchBytes, tensors, flops },
      workspaceBytes: workspaceBytes(args),
    };
  };
  switch (command.kernel) {
    case "dynamics_forward":
      writer.int(0).tensor(command.situations, command.outputs).int(0);
      return plan((args) => [pass("dynamics_forward", chunks, args)], flops, () => 0);
    case "dynamics_gradient":
      writer.tensor(command.targets, command.situations, command.gradParams, command.loss);
      return plan(
        (args) => [
          pass("dynamics_gradient", chunks, args),
          pass("dynamics_gradient_finish", spec.hiddenSizes.length + 2, args),
        ],
        3 * flops,
        (args) => chunks * context.measure("dynamics_gradient_partials", args),
      );
    case "dynamics_errors":
      writer.tensor(command.targets).int(0).tensor(command.errors).int(0);
      return plan(
        (args) => [
          pass("dynamics_errors", spec.situations * chunks, args),
          pass("dynamics_errors_finish", spec.situations, args),
        ],
        spec.situations * flops,
        () => 8 * spec.situations * chunks,
      );
  }
}

function planDynamicsTrain(
  command: Extract<Command, { kernel: "dynamics_train" }>,
  context: PlanContext,
): Plan {
  const { inputs, targets, order, batchSize, optimizer, losses } = command;
  const adam = optimizer.kind === "adam" ? optimizer : null;
  const writer = new ArgsWriter(context);
  modelPrefix(writer, command, command.situation);
  const args = writer
    .double(adam?.beta1 ?? 0, adam?.beta2 ?? 0, optimizer.lr)
    .float(adam?.epsilon ?? 0)
    .int(adam === null ? 0 : 1, adam?.firstStep ?? 1, adam?.flavour === "pytorch" ? 1 : 0)
    .int(losses.size, batchSize)
    .tensor(inputs, targets, order, losses, adam?.m ?? null, adam?.v ?? null)
    .finish();
  const updateCost = 10 * dynamicsLayout(command.spec).size;
  return {
    command,
    passes: [pass("dynamics_train", 1, args)],
    scratchBytes: context.measure("dynamics_train_scratch", args),
    workspaceBytes: 0,
    tensors: writer.tensors,
    flops: losses.size * (6 * modelProducts(command) * batchSize + updateCost),
  };
}

function planDynamicsRollout(
  command: Extract<Command, { kernel: "dynamics_rollout" }>,
  context: PlanContext,
): Plan {
  const { reward: { linear, proximity, penalty }, horizon, returns } = command;
  const terms = [
    ...linear.map(({ column, weight }) => ({ column, value: weight })),
    ...(proximity?.columns ?? []).map((column, i) => ({ column, value: proximity!.goal[i] })),
  ];
  if (terms.length > MAX_REWARD_TERMS) {
    throw new RunError(
      "kernel-arguments",
      `Cannot run dynamics_rollout: the reward has ${terms.length} terms, ` +
        `at most ${MAX_REWARD_TERMS} are possible on the cpu device`,
    );
  }
  const writer = new ArgsWriter(context);
  modelPrefix(writer, command, command.situation);
  writer
    .double(command.discount)
    .int(returns.size, horizon, SEQUENCES)
    .tensor(command.normalizer, command.state, command.bounds, command.sequences)
    .tensor(returns, command.states)
    .float(proximity?.weight ?? 0)
    .int(penalty?.column ?? -1).float(penalty?.below ?? 0, penalty?.amount ?? 0)
    .int(linear.length, proximity?.columns.length ?? 0);
  for (const { column, value } of terms) writer.int(column).float(value);
  const args = writer.finish();
  return {
    command,
    passes: [pass("dynamics_rollout", Math.ceil(returns.size / SEQUENCES), args)],
    scratchBytes: context.measure("dynamics_rollout_scratch", args),
    workspaceBytes: 0,
    tensors: writer.tensors,
    flops: 2 * modelProducts(command) * returns.size * horizon,
  };
}

function planElementwise(
  command: Extract<
    Command,
    { kernel: "broadcast_row" | "sgd_step" | "sum_rows" | "clear" | "adam" | "interpolate" }
  >,
  context: PlanContext,
): Plan {
  const writer = new ArgsWriter(context);
  let items: number;
  let elements: number;
  switch (command.kernel) {
    case "broadcast_row": {
      const { row, out } = command;
      items = Math.floor(out.size / row.size);
      elements = out.size;
      writer.int(row.size, 0).tensor(out, row);
      break;
    }
    case "sgd_step": {
      const { params, grad, out } = command;
      elements = out.size;
      items = Math.ceil(elements / BLOCK);
      writer.int(elements, 0).tensor(out, params, grad).int(0).float(command.lr);
      break;
    }
    case "interpolate": {
      const { from, to, factor, out } = command;
      elements = out.size;
      items = Math.ceil(elements / BLOCK);
      writer.int(elements, 0).tensor(out, from, to).int(0).float(factor);
      break;
    }
    case "sum_rows": {
      const { rows, out } = command;
      const count = Math.floor(rows.size / out.size);
      elements = rows.size;
      items = Math.ceil(out.size / BLOCK);
      writer.int(out.size, count).tensor(out, rows).int(0, 0).float(command.scale);
      break;
    }
    case "clear": {
      elements = command.out.size;
      items = Math.ceil(elements / BLOCK);
      writer.int(elements, 0).tensor(command.out);
      break;
    }
    case "adam": {
      const { params, grad, m, v, lr, beta1, beta2, epsilon, step, flavour } = command;
      elements = 8 * params.size;
      items = Math.ceil(params.size / BLOCK);
      // the bias corrections in float64, whichever side of epsilon they stand on
      const correction1 = 1 - beta1 ** step, root2 = Math.sqrt(1 - beta2 ** step);
      const [rate, rootScale] = flavour === "tensorflow"
        ? [lr * root2 / correction1, 1]
        : [lr / correction1, 1 / root2];
      writer.int(params.size, 0).tensor(params, grad, m, v)
        .float(0, beta1, 1 - beta1, beta2, 1 - beta2, rate, rootScale, epsilon);
      break;
    }
  }
  return {
    command,
    passes: [pass(command.kernel, items, writer.finish())],
    scratchBytes: 0,
    workspaceBytes: 0,
    tensors: writer.tensors,
    flops: elements,
  };
}

/**
 * Plans a command.
 *
 * @throws RunError `kernel-arguments` where a tensor's size does not fit the contract
 */
export function planCommand(command: Command, context: PlanContext): Plan {
  checkCommand(command);
  switch (command.kernel) {
    case "policy_forward":
      return planPolicyForward(command, context);
    case "surrogate_gradient":
    case "inner_step_pullback":
      return planPolicyGradient(command, context);
    case "encoder_forward":
    case "encoder_backward":
      return planEncoder(command, context);
    case "dynamics_forward":
    case "dynamics_gradient":
    case "dynamics_errors":
      return planDynamicsRows(command, context);
    case "dynamics_train":
      return planDynamicsTrain(command, context);
    case "dynamics_rollout":
      return planDynamicsRollout(command, context);
    default:
      return planElementwise(command, context);
  }
}

/** Sizes of all tensors of a plan, for error messages. */
export function describePlan(plan: Plan): string {
  const sizes = plan.tensors.map((tensor) => `${tensor.label} [${tensor.shape}]`).join(", ");
  return `${plan.command.kernel} (${sizes})`;
}
