/**
 * Reads GPU buffers back. Awaiting `mapAsync` costs at least 10 ms in Deno, which polls its timer
 * after the GPU is done. A buffer that has been mapped before can be mapped without awaiting:
 * `mapAsync` itself blocks until the GPU is done, and the mapped range is there at once. Each
 * staging buffer is therefore mapped with await the first time and without it afterwards.
 */
import { messageOf, RunError } from "../../util/errors.ts";

const STAGING_USAGE = 0x1 | 0x8; // MAP_READ | COPY_DST
const MAP_READ = 1;

/** Staging buffers of one device, by size. */
export class StagingPool {
  /** Buffers that have been mapped before. */
  readonly #buffers = new Map<number, GPUBuffer>();
  /** Promises of maps that were not awaited. */
  readonly #pending = new Set<Promise<void>>();

  constructor(readonly device: GPUDevice) {}

  /** Buffers that are kept. */
  get buffers(): Iterable<GPUBuffer> {
    return this.#buffers.values();
  }

  /** Copy of the first `bytes` bytes of the buffer, after all submitted work. */
  async read(source: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    if (bytes === 0) return new ArrayBuffer(0);
    const size = 2 ** Math.ceil(Math.log2(Math.max(256, bytes)));
    const primed = this.#buffers.get(size);
    const buffer = primed ??
      this.device.createBuffer({ label: `read ${size}`, size, usage: STAGING_USAGE });
    try {
      await this.#copy(source, buffer, bytes);
      const mapped = buffer.mapAsync(MAP_READ, 0, bytes);
      if (primed === undefined) await mapped;
      else this.#keep(mapped);
      const copy = await this.#copyOut(buffer, bytes, mapped);
      buffer.unmap();
      this.#buffers.set(size, buffer);
      return copy;
    } catch (error) {
      this.#buffers.delete(size);
      throw new RunError(
        "gpu-read",
        `Cannot read ${bytes} bytes from the GPU: ${messageOf(error)}`,
        {
          cause: error,
        },
      );
    }
  }

  /** Waits for what is under way and frees the buffers. */
  async close(): Promise<void> {
    await Promise.all(this.#pending);
    for (const buffer of this.#buffers.values()) buffer.destroy();
    this.#buffers.clear();
  }

  /** Without its own error scope a failed copy would leave old numbers to be read. */
  async #copy(source: GPUBuffer, target: GPUBuffer, bytes: number): Promise<void> {
    this.device.pushErrorScope("validation");
    const encoder = this.device.createCommandEncoder();
    encoder.copyBufferToBuffer(source, 0, target, 0, bytes);
    this.device.queue.submit([encoder.finish()]);
    const error = await this.device.popErrorScope();
    if (error !== null) throw error;
  }

  #keep(mapped: Promise<unknown>): void {
    const settled: Promise<void> = mapped.then(() => {}, () => {}).finally(() => {
      this.#pending.delete(settled);
    });
    this.#pending.add(settled);
  }

  async #copyOut(buffer: GPUBuffer, bytes: number, mapped: Promise<unknown>): Promise<ArrayBuffer> {
    try {
      return buffer.getMappedRange(0, bytes).slice(0);
    } catch {
      // a runtime whose mapAsync does not block
      await mapped;
      return buffer.getMappedRange(0, bytes).slice(0);
    }
  }
}
