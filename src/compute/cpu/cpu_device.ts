/**
 * The cpu device: SIMD WASM kernels over one shared memory, on a pool of worker threads. The
 * calling thread stays responsive: it only plans, wakes the workers and awaits them. Lists of
 * commands that are too small to be worth waking anyone run at once on the calling thread, as do
 * all lists where one thread was asked for; long lists without parallel work take one worker. Results do not depend on the number of threads.
 */
import { messageOf, RunError } from "../../util/errors.ts";
import type { Device, ElementType, HostArray, Tensor } from "../device.ts";
import type { Command } from "../kernels.ts";
import { CpuMemory } from "./cpu_memory.ts";
import type { WorkerReply, WorkerRequest } from "./cpu_worker.ts";
import {
  abortJob,
  jobFailed,
  type PassFailure,
  RECORD_WORDS,
  writeHeader,
  writeRecord,
} from "./job.ts";
import { type KernelModule, kernelModule, type SimdLevel } from "./kernel_module.ts";
import { ARGS_BYTES, describePlan, type Pass, type Plan } from "./plan.ts";
import { cpuWorkerUrl } from "./worker_url.ts";

/** How a cpu device is set up. */
export interface CpuDeviceOptions {
  /** Threads that compute, by default all cores. Changes no result. */
  readonly threads?: number;
  /** Which build of the kernels, by default the best that the engine can run. */
  readonly simd?: SimdLevel;
  /** Upper limit of the device's memory, by default (and at most) 4 GiB. */
  readonly maxBytes?: number;
}

/** Operations below which a list is done sooner than a thread is awake. */
const INLINE_FLOPS = 2e6;

/** Bytes of a record in a job's table. */
const RECORD_BYTES = 4 * RECORD_WORDS;

function kernelError(plan: Plan, reason: string): RunError {
  return new RunError("kernel-failed", `Kernel ${describePlan(plan)} failed: ${reason}`);
}

/** A job that the workers are at. */
interface RunningJob {
  readonly plans: readonly Plan[];
  readonly resolve: () => void;
  readonly reject: (error: RunError) => void;
  failure: PassFailure | null;
  done: boolean;
}

/** SIMD WASM on several threads; see the module's header. */
export class CpuDevice implements Device {
  /** Name of the backend. */
  readonly kind = "cpu";
  readonly description: string;
  /** Threads that compute. */
  readonly threads: number;
  readonly #memory: CpuMemory;
  readonly #workers: Worker[] = [];
  #job: RunningJob | null = null;
  #closed = false;
  /** Why no job can run any more: a worker died. */
  #broken: RunError | null = null;

  private constructor(kernels: KernelModule, threads: number, maxBytes: number | undefined) {
    this.threads = threads;
    this.#memory = new CpuMemory(kernels, maxBytes);
    const simd = kernels.simd === "relaxed" ? "relaxed SIMD (fused multiply-add)" : "SIMD";
    this.description = `cpu: WASM ${simd}, ${threads} ${threads === 1 ? "thread" : "threads"}`;
  }

  /**
   * Opens a device and starts its threads.
   *
   * @throws RunError `worker-failed` where a thread can't be started
   */
  static async create(options: CpuDeviceOptions = {}): Promise<CpuDevice> {
    const threads = Math.max(1, Math.floor(options.threads ?? navigator.hardwareConcurrency));
    const kernels = kernelModule(options.simd);
    const device = new CpuDevice(kernels, threads, options.maxBytes);
    try {
      if (threads > 1) await device.#startWorkers(kernels);
    } catch (error) {
      await device.close();
      throw error;
    }
    return device;
  }

  /** Tensors that were created and not freed. */
  get liveTensors(): number {
    return this.#memory.liveTensors;
  }

  /** Bytes in use, scratch memory included. */
  get bytesUsed(): number {
    return this.#memory.bytesUsed;
  }

  tensor(label: string, shape: readonly number[], type: ElementType = "f32"): Tensor {
    return this.#memory.tensor(label, shape, type);
  }

  /**
   * The tensor's numbers themselves, no copy; valid until the tensor is freed. Must not be
   * written to while commands are running.
   */
  view(tensor: Tensor): Float32Array | Uint32Array {
    return this.#memory.view(tensor);
  }

  write(tensor: Tensor, data: ArrayLike<number>, offset = 0): void {
    const view = this.#memory.view(tensor);
    if (offset + data.length > view.length) {
      throw new RunError(
        "tensor-range",
        `Cannot write ${data.length} numbers at ${offset} of ${tensor.label} [${tensor.shape}]: ` +
          `it has ${tensor.size}`,
      );
    }
    view.set(data, offset);
  }

