import assert from "node:assert/strict";
import { zipSync } from "fflate";
import {
  readTorchCheckpoint,
  type TorchTensor,
  type TorchValue,
} from "../../src/run/torch_file.ts";
import { expected, fixture, mistreat, refuses } from "./fixture.ts";

type TorchObject = { readonly [key: string]: TorchValue };

function read(name: string): TorchObject {
  return readTorchCheckpoint(fixture(name), name) as TorchObject;
}

type Nested = number | Nested[];

/** A tensor as nested lists, as PyTorch's `tolist` gives them. */
function nested({ shape, data }: TorchTensor): Nested {
  let rows: Nested[] = Array.from(data as Float32Array);
  for (let d = shape.length - 1; d > 0; d--) {
    rows = Array.from(
      { length: rows.length / shape[d] },
      (_, i) => rows.slice(i * shape[d], (i + 1) * shape[d]),
    );
  }
  return rows;
}

Deno.test("readTorchCheckpoint() reads the model file of the original, whatever the device", () => {
  const { state_dict, others } = expected("expected_torch.json");
  for (const name of ["famle_model.pt", "famle_model_cuda.pt"]) {
    const model = read(name);
    assert.deepEqual({ ...model.kwargs as TorchObject }, {
      dim_in: 5,
      hidden: [4, 3],
      dim_out: 3,
      embedding_dim: 2,
      num_tasks: 3,
      CUDA: false,
      SEED: null,
      output_limit: 10,
      dropout: 0,
      hidden_activation: "relu",
    });
    const compare = (found: TorchObject, wanted: Record<string, Nested>) => {
      for (const [key, value] of Object.entries(found)) {
        if (value === null) continue;
        const tensor = value as TorchTensor;
        assert.equal(tensor.type, "float32");
        // tolist() widens float32 to double: the numbers are the same
        assert.deepEqual(nested(tensor), wanted[key], key);
      }
      assert.deepEqual(
        Object.keys(found).filter((key) => found[key] !== null),
        Object.keys(wanted),
      );
    };
    compare(model.state_dict as TorchObject, state_dict);
    compare(model.others as TorchObject, others);
    assert.equal((model.others as TorchObject).fixed_task_id, null);
  }
});

Deno.test("readTorchCheckpoint() reads views, other element types and plain values", () => {
  const found = read("tensors.pt");
  // block = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
  const wanted: Record<string, TorchValue> = {
    transposed: {
      type: "float32",
      shape: [4, 3],
      data: Float32Array.of(0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11),
    },
    window: { type: "float32", shape: [2, 2], data: Float32Array.of(5, 7, 9, 11) },
    expanded: { type: "float32", shape: [3, 2], data: Float32Array.of(0, 0, 4, 4, 8, 8) },
    float64: { type: "float64", shape: [2], data: Float64Array.of(0.1, 0.2) },
    int64: { type: "int64", shape: [1, 2], data: BigInt64Array.of(1n, -2n) },
    bool: { type: "bool", shape: [2], data: Uint8Array.of(1, 0) },
    empty: { type: "float32", shape: [0, 3], data: new Float32Array(0) },
    scalar: { type: "float32", shape: [], data: Float32Array.of(2.5) },
    parameter: { type: "float32", shape: [1], data: Float32Array.of(1.5) },
    numpy: { type: "float64", shape: [1, 2], data: Float64Array.of(1, 2) },
    numpy_number: 0.25,
    plain: [
      ...[1, -1, 2 ** 40, -(2n ** 70n), true, null, "\u00e9"],
      [1.5, Object.assign(Object.create(null), { a: 1 })],
    ],
  };
  for (const key of Object.keys(wanted)) assert.deepEqual(found[key], wanted[key], key);
  assert.deepEqual(Object.keys(found), Object.keys(wanted));
});

