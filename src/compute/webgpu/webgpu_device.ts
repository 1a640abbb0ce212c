/**
 * The WebGPU backend: tensors are GPU buffers, commands become passes over generated WGSL kernels.
 *
 * One `submit` is one command buffer with one compute pass. What a command needs (pipelines, bind
 * groups, uniforms) is prepared once per command object. Reads go through a staging buffer.
 */
import type { Device, ElementType, HostArray, Tensor } from "../device.ts";
import type { Command } from "../kernels.ts";
import { messageOf, RunError } from "../../util/errors.ts";
import { describeAdapter, openDevice } from "./adapter.ts";
import {
  type Dispatch,
  type Kernel,
  type KernelLimits,
  launchesOf,
  type PlanContext,
} from "./kernel.ts";
import { loopLimit, loopProbeKernel, PROBE_ITERATIONS } from "./loop_probe.ts";
import { PipelineCache } from "./pipeline.ts";
import { plan } from "./plan.ts";
import { GPU_PROFILE, SOFTWARE_PROFILE, type TileProfile } from "./profile.ts";
import { StagingPool } from "./staging.ts";

/** Options of {@link WebGpuDevice.create}. */
export interface WebGpuOptions {
  /** A device that someone else (TensorFlow.js) owns; it is not destroyed by `close`. */
  readonly device?: GPUDevice;
  /** Shape of the kernels; by default chosen by the adapter. */
  readonly profile?: TileProfile;
  /** Lower limits than the device's own. */
  readonly limits?: Partial<KernelLimits>;
}

/** A tensor and the buffer behind it. */
interface BufferTensor extends Tensor {
  readonly buffer: GPUBuffer;
  /** Whether `free` destroys the buffer. */
  readonly owned: boolean;
}

interface Step {
  readonly kernel: Kernel;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly dispatch: Dispatch;
  /** Launches that are taken in turn with these. */
  readonly next: Step | null;
}

/** What is kept per command object. */
interface Prepared {
  readonly steps: readonly Step[];
  readonly tensors: readonly Tensor[];
  /** Scalars of its launches; destroyed with it. */
  readonly scalars: readonly GPUBuffer[];
}

/** Buffers on the GPU. */
export interface LiveBuffers {
  /** How many. */
  readonly count: number;
  /** Their sizes together. */
  readonly bytes: number;
}

const BUFFER_USAGE = 0x4 | 0x8 | 0x80; // COPY_SRC | COPY_DST | STORAGE
const SCRATCH_USAGE = BUFFER_USAGE | 0x40; // and UNIFORM
const UNIFORM_USAGE = 0x40 | 0x8; // UNIFORM | COPY_DST

/** Bytes from one launch's scalars to the next one's: dynamic offsets are multiples of 256. */
const SCALARS_STRIDE = 256;

/** Most launches of one command buffer: drivers give up on one that takes seconds. */
const MAX_LAUNCHES = 1024;

/**
 * Most commands that stay prepared. Algorithms make new command objects where coefficients or sizes
 * change; those that were not submitted for the longest time go first.
 */
const MAX_PREPARED = 512;

/** Bytes of a buffer for so many elements: whole vec4s, at least one. */
const bytesFor = (elements: number) => Math.max(16, Math.ceil(elements / 4) * 16);

function isTensor(value: unknown): value is Tensor {
  return typeof value === "object" && value !== null && "size" in value && "label" in value;
}

/** Tensors that a command names, those of its samples included. */
function tensorsOf(command: Command): Tensor[] {
  const found: Tensor[] = [];
  for (const value of Object.values(command)) {
    if (isTensor(value)) found.push(value);
    else if (typeof value === "object" && value !== null) {
      found.push(...Object.values(value).filter(isTensor));
    }
  }
  return found;
}

/** Most tensors that an error message about several commands lists. */
const NAMED_TENSORS = 4;

