/**
 * The kernels on TensorFlow.js tensors. tfjs's webgpu backend and the kernels share one GPU device,
 * so a tfjs tensor's buffer is what a kernel reads and writes: nothing is copied.
 *
 * tfjs itself needs no change: tensors come from `tf.tensor`, results are tensors that `dispose`
 * frees. Gradients through a kernel are kernels too (`surrogateGradient`, `innerStepPullback`);
 * tfjs's own autodiff does not look inside, and its second derivatives are wrong
 * (tensorflow/tfjs#3252).
 *
 * Left out of the command line's start-up path: importing it loads tfjs.
 *
 * @example Means of a policy for 20 observations
 * ```ts ignore
 * import * as tf from "@tensorflow/tfjs";
 * import { openTfjsKernels, policyLayout } from "metarl/tfjs";
 *
 * const kernels = await openTfjsKernels();
 * const spec = { obsDim: 4, actDim: 2, hiddenSizes: [64, 64], activation: "tanh",
 *   learnStd: true, film: null } as const;
 * const params = tf.randomNormal([1, policyLayout(spec).size], 0, 0.1);
 * const obs = tf.randomNormal([20, 4]);
 * const mean = await kernels.policyForward({
 *   spec, params, modulation: null, obs, offsets: tf.tensor1d([0, 20], "int32"),
 *   maxSamplesPerTask: 20,
 * });
 * console.log(await mean.array());
 * ```
 *
 * @module
 */
import { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import {
  engine,
  env,
  registerBackend,
  removeBackend,
  setBackend,
  type Tensor as TfjsTensor,
  tensor as tfjsTensor,
} from "@tensorflow/tfjs-core";
import { RunError } from "../../util/errors.ts";
import type { Tensor } from "../device.ts";
import type {
  Command,
  EncoderBackward,
  EncoderForward,
  InnerStepPullback,
  PolicyForward,
  SampleTensors,
  SurrogateGradient,
} from "../kernels.ts";
import { encoderLayout } from "../layout.ts";
import { WebGpuDevice } from "../webgpu/webgpu_device.ts";

export type { TfjsTensor };
export * from "../layout.ts";
export type * from "../device.ts";
export type * from "../kernels.ts";
export type { KernelLimits } from "../webgpu/kernel.ts";
export type { TileProfile } from "../webgpu/profile.ts";
export { WebGpuDevice } from "../webgpu/webgpu_device.ts";

/** A command or a part of one with tfjs tensors in place of the device's. */
export type OnTfjs<T> = {
  [K in keyof T]: T[K] extends Tensor ? TfjsTensor
    : T[K] extends Tensor | null ? TfjsTensor | null
    : T[K] extends SampleTensors ? OnTfjs<SampleTensors>
    : T[K];
};

/** Arguments of a kernel's function: its command without the name and without the outputs. */
export type KernelInputs<T, Outputs extends keyof T> = OnTfjs<Omit<T, Outputs | "kernel">>;

/** What {@link TfjsKernels.surrogateGradient} gives. */
export interface SurrogateGradientResult {
  /** [M, P] */
  readonly gradParams: TfjsTensor;
  /** [M, D], `null` where nothing is modulated */
  readonly gradModulation: TfjsTensor | null;
  /** [M, 2] loss, mean KL(old || current) */
  readonly stats: TfjsTensor;
}

/** What {@link TfjsKernels.encoderForward} gives. */
export interface EncoderForwardResult {
  /** [R, C] */
  readonly lastState: TfjsTensor;
  /** [M, C] */
  readonly taskEmbedding: TfjsTensor;
  /** [M, D] */
  readonly modulation: TfjsTensor;
}

function isTfjsTensor(value: unknown): value is TfjsTensor {
  return typeof value === "object" && value !== null && "dataId" in value;
}

/** The kernels as functions on tfjs tensors. Made by {@link openTfjsKernels}. */
export class TfjsKernels {
  /** The device that both sides share; runs commands on its own tensors too. */
  readonly device: WebGpuDevice;
  /** tfjs's backend on that device. */
  readonly backend: WebGPUBackend;

  /**
   * Pairs a device with tfjs's backend on it.
   * @param backend must work on the device's GPU device
   */
  constructor(device: WebGpuDevice, backend: WebGPUBackend) {
    if (backend.device !== device.gpuDevice) {
      throw new TypeError("Cannot share tensors: the tfjs backend is on another GPU device");
    }
    this.device = device;
    this.backend = backend;
  }

  /**
   * The device's view of a tfjs tensor, without copying. Valid until the tfjs tensor is disposed;
   * `device.free` gives back the view, not the memory. f32 and int32 (as u32) tensors.
   */
  tensorFromTfjs(tensor: TfjsTensor): Tensor {
    if (tensor.dtype !== "float32" && tensor.dtype !== "int32") {
      throw new TypeError(
        `Cannot use tfjs tensor [${tensor.shape}]: its type is ${tensor.dtype}, wanted float32 ` +
          "or int32",
      );
    }
    const { backend } = this;
    backend.uploadToGPU(tensor.dataId);
    // the upload and what else tfjs has queued come before the kernels
    backend.ensureCommandEncoderReady();
    backend.endComputePassEncoder();
    backend.submitQueue();
    const { resource } = backend.tensorMap.get(tensor.dataId);
    if (!(resource instanceof GPUBuffer)) {
      throw new TypeError(`Cannot use tfjs tensor [${tensor.shape}]: it is not in a GPU buffer`);
    }
    const type = tensor.dtype === "int32" ? "u32" : "f32";
    return this.device.importBuffer(`tfjs ${tensor.id}`, tensor.shape, resource, type);
  }

  /**
   * tfjs's view of a tensor of the device, without copying. Disposing it leaves the memory alone;
   * it is valid until the device's tensor is freed.
   */
  tfjsFromTensor(tensor: Tensor): TfjsTensor {
    const buffer = this.device.bufferOf(tensor);
    const dtype = tensor.type === "u32" ? "int32" : "float32";
    return tfjsTensor({ buffer, zeroCopy: true }, [...tensor.shape], dtype);
  }

  /** New tfjs tensor in GPU memory, to be written by a kernel; its content is undefined. */
  output(shape: readonly number[]): TfjsTensor {
    const info = this.backend.makeTensorInfo([...shape], "float32");
    this.backend.uploadToGPU(info.dataId);
    return engine().makeTensorFromTensorInfo(info);
  }

  /** Runs commands whose tensors are tfjs tensors, in order. */
  async run(commands: readonly OnTfjs<Command>[]): Promise<void> {
    const views: Tensor[] = [];
    const view = (value: unknown): unknown => {
      if (!isTfjsTensor(value)) return value;
      const tensor = this.tensorFromTfjs(value);
      views.push(tensor);
      return tensor;
    };
    const onDevice = (part: object): object =>
      Object.fromEntries(
        Object.entries(part).map(([name, value]) => [
          name,
          name === "samples" ? onDevice(value) : view(value),
        ]),
      );
    try {
      await this.device.submit(commands.map((command) => onDevice(command) as Command));
    } finally {
      for (const tensor of views) this.device.free(tensor);
    }
  }

  /** Means [S, A] of {@link PolicyForward}. */
  async policyForward(inputs: KernelInputs<PolicyForward, "mean">): Promise<TfjsTensor> {
    const mean = this.output([inputs.obs.shape[0], inputs.spec.actDim]);
    await this.run([{ kernel: "policy_forward", ...inputs, mean }]);
    return mean;
  }

  /** {@link SurrogateGradient}. */
  async surrogateGradient(
    inputs: KernelInputs<SurrogateGradient, "gradParams" | "gradModulation" | "stats">,
  ): Promise<SurrogateGradientResult> {
    const { params, modulation } = inputs;
    const gradParams = this.output(params.shape);
    const gradModulation = modulation === null ? null : this.output(modulation.shape);
    const stats = this.output([params.shape[0], 2]);
    await this.run([
      { kernel: "surrogate_gradient", ...inputs, gradParams, gradModulation, stats },
    ]);
    return { gradParams, gradModulation, stats };
  }

  /** {@link InnerStepPullback}: gives adjointOut [M, P], adds to `gradModulation`. */
  async innerStepPullback(
    inputs: KernelInputs<InnerStepPullback, "adjointOut">,
  ): Promise<TfjsTensor> {
    const adjointOut = this.output(inputs.params.shape);
    await this.run([{ kernel: "inner_step_pullback", ...inputs, adjointOut }]);
    return adjointOut;
  }

  /** {@link EncoderForward}. */
  async encoderForward(
    inputs: KernelInputs<EncoderForward, "lastState" | "taskEmbedding" | "modulation">,
  ): Promise<EncoderForwardResult> {
    const { spec, sequences, numPaths } = inputs;
    const [tasks] = numPaths.shape;
    const lastState = this.output([sequences.shape[0], spec.cellSize]);
    const taskEmbedding = this.output([tasks, spec.cellSize]);
    const modulation = this.output([tasks, spec.outputDim]);
    await this.run([
      { kernel: "encoder_forward", ...inputs, lastState, taskEmbedding, modulation },
    ]);
    return { lastState, taskEmbedding, modulation };
  }

  /** Gradient [Q] of {@link EncoderBackward}. */
  async encoderBackward(inputs: KernelInputs<EncoderBackward, "gradParams">): Promise<TfjsTensor> {
    const gradParams = this.output([encoderLayout(inputs.spec).size]);
    await this.run([{ kernel: "encoder_backward", ...inputs, gradParams }]);
    return gradParams;
  }

  /** Gives back what the kernels hold; tfjs and its tensors stay usable on a shared backend. */
  async close(): Promise<void> {
    await this.device.close();
  }
}

/**
 * Opens the kernels beside tfjs.
 * @param backend tfjs's backend, e.g. `tf.backend()`; without one, a GPU device with the kernels'
 *   limits is opened and becomes tfjs's backend "webgpu"
 * @throws {RunError} `no-adapter` where there is no WebGPU adapter
 */
export async function openTfjsKernels(backend?: WebGPUBackend): Promise<TfjsKernels> {
  // small tensors would stay on the CPU
  env().set("WEBGPU_CPU_FORWARD", false);
  if (backend !== undefined) {
    return new TfjsKernels(await WebGpuDevice.create({ device: backend.device }), backend);
  }
  const device = await WebGpuDevice.create();
  const made = new WebGPUBackend(device.gpuDevice);
  // the package registers a factory that would open a device of its own
  if ("webgpu" in engine().registryFactory) removeBackend("webgpu");
  registerBackend("webgpu", () => made);
  if (!await setBackend("webgpu")) {
    throw new RunError("tfjs-backend", "Cannot make the shared GPU device tfjs's backend");
  }
  return new TfjsKernels(device, made);
}