  async submit(commands: readonly Command[]): Promise<void> {
    this.#checkOpen();
    const plans = commands.map((command) => this.#memory.plan(command));
    const passes = plans.flatMap((plan) => plan.passes);
    const flops = plans.reduce((sum, plan) => sum + plan.flops, 0);
    const scratch = Math.max(0, ...plans.map((plan) => plan.scratchBytes));
    const workspace = Math.max(0, ...plans.map((plan) => plan.workspaceBytes));
    const items = Math.max(0, ...passes.map((pass) => pass.items));
    const threads = Math.min(this.#workers.length, items);
    const inline = threads === 0 || flops < INLINE_FLOPS;
    // 64 bytes more keep the threads' scratch on different cache lines
    const stride = Math.ceil((scratch + 64) / 64) * 64;
    const scratchAddress = this.#memory.scratch(stride, inline ? 1 : threads);
    const workspaceAddress = this.#memory.workspace(workspace);
    const table = this.#writeTable(passes);
    if (inline) {
      this.#runInline(plans, table, scratchAddress, workspaceAddress);
      return;
    }
    writeHeader(new Int32Array(this.#memory.memory.buffer), {
      records: table,
      passes: passes.length,
      scratch: scratchAddress,
      scratchStride: stride,
      workspace: workspaceAddress,
      threads,
    });
    await new Promise<void>((resolve, reject) => {
      this.#job = { plans, resolve, reject, failure: null, done: false };
      for (let thread = 0; thread < threads; thread++) this.#post(thread, { type: "run" });
    });
  }

  // deno-lint-ignore require-await -- the interface is asynchronous, this memory is not
  async read(tensor: Tensor): Promise<HostArray> {
    this.#checkOpen();
    const view = this.#memory.view(tensor);
    // a copy outside of the shared memory
    return view instanceof Uint32Array ? new Uint32Array(view) : new Float32Array(view);
  }

  free(tensor: Tensor): void {
    this.#memory.free(tensor);
  }

  close(): Promise<void> {
    this.#closed = true;
    if (this.#job !== null) abortJob(new Int32Array(this.#memory.memory.buffer));
    for (const worker of this.#workers) worker.terminate();
    this.#workers.length = 0;
    this.#fail(new RunError("device-closed", "The cpu device was closed while commands ran"));
    return Promise.resolve();
  }

  #checkOpen(): void {
    if (this.#broken !== null) throw this.#broken;
    if (this.#closed) {
      throw new RunError("device-closed", "Cannot use the cpu device: it was closed before");
    }
    if (this.#job !== null) {
      throw new RunError(
        "device-busy",
        "Cannot use the cpu device: commands are still running; await the last call first",
      );
    }
  }

  /** Writes records and, behind them, arguments of all passes; returns the table's address. */
  #writeTable(passes: readonly Pass[]): number {
    const records = this.#memory.table(passes.length * (RECORD_BYTES + ARGS_BYTES));
    const words = new Int32Array(this.#memory.memory.buffer);
    passes.forEach(({ id, items, args }, index) => {
      const address = records + passes.length * RECORD_BYTES + index * ARGS_BYTES;
      words.set(args, address / 4);
      writeRecord(words, records, index, { id, items, args: address });
    });
    return records;
  }

  #runInline(plans: readonly Plan[], table: number, scratch: number, workspace: number): void {
    const passes = plans.flatMap((plan) => plan.passes);
    let args = table + passes.length * RECORD_BYTES;
    for (const plan of plans) {
      for (const { name, items } of plan.passes) {
        const run = this.#memory.exports[name];
        try {
          for (let item = 0; item < items; item++) run(args, item, scratch, workspace);
        } catch (error) {
          throw kernelError(plan, messageOf(error));
        }
        args += ARGS_BYTES;
      }
    }
  }

  #post(thread: number, request: WorkerRequest): void {
    this.#workers[thread].postMessage(request);
  }

  async #startWorkers(kernels: KernelModule): Promise<void> {
    const ready: Promise<void>[] = [];
    for (let thread = 0; thread < this.threads; thread++) {
      const worker = new Worker(cpuWorkerUrl(), { type: "module", name: `kernels ${thread}` });
      this.#workers.push(worker);
      ready.push(
        new Promise((resolve, reject) => {
          worker.onmessage = ({ data }: MessageEvent<WorkerReply>) => {
            if (data.type === "ready") resolve();
            else this.#receive(data);
          };
          worker.onerror = (event) => {
            event.preventDefault();
            const error = new RunError(
              "worker-failed",
              `Thread ${thread} of the cpu device failed: ${event.message}`,
            );
            this.#broken = error;
            this.#fail(error);
            reject(error);
          };
        }),
      );
      const { module } = kernels;
      this.#post(thread, { type: "setup", module, memory: this.#memory.memory, thread });
    }
    await Promise.all(ready);
  }

  #receive(reply: Exclude<WorkerReply, { type: "ready" }>): void {
    const job = this.#job;
    if (job === null) return;
    if (reply.type === "failed") job.failure = reply.failure;
    else job.done = true;
    if (!job.done) return;
    if (!jobFailed(new Int32Array(this.#memory.memory.buffer))) {
      this.#job = null;
      job.resolve();
    } else if (job.failure !== null) {
      // otherwise the message that says why is still on its way
      const { pass, reason } = job.failure;
      const passes = job.plans.flatMap((plan) => plan.passes.map(() => plan));
      this.#fail(kernelError(passes[pass], reason));
    }
  }

  /** Rejects the running job, if there is one. */
  #fail(error: RunError): void {
    const job = this.#job;
    this.#job = null;
    job?.reject(error);
  }
}