/** {@link Device} on WebGPU. */
export class WebGpuDevice implements Device {
  readonly kind = "webgpu";
  readonly description: string;
  /** Tile sizes of the kernels. */
  readonly profile: TileProfile;
  /** What the kernels may use. */
  readonly limits: KernelLimits;
  readonly #device: GPUDevice;
  readonly #ownsDevice: boolean;
  readonly #pipelines: PipelineCache;
  readonly #staging: StagingPool;
  readonly #tensors = new Set<BufferTensor>();
  readonly #freed = new WeakSet<Tensor>();
  readonly #scratch = new Map<string, GPUBuffer>();
  readonly #kernels = new Map<string, Kernel>();
  /** In the order of their last use. */
  readonly #prepared = new Map<Command, Prepared>();
  #failure: RunError | null = null;
  #closed = false;

  private constructor(
    device: GPUDevice,
    ownsDevice: boolean,
    description: string,
    profile: TileProfile,
    limits: KernelLimits,
    pipelines: PipelineCache,
    staging: StagingPool,
  ) {
    this.#device = device;
    this.#ownsDevice = ownsDevice;
    this.description = description;
    this.profile = profile;
    this.#pipelines = pipelines;
    this.#staging = staging;
    this.limits = limits;
    device.lost.then((info) => {
      if (this.#closed) return;
      this.#failure = new RunError(
        "device-lost",
        `The GPU device was lost (${info.reason}): ${info.message || "no reason given"}; ` +
          "start again from the last checkpoint, or with --device cpu",
      );
    });
    // on a shared device, errors outside of our scopes are those of its other users
    if (!ownsDevice) return;
    device.addEventListener("uncapturederror", (event) => {
      const { error } = event as GPUUncapturedErrorEvent;
      this.#failure ??= new RunError("gpu", `WebGPU error: ${error.message.split("\n")[0]}`);
    });
  }

  /**
   * Opens the adapter's device and probes the driver.
   * @throws {RunError} `no-adapter` where WebGPU or an adapter is missing
   */
  static async create(options: WebGpuOptions = {}): Promise<WebGpuDevice> {
    const opened = options.device === undefined
      ? await openDevice()
      : { device: options.device, info: options.device.adapterInfo };
    const { device } = opened;
    const adapter = describeAdapter(opened.info);
    const profile = options.profile ?? (adapter.isSoftware ? SOFTWARE_PROFILE : GPU_PROFILE);
    const pipelines = new PipelineCache(device);
    const staging = new StagingPool(device);
    const counted = await countLoopIterations(device, pipelines, staging);
    const loopIterations = loopLimit(counted);
    const fault = loopIterations === Infinity ? "" : `, loops end after ${counted} iterations`;
    const name = adapter.description || adapter.device || adapter.vendor || "unnamed adapter";
    return new WebGpuDevice(
      device,
      options.device === undefined,
      `webgpu: ${name} (${profile.name} kernels${fault})`,
      profile,
      {
        workgroupBytes: device.limits.maxComputeWorkgroupStorageSize,
        uniformBytes: device.limits.maxUniformBufferBindingSize,
        storageBytes: device.limits.maxStorageBufferBindingSize,
        loopIterations,
        ...options.limits,
      },
      pipelines,
      staging,
    );
  }

  /** Tensors that are not freed yet. */
  get liveTensors(): number {
    return this.#tensors.size;
  }

