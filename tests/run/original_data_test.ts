import assert from "node:assert/strict";
import { readNpy } from "../../src/run/npy.ts";
import { type OriginalTrajectory, readOriginalTrajectories } from "../../src/run/original_data.ts";
import { expected, fixture, mistreat, refuses } from "./fixture.ts";

/** [state, action, change of the state, cost] */
type Row = readonly [number[], number[], number[], number];

function compare(found: readonly OriginalTrajectory[], wanted: readonly (readonly Row[])[]): void {
  assert.deepEqual(
    found,
    wanted.map((rows) => ({
      rows: rows.length,
      stateDim: 3,
      actDim: 2,
      states: Float64Array.from(rows.flatMap((row) => row[0])),
      actions: Float64Array.from(rows.flatMap((row) => row[1])),
      deltas: Float64Array.from(rows.flatMap((row) => row[2])),
      costs: Float64Array.from(rows.map((row) => row[3])),
    })),
  );
}

Deno.test("readOriginalTrajectories() reads the original's files, as long as each other or not", () => {
  const read = (name: string) => readOriginalTrajectories(fixture(name), name);
  compare(read("trajectories.npy"), expected("expected_torch.json").situations);
  const { situations } = expected("expected_numpy.json");
  compare(read("trajectories_ragged.npy"), situations);
  compare(read("trajectories_lists.npy"), situations);
  compare(read("trajectories_online.npy"), [situations[1]]);
  const { mismatches } = expected("expected_torch.json");
  assert.deepEqual(readNpy(fixture("mismatches.npy"), "mismatches.npy"), {
    type: "float64",
    shape: [3, 2],
    data: Float64Array.from(mismatches.flat()),
  });
});

Deno.test("readOriginalTrajectories() refuses in one line what it can't read", () => {
  const refused = (file: Uint8Array, text: RegExp) =>
    refuses(() => readOriginalTrajectories(file, "d/trajectories.npy"), "d/trajectories.npy", text);
  const file = fixture("trajectories.npy");
  refused(new Uint8Array(0), /it is empty/);
  refused(fixture("float64.npy"), /an array of numbers/);
  refused(fixture("famle_model.pt"), /not a \.npy file/);
  refused(file.subarray(0, 1000), /ends after \d+ bytes, in the middle/);
  /** A file of one array of objects [extents] with this pickle, one byte per character. */
  const withPickle = (extents: string, pickle: string) => {
    const header = `{'descr': '|O', 'fortran_order': False, 'shape': (${extents}), }\n`;
    const text = `\x93NUMPY\x01\0${String.fromCharCode(header.length)}\0${header}${pickle}`;
    return Uint8Array.from(text, (character) => character.charCodeAt(0));
  };
  refused(withPickle("1,", "\x80\x02cos\nsystem\n(X\x02\0\0\0idtR."), /os\.system, which is not/);
  refused(withPickle("1,", "\x80\x02K\x01."), /another shape than its header/);
  /** An array of objects, shape and elements as opcodes. */
  const objects = (shape: string, elements: string) =>
    "\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\0\x85U\x01btR" +
    `(K\x01(${shape}tcnumpy\ndtype\n(U\x02O8K\0K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff` +
    `\xff\xffK?tb\x89](${elements}etb.`;
  const [list, state, action] = ["](", "](K\x01K\x02e", "](K\x03e"];
  const row = `${list}${state}${action}${state}K\x05e`;
  compareOne(
    readOriginalTrajectories(withPickle("1,", objects("K\x01", `${list}${row}e`)), "x"),
  );
  refused(withPickle("0,", objects("K\0", "")), /it has no situations/);
  refused(withPickle("0, 1, 4", objects("K\0K\x01K\x04", "")), /it has no situations/);
  refused(withPickle("1,", objects("K\x01", "N")), /situation 0 has no transitions/);
  refused(withPickle("1,", objects("K\x01", "]")), /situation 0 has no transitions/);
  refused(withPickle("1,", objects("K\x01", `${list}${state}e`)), /row 0 is not \[state/);
  const short = `${list}${state}${action}${action}K\x05e`;
  refused(
    withPickle("1,", objects("K\x01", `${list}${short}e`)),
    /change of the state of situation 0, row 0 has 1 numbers, not 2/,
  );
  const text = `${list}X\x01\0\0\0a${action}${state}K\x05e`;
  refused(withPickle("1,", objects("K\x01", `${list}${text}e`)), /state of situation 0, row 0/);
  refused(withPickle("2,", objects("K\x02", "N")), /another count of objects/);
  refused(withPickle("1, 1", objects("K\x01K\x01", "N")), /its shape is \[1, 1\]/);
});

function compareOne(found: readonly OriginalTrajectory[]): void {
  assert.deepEqual(found, [{
    rows: 1,
    stateDim: 2,
    actDim: 1,
    states: Float64Array.of(1, 2),
    actions: Float64Array.of(3),
    deltas: Float64Array.of(1, 2),
    costs: Float64Array.of(5),
  }]);
}

Deno.test("readOriginalTrajectories() survives broken files", () => {
  mistreat("trajectories.npy", readOriginalTrajectories);
  mistreat("trajectories_ragged.npy", readOriginalTrajectories);
});
