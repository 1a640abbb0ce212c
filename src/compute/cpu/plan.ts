/**
 * From a command of the kernel table to what the WASM kernels take: checks all shapes, then
 * writes the arguments in the order of the structs in assembly/ (`PolicyArgs`, `EncoderArgs`,
 * `ElementArgs`). A plan is data without addresses of its own memory: it can be kept and run
 * again on any thread.
 */
import { RunError } from "../../util/errors.ts";
import { checkCommand } from "../checks.ts";
import type { Tensor } from "../device.ts";
import type { Command, EncoderArgs, PolicyArgs } from "../kernels.ts";
import {
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

/** Bytes that the largest argument struct may take. */
export const ARGS_BYTES = 256;

/**
 * Samples of one work item of the policy kernels, a multiple of their tile. Fixed, so that sums
 * run in the same order whatever the number of threads and tasks.
 */
const CHUNK = 1024;

/** Elements of one work item in assembly/elementwise.ts. */
const BLOCK = 8192;

/** Widths of layers in `PolicyArgs`. */
const WIDTHS = MAX_HIDDEN_LAYERS + 2;

/** Writes one argument struct, field by field. */
class ArgsWriter {
  readonly #ints = new Int32Array(ARGS_BYTES / 4);
  readonly #floats = new Float32Array(this.#ints.buffer);
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

function planElementwise(
  command: Extract<
    Command,
    { kernel: "broadcast_row" | "sgd_step" | "sum_rows" | "clear" | "adam" }
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
    case "interpolate":
    case "dynamics_forward":
    case "dynamics_gradient":
    case "dynamics_errors":
    case "dynamics_train":
    case "dynamics_rollout":
      throw new RunError("kernel-arguments", `Cannot run ${command.kernel}: not on this device`);
    default:
      return planElementwise(command, context);
  }
}

/** Sizes of all tensors of a plan, for error messages. */
export function describePlan(plan: Plan): string {
  const sizes = plan.tensors.map((tensor) => `${tensor.label} [${tensor.shape}]`).join(", ");
  return `${plan.command.kernel} (${sizes})`;
}
