/** Any bytes as `.npy`, `.npz` and `trajectories.npy`. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type NpyArray, readNpy, writeNpy } from "../../src/run/npy.ts";
import { readNpz, writeNpz } from "../../src/run/npz.ts";
import { readOriginalTrajectories } from "../../src/run/original_data.ts";
import { fixture } from "../run/fixture.ts";
import { broken, effort, heldBytes, outcome } from "./support.ts";
import { testNeeding } from "../permissions.ts";

const test = testNeeding("read");

/** What a reader may make of a file. */
const ALLOWED = (bytes: number) => 64 * 2 ** 20 + 100 * bytes;

const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });

/** Any array of any type, odd numbers included. */
const arrays: fc.Arbitrary<NpyArray> = shapes.chain((shape): fc.Arbitrary<NpyArray> => {
  const length = shape.reduce((product, extent) => product * extent, 1);
  const size = { minLength: length, maxLength: length };
  return fc.oneof(
    fc.float64Array(size).map((data) => ({ type: "float64" as const, shape, data })),
    fc.float32Array(size).map((data) => ({ type: "float32" as const, shape, data })),
    fc.bigInt64Array(size).map((data) => ({ type: "int64" as const, shape, data })),
    fc.int32Array(size).map((data) => ({ type: "int32" as const, shape, data })),
    fc.uint8Array(size).map((data) => ({ type: "uint8" as const, shape, data })),
    fc.uint8Array({ ...size, max: 1 }).map((data) => ({ type: "bool" as const, shape, data })),
  );
});

/** An array as what must be the same: the bits, not the numbers (NaN, -0). */
function bits({ type, shape, data }: NpyArray) {
  return { type, shape, bytes: [...new Uint8Array(data.buffer, data.byteOffset, data.byteLength)] };
}

test("readNpy() gives back the bits that writeNpy() was given", () => {
  fc.assert(
    fc.property(arrays, (array) => {
      assert.deepEqual(bits(readNpy(writeNpy(array), "x")), bits(array));
    }),
    effort(),
  );
});

test("readNpy() reads or refuses broken files", () => {
  const names = ["float64.npy", "float32_fortran.npy", "int64_big_endian.npy", "bool.npy"];
  const files = [...names, "number.npy", "trajectories.npy"].map(fixture);
  fc.assert(
    fc.property(fc.oneof(broken(files), fc.uint8Array({ maxLength: 300 })), (file) => {
      const found = outcome(() => readNpy(file, "a/b.npy"));
      if ("error" in found) return;
      const { type, shape, data } = found.value;
      assert.ok(data.byteLength <= file.length);
      assert.equal(shape.reduce((product, extent) => product * extent, 1), data.length);
      if (type === "bool") assert.ok(data.every((value) => value === 0 || value === 1));
      // what was read is what a file of it says
      assert.deepEqual(bits(readNpy(writeNpy(found.value), "x")), bits(found.value));
    }),
    effort(),
  );
});

const archives = [fixture("arrays.npz"), fixture("tensors.pt")];

test("readNpz() gives back what writeNpz() was given, under any names", () => {
  const name = fc.oneof(
    fc.stringMatching(/^[a-z_]{1,8}$/),
    fc.constantFrom("__proto__", "constructor", "1", "10", "2"),
  );
  fc.assert(
    fc.property(fc.dictionary(name, arrays, { maxKeys: 3 }), (given) => {
      const found = readNpz(writeNpz(given), "x");
      assert.deepEqual([...found.keys()].sort(), Object.keys(given).sort());
      for (const [key, array] of found) assert.deepEqual(bits(array), bits(given[key]));
    }),
    effort(),
  );
});

test("readNpz() reads or refuses broken archives, and never with other numbers", () => {
  const intact = archives.map((file) => outcome(() => readNpz(file, "x")));
  const wanted = intact.flatMap((each) => "value" in each ? [...each.value] : []);
  fc.assert(
    fc.property(broken(archives), (file) => {
      const found = outcome(() => readNpz(file, "a/b.npz"));
      if ("error" in found) return;
      assert.ok(heldBytes(found.value) <= ALLOWED(file.length));
      for (const [name, array] of found.value) {
        const same = wanted.some(([other, its]) => {
          try {
            assert.deepEqual([name, bits(array)], [other, bits(its)]);
            return true;
          } catch {
            return false;
          }
        });
        assert.ok(same, `${name} is not what was written`);
      }
    }),
    effort(),
  );
});

test("readOriginalTrajectories() reads or refuses broken files", () => {
  const names = [
    "trajectories",
    "trajectories_ragged",
    "trajectories_lists",
    "trajectories_online",
  ];
  const files = names.map((name) => fixture(`${name}.npy`));
  fc.assert(
    fc.property(broken(files), (file) => {
      const found = outcome(() => readOriginalTrajectories(file, "d/trajectories.npy"));
      if ("error" in found) return;
      assert.ok(found.value.length > 0);
      assert.ok(heldBytes(found.value) <= ALLOWED(file.length));
      for (const { rows, stateDim, actDim, states, actions, deltas, costs } of found.value) {
        assert.deepEqual(
          [states.length, actions.length, deltas.length, costs.length],
          [rows * stateDim, rows * actDim, rows * stateDim, rows],
        );
      }
    }),
    effort(),
  );
});
