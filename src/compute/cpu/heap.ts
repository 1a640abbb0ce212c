/**
 * Blocks of a WASM memory: first fit over a sorted list of free blocks, neighbours joined when
 * freed. Meant for some hundred long-lived tensors, not for many small objects.
 */
import { RunError } from "../../util/errors.ts";

/** Size of a WASM page in bytes. */
const PAGE = 65536;

/** Blocks start at multiples of this many bytes and their sizes are multiples of it. */
const ALIGNMENT = 16;

interface Block {
  address: number;
  bytes: number;
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

/** Allocator over a growing WASM memory. */
export class Heap {
  readonly #memory: WebAssembly.Memory;
  /** Free blocks, ascending, never adjacent. */
  readonly #free: Block[] = [];
  readonly #used = new Map<number, number>();
  #bytesUsed = 0;

  /**
   * Takes over the memory from `base` on. @param base first address that may be handed out, a
   * multiple of 16
   */
  constructor(memory: WebAssembly.Memory, base: number) {
    this.#memory = memory;
    this.#free.push({ address: base, bytes: memory.buffer.byteLength - base });
  }

  /** Bytes handed out and not given back. */
  get bytesUsed(): number {
    return this.#bytesUsed;
  }

  /**
   * A block of at least `bytes` bytes, 16-byte aligned, of any content.
   *
   * @param label what it is for, in the error message
   * @throws RunError `out-of-memory`
   */
  allocate(bytes: number, label: string): number {
    const size = Math.max(ALIGNMENT, Math.ceil(bytes / ALIGNMENT) * ALIGNMENT);
    let index = this.#free.findIndex((block) => block.bytes >= size);
    if (index < 0) {
      this.#grow(size, label);
      index = this.#free.length - 1;
    }
    const block = this.#free[index];
    const address = block.address;
    if (block.bytes === size) this.#free.splice(index, 1);
    else {
      block.address += size;
      block.bytes -= size;
    }
    this.#used.set(address, size);
    this.#bytesUsed += size;
    return address;
  }

  /** Gives a block back. */
  release(address: number): void {
    const bytes = this.#used.get(address);
    if (bytes === undefined) throw new RangeError(`Cannot release ${address}: not a block in use`);
    this.#used.delete(address);
    this.#bytesUsed -= bytes;
    this.#insert({ address, bytes });
  }

  /** Puts a free block into the list and joins it with its neighbours. */
  #insert(block: Block): void {
    let low = 0, high = this.#free.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#free[middle].address < block.address) low = middle + 1;
      else high = middle;
    }
    this.#free.splice(low, 0, block);
    this.#join(low);
    if (low > 0) this.#join(low - 1);
  }

  #join(index: number): void {
    const block = this.#free[index], next = this.#free[index + 1];
    if (next === undefined || block.address + block.bytes !== next.address) return;
    block.bytes += next.bytes;
    this.#free.splice(index + 1, 1);
  }

  /** Grows the memory so that its last block holds `bytes`. */
  #grow(bytes: number, label: string): void {
    const end = this.#memory.buffer.byteLength;
    const last = this.#free.at(-1);
    const tail = last !== undefined && last.address + last.bytes === end ? last.bytes : 0;
    const needed = Math.ceil((bytes - tail) / PAGE);
    // an eighth more saves growing again for every tensor; where that fails, just what is needed
    const pages = Math.max(needed, Math.ceil(end / PAGE / 8));
    for (const extent of [pages, needed]) {
      try {
        this.#memory.grow(extent);
        this.#insert({ address: end, bytes: extent * PAGE });
        return;
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
      }
    }
    throw new RunError(
      "out-of-memory",
      `Cannot allocate ${megabytes(bytes)} for ${label} on the cpu device: ` +
        `${megabytes(this.#bytesUsed)} are in use and the memory can't grow; ` +
        "use a smaller meta-batch or shorter rollouts",
    );
  }
}
