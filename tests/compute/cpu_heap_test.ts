import assert from "node:assert/strict";
import { Heap } from "../../src/compute/cpu/heap.ts";
import { RunError } from "../../src/util/errors.ts";
import { testRandom } from "./compare.ts";

const BASE = 4096;

function newHeap(maximum: number): { heap: Heap; memory: WebAssembly.Memory } {
  const memory = new WebAssembly.Memory({ initial: 1, maximum, shared: true });
  return { heap: new Heap(memory, BASE), memory };
}

Deno.test("Heap gives aligned blocks that never overlap, whatever the order of releases", () => {
  const { heap, memory } = newHeap(64);
  const random = testRandom(3);
  const blocks: { address: number; bytes: number }[] = [];
  for (let round = 0; round < 2000; round++) {
    if (blocks.length > 0 && random.integer(5) < 2) {
      const [{ address }] = blocks.splice(random.integer(blocks.length), 1);
      heap.release(address);
    } else {
      const bytes = random.integer(3000);
      const address = heap.allocate(bytes, "a block");
      assert.equal(address % 16, 0);
      assert.ok(address >= BASE && address + bytes <= memory.buffer.byteLength);
      for (const other of blocks) {
        assert.ok(address + bytes <= other.address || other.address + other.bytes <= address);
      }
      blocks.push({ address, bytes });
    }
  }
  for (const { address } of blocks) heap.release(address);
  assert.equal(heap.bytesUsed, 0);
  // all neighbours were joined: everything fits again in one piece, without growing
  const size = memory.buffer.byteLength;
  heap.allocate(size - BASE, "everything");
  assert.equal(memory.buffer.byteLength, size);
});

Deno.test("Heap.allocate() grows the memory by what is missing, up to its maximum", () => {
  const { heap, memory } = newHeap(4);
  heap.allocate(65536 - BASE, "the first page");
  heap.allocate(3 * 65536, "the other three");
  assert.equal(memory.buffer.byteLength, 4 * 65536);
});

Deno.test("Heap.allocate() names sizes and purpose where memory is short", () => {
  const { heap } = newHeap(16);
  const address = heap.allocate(65536, "a page");
  assert.throws(() => heap.allocate(2 ** 20, "obs [2000, 131]"), (error: unknown) => {
    assert.ok(error instanceof RunError);
    assert.equal(error.code, "out-of-memory");
    assert.match(error.message, /1\.0 MiB for obs \[2000, 131\].* 0\.1 MiB are in use/);
    return true;
  });
  // a failure takes nothing
  heap.release(address);
  assert.equal(heap.bytesUsed, 0);
});

Deno.test("Heap.release() refuses what is not in use", () => {
  const { heap } = newHeap(1);
  const address = heap.allocate(16, "a block");
  heap.release(address);
  assert.throws(() => heap.release(address), RangeError);
});