Deno.test("readTorchCheckpoint() refuses in one line what it can't read", () => {
  const refused = (file: Uint8Array, text: RegExp) =>
    refuses(() => readTorchCheckpoint(file, "a/b.pt"), "a/b.pt", text);
  refused(new Uint8Array(0), /it is empty/);
  refused(new Uint8Array(100), /no whole ZIP archive/);
  refused(fixture("famle_model.pt").subarray(0, -1), /no whole ZIP archive/);
  refused(
    fixture("famle_model_legacy.pt"),
    /before 1\.6; convert it with torch\.save\(torch\.load/,
  );
  refused(fixture("half.pt"), /asks for torch\.HalfStorage/);
  refused(fixture("arrays.npz"), /not of torch\.save/);
});

/** A `.pt` file with this pickle, given as text of one byte per character. */
function withPickle(text: string, more: Record<string, Uint8Array> = {}): Uint8Array {
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  return zipSync({ "m/data.pkl": bytes, ...more });
}

Deno.test("readTorchCheckpoint() executes nothing that a pickle asks for", () => {
  const refused = (pickle: string, text: RegExp) =>
    refuses(() => readTorchCheckpoint(withPickle(pickle), "x.pt"), "x.pt", text);
  // os.system("id"), eval by way of builtins, a name that every object inherits
  refused("\x80\x02cposix\nsystem\nX\x02\0\0\0id\x85R.", /posix\.system, which is not known/);
  refused("\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.", /builtins\.eval/);
  refused("\x80\x02cconstructor\n__proto__\n.", /constructor\.__proto__/);
  // what lies on the stack is not called: text, a dictionary, a class of storages
  refused("\x80\x02X\x02\0\0\0id)R.", /no constructor/);
  refused("\x80\x02})R.", /no constructor/);
  refused("\x80\x02ctorch\nFloatStorage\n)R.", /no constructor/);
  refused("\x80\x02]}b.", /completes plain data/);
  // a dictionary's names stay its own
  const polluted = readTorchCheckpoint(
    withPickle("\x80\x02}X\x09\0\0\0__proto__}X\x01\0\0\0aK\x01ss."),
    "x.pt",
  ) as TorchObject;
  assert.deepEqual(Object.keys(polluted), ["__proto__"]);
  assert.equal(({} as Record<string, unknown>).a, undefined);
});

Deno.test("readTorchCheckpoint() ends on pickles made to exhaust a reader", () => {
  const refused = (pickle: string, text: RegExp) =>
    refuses(() => readTorchCheckpoint(withPickle(pickle), "x.pt"), "x.pt", text);
  refused("\x80\x02" + "]".repeat(100) + "a".repeat(99) + ".", /levels/);
  // a list that holds itself
  refused("\x80\x02]q\0h\0a.", /levels/);
  // 40 lists, each of which holds the one before it twice: 2^40 entries if each were turned anew
  let doubled = "\x80\x02]q\0";
  for (let i = 1; i <= 40; i++) {
    const index = String.fromCharCode;
    doubled += `]q${index(i)}h${index(i - 1)}ah${index(i - 1)}a`;
  }
  assert.ok(Array.isArray(readTorchCheckpoint(withPickle(doubled + "."), "x.pt")));
  // a text of 4 GB, a storage of 2^53 numbers, a tensor of 10^15 copies of one number
  refused("\x80\x02X\xff\xff\xff\xff.", /in the middle/);
  const tensor = (count: string, shape: string, stride = "K\0") =>
    "\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n" +
    `X\x01\0\0\x000X\x03\0\0\0cpu${count}tQK\0(${shape}t(${stride}t\x89}tR.`;
  const refusedTensor = (count: string, shape: string, text: RegExp, stride?: string) =>
    refuses(
      () =>
        readTorchCheckpoint(
          withPickle(tensor(count, shape, stride), { "m/data/0": new Uint8Array(4) }),
          "x.pt",
        ),
      "x.pt",
      text,
    );
  assert.deepEqual(
    readTorchCheckpoint(
      withPickle(tensor("K\x01", "K\x02"), { "m/data/0": new Uint8Array(4) }),
      "x.pt",
    ),
    { type: "float32", shape: [2], data: Float32Array.of(0, 0) },
  );
  refusedTensor("\x8a\x07\0\0\0\0\0\0\x1f", "K\x01", /impossible shape|needs \d+/);
  refusedTensor("K\x01", "\x8a\x07\0\x80\xc6\xa4\x7e\x8d\x03", /more than 64 MiB of memory/);
  // the second of two elements where there is one
  refusedTensor("K\x01", "K\x02", /\[2\] beyond the end/, "K\x01");
});

Deno.test("readTorchCheckpoint() survives broken files", () => {
  mistreat("famle_model.pt", readTorchCheckpoint);
});
