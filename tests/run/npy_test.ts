import assert from "node:assert/strict";
import { readDataFile } from "../../src/run/data_file.ts";
import { type NpyArray, readNpy, writeNpy } from "../../src/run/npy.ts";
import { readNpz, writeNpz } from "../../src/run/npz.ts";
import { UserError } from "../../src/util/errors.ts";
import { expected, fixture, mistreat, refuses } from "./fixture.ts";

const block: number[][][] = expected("expected_numpy.json").block;

Deno.test("readNpy() reads what numpy wrote, in any byte order and axis order", () => {
  const read = (name: string) => readNpy(fixture(name), name);
  assert.deepEqual(read("float64.npy"), {
    type: "float64",
    shape: [2, 3, 4],
    data: Float64Array.from(block.flat(2)),
  });
  assert.deepEqual(read("float32_fortran.npy"), {
    type: "float32",
    shape: [2, 3, 4],
    data: Float32Array.from(block.flat(2)),
  });
  assert.deepEqual(read("float64_big_endian_fortran.npy"), {
    type: "float64",
    shape: [3, 4],
    data: Float64Array.from(block[0].flat()),
  });
  assert.deepEqual(read("int64_big_endian.npy"), {
    type: "int64",
    shape: [2, 3],
    data: BigInt64Array.of(1n, -2n, 3n, 2n ** 40n, 5n, -6n),
  });
  assert.deepEqual(read("bool.npy"), { type: "bool", shape: [3], data: Uint8Array.of(1, 0, 1) });
  assert.deepEqual(read("number.npy"), {
    type: "float64",
    shape: [],
    data: Float64Array.of(2.5),
  });
});

Deno.test("writeNpy() writes the bytes that numpy writes", () => {
  for (const name of ["float64.npy", "bool.npy", "number.npy", "mismatches.npy"]) {
    assert.deepEqual(writeNpy(readNpy(fixture(name), name)), fixture(name), name);
  }
});

Deno.test("readNpy() gives back what writeNpy() was given", () => {
  const arrays: NpyArray[] = [
    { type: "float64", shape: [3], data: Float64Array.of(1, NaN, -Infinity) },
    { type: "float32", shape: [2, 1], data: Float32Array.of(0.1, -0) },
    { type: "int64", shape: [1, 1, 2], data: BigInt64Array.of(-5n, 2n ** 62n) },
    { type: "int32", shape: [2], data: Int32Array.of(-1, 7) },
    { type: "uint8", shape: [0], data: new Uint8Array(0) },
    { type: "bool", shape: [2], data: Uint8Array.of(0, 1) },
    // a part of a larger buffer; the file's bytes are in one too
    { type: "float64", shape: [2], data: new Float64Array([9, 1, 2, 9]).subarray(1, 3) },
  ];
  for (const array of arrays) {
    const file = writeNpy(array);
    assert.equal(file.length % 64, (array.data.byteLength) % 64);
    const shifted = new Uint8Array(file.length + 3);
    shifted.set(file, 3);
    assert.deepEqual(readNpy(shifted.subarray(3), "x"), array);
  }
  assert.throws(
    () => writeNpy({ type: "uint8", shape: [3], data: new Uint8Array(2) }),
    RangeError,
  );
});

Deno.test("readNpy() refuses in one line what is no whole array of numbers", () => {
  const read = (file: Uint8Array) => () => readNpy(file, "a/b.npy");
  const file = fixture("float64.npy");
  refuses(read(new Uint8Array(0)), "a/b.npy", /it is empty/);
  refuses(read(new TextEncoder().encode("1,2,3\n4,5,6\n")), "a/b.npy", /not a \.npy file/);
  refuses(read(file.subarray(0, -1)), "a/b.npy", /191 bytes of elements.*\[2, 3, 4\] needs 192/);
  refuses(read(new Uint8Array([...file, 0])), "a/b.npy", /193 bytes of elements/);
  refuses(read(file.subarray(0, 60)), "a/b.npy", /ends in its header/);
  refuses(read(file.map((byte, i) => i === 6 ? 9 : byte)), "a/b.npy", /version 9/);
  refuses(read(fixture("records.npy")), "a/b.npy", /no description of an array of numbers/);
  refuses(read(fixture("trajectories.npy")), "a/b.npy", /array of Python objects/);
  // one character per byte
  const text = String.fromCharCode(...file);
  const edited = (from: string, to: string) =>
    Uint8Array.from(text.replace(from, to), (character) => character.charCodeAt(0));
  refuses(read(edited("<f8", "<c8")), "a/b.npy", /type "c8"; save them as float64/);
  refuses(
    read(edited("(2, 3, 4), }             ", "(9999999999999999999,), }")),
    "a/b.npy",
    /impossible shape/,
  );
});

Deno.test("readNpy() survives broken files", () => {
  mistreat("float64.npy", readNpy);
  mistreat("float32_fortran.npy", readNpy);
});

Deno.test("readNpz() reads what numpy wrote, and what writeNpz() wrote", () => {
  const counts: NpyArray = { type: "int32", shape: [5], data: Int32Array.of(0, 1, 2, 3, 4) };
  const values: NpyArray = {
    type: "float64",
    shape: [2, 3, 4],
    data: Float64Array.from(block.flat(2)),
  };
  const wanted = new Map<string, NpyArray>([["block", values], ["counts", counts]]);
  assert.deepEqual(readNpz(fixture("arrays.npz"), "arrays.npz"), wanted);
  const file = writeNpz({ block: values, counts });
  assert.deepEqual(readNpz(file, "x.npz"), wanted);
  // time and date of the first file in MS-DOS's format: midnight, 1 January 1980
  assert.deepEqual([...file.subarray(10, 14)], [0, 0, 0x21, 0]);
  mistreat("arrays.npz", readNpz);
});

Deno.test("readDataFile() says in one line why it can't", () => {
  const code = (path: string) => {
    try {
      readDataFile(path);
    } catch (error) {
      assert.ok(error instanceof UserError && error.message.includes(path));
      return error.code;
    }
  };
  assert.equal(code("tests/run/data/nothing.npy"), "data-file-not-found");
  assert.equal(code("tests/run/data"), "data-file-unreadable");
});
