/**
 * Tensors in a shared WASM memory, and plans of commands over them: what a single instance
 * (cpu_instance.ts) and the threaded device (cpu_device.ts) have in common.
 */
import { RunError } from "../../util/errors.ts";
import type { ElementType, Tensor } from "../device.ts";
import type { Command } from "../kernels.ts";
import { Heap } from "./heap.ts";
import { instantiateKernels, type KernelExports, type KernelModule } from "./kernel_module.ts";
import { ARGS_BYTES, type Plan, planCommand, type PlanContext } from "./plan.ts";

/** Largest size of a WASM memory in pages of 64 KiB: 4 GiB. */
const MAX_PAGES = 65536;

/** Where the job's control words lie (job.ts), behind the constants of the WASM module. */
export const CONTROL_ADDRESS = 1024;
/** Where one argument struct has its place. */
export const ARGS_ADDRESS = 2048;
/** Scratch memory for the size functions, which write a layout table. */
const PROBE_ADDRESS = ARGS_ADDRESS + ARGS_BYTES;
const HEAP_ADDRESS = 4096;

/** A tensor in WASM memory. */
class CpuTensor implements Tensor {
  live = true;
  constructor(
    readonly owner: CpuMemory,
    readonly label: string,
    readonly shape: readonly number[],
    readonly size: number,
    readonly type: ElementType,
    readonly address: number,
  ) {}
}

/** Memory, tensors and kernels of one backend object. */
export class CpuMemory implements PlanContext {
  readonly memory: WebAssembly.Memory;
  /** The kernels on the calling thread. */
  readonly exports: KernelExports;
  readonly #heap: Heap;
  readonly #plans = new WeakMap<Command, Plan>();
  #live = 0;
  #scratch = { address: 0, bytes: 0 };
  #workspace = { address: 0, bytes: 0 };
  #table = { address: 0, bytes: 0 };

  /** New memory without tensors. @param maxBytes upper limit of the memory, at most 4 GiB */
  constructor(kernels: KernelModule, maxBytes = MAX_PAGES * 65536) {
    const maximum = Math.max(1, Math.min(MAX_PAGES, Math.floor(maxBytes / 65536)));
    this.memory = new WebAssembly.Memory({ initial: 1, maximum, shared: true });
    this.exports = instantiateKernels(kernels.module, this.memory);
    this.#heap = new Heap(this.memory, HEAP_ADDRESS);
  }

  /** Tensors that were created and not freed. */
  get liveTensors(): number {
    return this.#live;
  }

  /** Bytes in use, scratch memory included. */
  get bytesUsed(): number {
    return this.#heap.bytesUsed;
  }

  /** New tensor, filled with zeros. */
  tensor(label: string, shape: readonly number[], type: ElementType): Tensor {
    const size = shape.reduce((product, extent) => product * extent, 1);
    const address = this.#heap.allocate(4 * size, `${label} [${shape}]`);
    new Uint8Array(this.memory.buffer, address, Math.ceil(size / 4) * 16).fill(0);
    this.#live++;
    return new CpuTensor(this, label, [...shape], size, type, address);
  }

  /** Gives the tensor's memory back; freeing twice is an error. */
  free(tensor: Tensor): void {
    const own = this.#own(tensor);
    own.live = false;
    this.#live--;
    this.#heap.release(own.address);
  }

  /** The tensor's memory itself, no copy; valid until the tensor is freed. */
  view(tensor: Tensor): Float32Array | Uint32Array {
    const { address, size, type } = this.#own(tensor);
    return type === "u32"
      ? new Uint32Array(this.memory.buffer, address, size)
      : new Float32Array(this.memory.buffer, address, size);
  }

  addressOf(tensor: Tensor): number {
    return this.#own(tensor).address;
  }

  measure(name: Parameters<PlanContext["measure"]>[0], args: Int32Array): number {
    new Int32Array(this.memory.buffer, ARGS_ADDRESS, args.length).set(args);
    return this.exports[name](ARGS_ADDRESS, PROBE_ADDRESS) >>> 0;
  }

  /** The plan of a command; kept as long as the command object lives. */
  plan(command: Command): Plan {
    let plan = this.#plans.get(command);
    if (plan === undefined) {
      plan = planCommand(command, this);
      this.#plans.set(command, plan);
    } else {
      for (const tensor of plan.tensors) this.#own(tensor);
    }
    return plan;
  }

  /** Address of scratch memory for `threads` threads, `bytes` each. Grows as needed. */
  scratch(bytes: number, threads: number): number {
    return this.#reserve(this.#scratch, bytes * threads, "scratch memory");
  }

  /** Address of the memory that the passes of a command share. Grows as needed. */
  workspace(bytes: number): number {
    return this.#reserve(this.#workspace, bytes, "partial sums");
  }

  /** Address of the table of a device's job. Grows as needed; growing loses the content. */
  table(bytes: number): number {
    return this.#reserve(this.#table, bytes, "the table of commands");
  }

  #reserve(region: { address: number; bytes: number }, bytes: number, label: string): number {
    if (bytes > region.bytes) {
      if (region.bytes > 0) this.#heap.release(region.address);
      region.bytes = 0;
      region.address = this.#heap.allocate(bytes, label);
      region.bytes = bytes;
    }
    return region.address;
  }

  #own(tensor: Tensor): CpuTensor {
    if (!(tensor instanceof CpuTensor) || tensor.owner !== this) {
      throw new RunError(
        "foreign-tensor",
        `Cannot use tensor ${tensor.label} [${tensor.shape}]: it belongs to another device`,
      );
    }
    if (!tensor.live) {
      throw new RunError(
        "freed-tensor",
        `Cannot use tensor ${tensor.label} [${tensor.shape}]: it was freed before`,
      );
    }
    return tensor;
  }
}
