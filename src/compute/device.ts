/**
 * What every backend offers: memory and the execution of command lists. Algorithms are written
 * against this interface once and run on any device.
 */
import type { Command } from "./kernels.ts";

/** Where the kernels run. */
export type DeviceKind = "webgpu" | "cpu" | "reference";

/** Element type; `f32` stands for float64 on the reference device. */
export type ElementType = "f32" | "u32";

/** Memory of one array on a device, row-major and dense. Owned by whoever created it. */
export interface Tensor {
  /** Name for error messages. */
  readonly label: string;
  /** Extent of every axis. */
  readonly shape: readonly number[];
  /** Number of elements. */
  readonly size: number;
  /** Element type. */
  readonly type: ElementType;
}

/** Floating-point numbers on the host. */
export type HostNumbers = Float32Array | Float64Array;

/** Numbers read back from a device. */
export type HostArray = HostNumbers | Uint32Array;

/** A compute device. Not re-entrant: await one call before the next `submit` or `read`. */
export interface Device {
  /** Name of the backend. */
  readonly kind: DeviceKind;
  /** One line for people: backend, hardware, driver or SIMD level, threads. */
  readonly description: string;
  /** New tensor, filled with zeros. */
  tensor(label: string, shape: readonly number[], type?: ElementType): Tensor;
  /** Copies `data` to the tensor, from element `offset` on. */
  write(tensor: Tensor, data: ArrayLike<number>, offset?: number): void;
  /**
   * Runs the commands in order. Resolves when they are done or safely queued; an error in any of
   * them rejects this call or the next `read` with the kernel's name and sizes.
   * Submitting the same command object again is cheap: what was prepared for it is kept.
   */
  submit(commands: readonly Command[]): Promise<void>;
  /** Copy of the tensor's content after all submitted commands. */
  read(tensor: Tensor): Promise<HostArray>;
  /** Gives the tensor's memory back. A freed tensor must not be used again. */
  free(tensor: Tensor): void;
  /** Frees everything, stops workers. */
  close(): Promise<void>;
}