  /** Buffers that this device has made and not destroyed; those of imported tensors are not its. */
  get liveBuffers(): LiveBuffers {
    const buffers = [
      ...[...this.#tensors].filter(({ owned }) => owned).map(({ buffer }) => buffer),
      ...this.#scratch.values(),
      ...[...this.#prepared.values()].flatMap(({ scalars }) => scalars),
      ...this.#staging.buffers,
    ];
    return {
      count: buffers.length,
      bytes: buffers.reduce((sum, { size }) => sum + size, 0),
    };
  }

  /** Number of different kernels compiled so far. */
  get compiledKernels(): number {
    return this.#pipelines.size;
  }

  /** The device underneath, for sharing buffers with other users of it. */
  get gpuDevice(): GPUDevice {
    return this.#device;
  }

  tensor(label: string, shape: readonly number[], type: ElementType = "f32"): Tensor {
    this.#check();
    const size = shape.reduce((product, extent) => product * extent, 1);
    const bytes = bytesFor(size);
    const most = Math.min(this.#device.limits.maxBufferSize, this.limits.storageBytes);
    if (bytes > most) {
      throw new RunError(
        "gpu-memory",
        `Cannot allocate tensor "${label}" [${shape}]: ${bytes} bytes are wanted, this GPU binds ` +
          `at most ${most}; take fewer samples per iteration or --device cpu`,
      );
    }
    const buffer = this.#device.createBuffer({ label, size: bytes, usage: BUFFER_USAGE });
    const tensor: BufferTensor = { label, shape: [...shape], size, type, buffer, owned: true };
    this.#tensors.add(tensor);
    return tensor;
  }

  /** A tensor over a buffer that belongs to someone else; `free` leaves the buffer alone. */
  importBuffer(
    label: string,
    shape: readonly number[],
    buffer: GPUBuffer,
    type: ElementType = "f32",
  ): Tensor {
    this.#check();
    const size = shape.reduce((product, extent) => product * extent, 1);
    if (buffer.size < size * 4 || (buffer.usage & BUFFER_USAGE) !== BUFFER_USAGE) {
      throw new RunError(
        "buffer-import",
        `Cannot import buffer ${label} as [${shape}]: it has ${buffer.size} bytes and usage ` +
          `${buffer.usage}, wanted are ${size * 4} bytes and STORAGE, COPY_SRC and COPY_DST`,
      );
    }
    const tensor: BufferTensor = { label, shape: [...shape], size, type, buffer, owned: false };
    this.#tensors.add(tensor);
    return tensor;
  }

  /** Buffer behind a tensor of this device. */
  bufferOf(tensor: Tensor): GPUBuffer {
    return this.#own(tensor).buffer;
  }

  write(tensor: Tensor, data: ArrayLike<number>, offset = 0): void {
    this.#check();
    const { buffer, type, size, label, shape } = this.#own(tensor);
    if (offset + data.length > size) {
      throw new RunError(
        "tensor-range",
        `Cannot write ${data.length} numbers at ${offset} of ${label} [${shape}]: it has ${size}`,
      );
    }
    if (data.length === 0) return;
    // a copy where the element type differs or workers share the memory
    const Wanted = type === "u32" ? Uint32Array : Float32Array;
    const ready = data instanceof Wanted && data.buffer instanceof ArrayBuffer
      ? data as Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>
      : new Wanted(data);
    this.#device.queue.writeBuffer(buffer, offset * 4, ready);
  }

  async submit(commands: readonly Command[]): Promise<void> {
    this.#check();
    const device = this.#device;
    device.pushErrorScope("out-of-memory");
    device.pushErrorScope("internal");
    device.pushErrorScope("validation");
    let failed: unknown = null;
    let preparing: Command | null = null;
    try {
      const prepared: Prepared[] = [];
      for (const command of commands) {
        preparing = command;
        prepared.push(await this.#prepare(command));
      }
      preparing = null;
      this.#encode(prepared);
      this.#forgetOldest();
    } catch (error) {
      failed = error;
    }
    const kinds = ["validation", "internal", "out-of-memory"];
    let message: string | null = null;
    for (const kind of kinds) {
      const error = await device.popErrorScope();
      if (error !== null) message ??= `${kind} error: ${error.message}`;
    }
    if (failed instanceof RunError) throw failed;
    if (failed !== null) message ??= messageOf(failed);
    this.#check();
    if (message !== null) {
      throw this.#submitError(preparing === null ? commands : [preparing], message);
    }
  }

  async read(tensor: Tensor): Promise<HostArray> {
    this.#check();
    const { buffer, size, type } = this.#own(tensor);
    const bytes = await this.#staging.read(buffer, size * 4);
    this.#check();
    return type === "u32" ? new Uint32Array(bytes) : new Float32Array(bytes);
  }

  free(tensor: Tensor): void {
    const own = this.#own(tensor);
    this.#tensors.delete(own);
    this.#freed.add(own);
    if (own.owned) own.buffer.destroy();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const { owned, buffer } of this.#tensors) if (owned) buffer.destroy();
    this.#tensors.clear();
    for (const buffer of this.#scratch.values()) buffer.destroy();
    this.#scratch.clear();
    for (const { scalars } of this.#prepared.values()) {
      for (const buffer of scalars) buffer.destroy();
    }
    this.#prepared.clear();
    await this.#staging.close();
    if (this.#ownsDevice) this.#device.destroy();
  }

  #check(): void {
    if (this.#closed) {
      throw new RunError("device-closed", "Cannot use the WebGPU device: it was closed before");
    }
    if (this.#failure !== null) throw this.#failure;
  }

  #own(tensor: Tensor): BufferTensor {
    const own = tensor as BufferTensor;
    if (this.#tensors.has(own)) return own;
    const [code, reason] = this.#freed.has(tensor)
      ? ["freed-tensor", "it was freed before"]
      : ["foreign-tensor", "it belongs to another device"];
    throw new RunError(code, `Cannot use tensor ${tensor.label} [${tensor.shape}]: ${reason}`);
  }

  /** Names the kernels and their tensors; of many tensors, the largest. */
  #submitError(commands: readonly Command[], message: string): RunError {
    const names = [...new Set(commands.map((command) => command.kernel))].join(", ");
    const tensors = [...new Set(commands.flatMap(tensorsOf))];
    const named = commands.length === 1
      ? tensors
      : tensors.sort((a, b) => b.size - a.size).slice(0, NAMED_TENSORS);
    const sizes = named.map(({ label, shape }) => `${label} [${shape}]`).join(", ");
    return new RunError("gpu", `Cannot run ${names} (${sizes}): ${message.split("\n")[0]}`);
  }

  async #prepare(command: Command): Promise<Prepared> {
    const known = this.#prepared.get(command);
    if (known !== undefined) {
      for (const tensor of known.tensors) this.#own(tensor);
      this.#prepared.delete(command);
      this.#prepared.set(command, known);
      return known;
    }
    const context: PlanContext = {
      profile: this.profile,
      limits: this.limits,
      binding: (tensor) => ({ buffer: this.#own(tensor).buffer }),
      scratch: (slot, floats) => ({ buffer: this.#scratchBuffer(slot, floats) }),
      kernel: (key, build) => {
        const kernel = this.#kernels.get(key) ?? build();
        this.#kernels.set(key, kernel);
        return kernel;
      },
    };
    const steps: Step[] = [];
    const scalars: GPUBuffer[] = [];
    for (const dispatch of plan(command, context)) {
      steps.push(await this.#step(dispatch, scalars));
    }
    const prepared = { steps, tensors: tensorsOf(command), scalars };
    this.#prepared.set(command, prepared);
    return prepared;
  }

  /** Called when nothing is between being prepared and being submitted. */
  #forgetOldest(): void {
    for (const [command, { scalars }] of this.#prepared) {
      if (this.#prepared.size <= MAX_PREPARED) return;
      this.#prepared.delete(command);
      // what was submitted with them is done with them first
      for (const buffer of scalars) buffer.destroy();
    }
  }

  /** @param made receives the buffers that it makes */
  async #step(dispatch: Dispatch, made: GPUBuffer[]): Promise<Step> {
    const { kernel } = dispatch;
    const needed = kernel.iterations + kernel.iterationsPerUnit * (dispatch.units ?? 0);
    if (needed > this.limits.loopIterations) {
      throw new RunError(
        "loop-limit",
        `Cannot run ${kernel.name} (${kernel.sizes}): ${needed} loop iterations, this driver ` +
          `ends loops after ${this.limits.loopIterations}; take --device cpu`,
      );
    }
    const { pipeline, layout } = await this.#pipelines.get(kernel);
    const next = dispatch.next === undefined ? null : await this.#step(dispatch.next, made);
    return { kernel, pipeline, bindGroup: this.#bindGroup(dispatch, layout, made), dispatch, next };
  }

  #bindGroup(
    { kernel, buffers, scalars }: Dispatch,
    layout: GPUBindGroupLayout,
    made: GPUBuffer[],
  ): GPUBindGroup {
    const entries: GPUBindGroupEntry[] = buffers.map((resource, binding) => ({
      binding,
      resource,
    }));
    if (kernel.scalars.length > 0) {
      const lists = kernel.dynamicScalars
        ? scalars as readonly (readonly number[])[]
        : [scalars as readonly number[]];
      const size = bytesFor(kernel.scalars.length);
      const bytes = new ArrayBuffer((lists.length - 1) * SCALARS_STRIDE + size);
      const view = new DataView(bytes);
      lists.forEach((list, launch) => {
        kernel.scalars.forEach(({ type }, at) => {
          const place = launch * SCALARS_STRIDE + at * 4;
          if (type === "u32") view.setUint32(place, list[at], true);
          else view.setFloat32(place, list[at], true);
        });
      });
      const buffer = this.#device.createBuffer({
        label: `${kernel.name} args`,
        size: bytes.byteLength,
        usage: UNIFORM_USAGE,
      });
      made.push(buffer);
      this.#device.queue.writeBuffer(buffer, 0, new Uint8Array(bytes));
      entries.push({ binding: buffers.length, resource: { buffer, size } });
    }
    return this.#device.createBindGroup({ label: kernel.name, layout, entries });
  }

  /** Scratch memory is shared by all commands, which run one after the other. */
  #scratchBuffer(slot: string, floats: number): GPUBuffer {
    // powers of two, so that different sizes share few buffers
    const size = 2 ** Math.ceil(Math.log2(bytesFor(floats)));
    const bytes = size > this.limits.storageBytes ? bytesFor(floats) : size;
    if (bytes > this.limits.storageBytes) {
      throw new RunError(
        "gpu-memory",
        `Cannot allocate scratch memory "${slot}": ${bytes} bytes are wanted, this GPU binds at ` +
          `most ${this.limits.storageBytes}; take fewer samples or --device cpu`,
      );
    }
    const key = `${slot} ${bytes}`;
    const known = this.#scratch.get(key);
    if (known !== undefined) return known;
    const buffer = this.#device.createBuffer({ label: key, size: bytes, usage: SCRATCH_USAGE });
    this.#scratch.set(key, buffer);
    return buffer;
  }

  #encode(prepared: readonly Prepared[]): void {
    let encoder = this.#device.createCommandEncoder();
    let pass = encoder.beginComputePass();
    let launches = 0;
    const finish = () => {
      pass.end();
      this.#device.queue.submit([encoder.finish()]);
    };
    const launch = ({ kernel, pipeline, bindGroup, dispatch }: Step, number: number) => {
      if (launches === MAX_LAUNCHES) {
        finish();
        encoder = this.#device.createCommandEncoder();
        pass = encoder.beginComputePass();
        launches = 0;
      }
      launches++;
      const { dynamicOffsets, grid: [x, y, z] } = dispatch;
      const offsets: number[] = [];
      for (const { dynamic } of kernel.bindings) {
        if (dynamic === true) offsets.push(dynamicOffsets![number]);
      }
      if (kernel.dynamicScalars) offsets.push(number * SCALARS_STRIDE);
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup, offsets);
      pass.dispatchWorkgroups(x, y, z);
    };
    for (const { steps } of prepared) {
      for (const step of steps) {
        const count = launchesOf(step.dispatch);
        for (let number = 0; number < count; number++) {
          for (let at: Step | null = step; at !== null; at = at.next) launch(at, number);
        }
      }
    }
    finish();
  }
}

/** Runs the loop probe; see loop_probe.ts. */
async function countLoopIterations(
  device: GPUDevice,
  pipelines: PipelineCache,
  staging: StagingPool,
): Promise<number> {
  const kernel = loopProbeKernel();
  const { pipeline, layout } = await pipelines.get(kernel);
  const out = device.createBuffer({ size: 16, usage: BUFFER_USAGE });
  const args = device.createBuffer({ size: 16, usage: UNIFORM_USAGE });
  device.queue.writeBuffer(args, 0, new Uint32Array([PROBE_ITERATIONS, 0, 0, 0]));
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(
    0,
    device.createBindGroup({
      layout,
      entries: [out, args].map((buffer, binding) => ({ binding, resource: { buffer } })),
    }),
  );
  pass.dispatchWorkgroups(1);
  pass.end();
  device.queue.submit([encoder.finish()]);
  const [counted] = new Uint32Array(await staging.read(out, 16));
  out.destroy();
  args.destroy();
  return counted;
}
