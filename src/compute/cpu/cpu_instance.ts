/**
 * The kernels on the calling thread: one WASM instance over its own memory, synchronous. Made for
 * sampling workers, which call small kernels once per environment step; a whole device for the
 * outer step is cpu_device.ts.
 */
import type { ElementType, Tensor } from "../device.ts";
import type { Command } from "../kernels.ts";
import { ARGS_ADDRESS, CpuMemory } from "./cpu_memory.ts";
import { kernelModule, type PassFunction, type SimdLevel } from "./kernel_module.ts";

/** Synchronous kernels with their own memory. */
export class CpuInstance {
  readonly #memory: CpuMemory;
  /** `relaxed` or `plain`, see `SimdLevel`. */
  readonly simd: SimdLevel;
  #scratch = 0;
  #workspace = 0;

  /**
   * New instance with a memory of its own. @param options.simd which build of the kernels; by
   * default the best that can run
   */
  constructor(options: { readonly simd?: SimdLevel } = {}) {
    const kernels = kernelModule(options.simd);
    this.simd = kernels.simd;
    this.#memory = new CpuMemory(kernels);
  }

  /** Tensors that were created and not freed. */
  get liveTensors(): number {
    return this.#memory.liveTensors;
  }

  /** New tensor, filled with zeros. */
  tensor(label: string, shape: readonly number[], type: ElementType = "f32"): Tensor {
    return this.#memory.tensor(label, shape, type);
  }

  /**
   * The tensor's numbers themselves: writing to the array writes to the tensor. The array stays
   * valid until the tensor is freed.
   */
  view(tensor: Tensor): Float32Array | Uint32Array {
    return this.#memory.view(tensor);
  }

  /** Gives the tensor's memory back. */
  free(tensor: Tensor): void {
    this.#memory.free(tensor);
  }

  /**
   * Checks a command and returns a function that runs it, as often as wanted, on whatever its
   * tensors then hold. Calling it costs about a microsecond more than the work itself. The
   * command's tensors must not be freed as long as it is in use.
   */
  prepare(command: Command): () => void {
    const { passes, scratchBytes, workspaceBytes } = this.#memory.plan(command);
    this.#scratch = this.#memory.scratch(scratchBytes, 1);
    this.#workspace = this.#memory.workspace(workspaceBytes);
    const words = new Int32Array(this.#memory.memory.buffer, ARGS_ADDRESS);
    const steps = passes.map(({ name, items, args }) => {
      const fn: PassFunction = this.#memory.exports[name];
      return () => {
        words.set(args);
        for (let item = 0; item < items; item++) {
          fn(ARGS_ADDRESS, item, this.#scratch, this.#workspace);
        }
      };
    });
    if (steps.length === 1) return steps[0];
    return () => {
      for (const step of steps) step();
    };
  }

  /** Runs a command once. */
  run(command: Command): void {
    this.prepare(command)();
  }
}
