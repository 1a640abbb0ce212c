/**
 * The reference device: every kernel in float64 TypeScript, slow and plain. It is what the other
 * backends are tested against, and it runs the algorithms too (golden checks, differences).
 */
import type { Device, ElementType, HostArray, Tensor } from "../device.ts";
import type { Command } from "../kernels.ts";
import {
  dynamicsErrors,
  dynamicsForward,
  dynamicsGradient,
  dynamicsRollout,
  dynamicsTrain,
} from "./dynamics.ts";
import { adam, broadcastRow, clear, interpolate, sgdStep, sumRows } from "./elementwise.ts";
import { encoderBackward, encoderForward } from "./encoder.ts";
import { innerStepPullback, policyForward, surrogateGradient } from "./policy.ts";
import { referenceTensor, values } from "./tensor.ts";

function run(command: Command): void {
  switch (command.kernel) {
    case "policy_forward":
      return policyForward(command);
    case "surrogate_gradient":
      return surrogateGradient(command);
    case "inner_step_pullback":
      return innerStepPullback(command);
    case "encoder_forward":
      return encoderForward(command);
    case "encoder_backward":
      return encoderBackward(command);
    case "broadcast_row":
      return broadcastRow(command);
    case "sgd_step":
      return sgdStep(command);
    case "sum_rows":
      return sumRows(command);
    case "clear":
      return clear(command);
    case "interpolate":
      return interpolate(command);
    case "adam":
      return adam(command);
    case "dynamics_forward":
      return dynamicsForward(command);
    case "dynamics_gradient":
      return dynamicsGradient(command);
    case "dynamics_errors":
      return dynamicsErrors(command);
    case "dynamics_train":
      return dynamicsTrain(command);
    case "dynamics_rollout":
      return dynamicsRollout(command);
  }
}

/** Float64 device on the calling thread; see the module's header. */
export class ReferenceDevice implements Device {
  /** Name of the backend. */
  readonly kind = "reference";
  readonly description = "reference: float64 TypeScript, 1 thread";

  tensor(label: string, shape: readonly number[], type: ElementType = "f32"): Tensor {
    return referenceTensor(label, shape, type);
  }

  write(tensor: Tensor, data: ArrayLike<number>, offset = 0): void {
    values(tensor).data.set(data, offset);
  }

  submit(commands: readonly Command[]): Promise<void> {
    for (const command of commands) run(command);
    return Promise.resolve();
  }

  read(tensor: Tensor): Promise<HostArray> {
    const { data } = values(tensor);
    return Promise.resolve(tensor.type === "u32" ? Uint32Array.from(data) : data.slice());
  }

  /** Memory is the garbage collector's: nothing to do. */
  free(_tensor: Tensor): void {}

  close(): Promise<void> {
    return Promise.resolve();
  }
}
