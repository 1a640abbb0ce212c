import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Checkpoint,
  checkpointFileName,
  decodeCheckpoint,
  encodeCheckpoint,
  latestCheckpoint,
  listCheckpoints,
  readCheckpoint,
  tensorOf,
} from "../../src/run/checkpoint.ts";
import { writeFileAtomic } from "../../src/run/files.ts";
import { UserError } from "../../src/util/errors.ts";
import { lacks } from "../permissions.ts";

const NEEDS_FILES = lacks("read", "write");

const SMALL: Checkpoint = {
  algorithm: "mmaml",
  iteration: 7,
  counters: { outerSteps: 35, environmentSteps: 1.68e6 },
  config: { seed: 1, env: "MetaPointEnvMomentum", hidden_sizes: [2, 3] },
  tensors: [
    { name: "policy/W0", shape: [2, 3], data: Float32Array.of(1, -2, 3.5, 0, -0, 1e-40) },
    { name: "klCoeff", shape: [2], data: Float64Array.of(5e-4, 1 / 3) },
    { name: "counts", shape: [1], data: Uint32Array.of(0xffff_fffe) },
    { name: "empty", shape: [0, 4], data: new Float32Array(0) },
  ],
};

/** Tensors by name: the file may have them in another order. */
function byName({ tensors, ...others }: Checkpoint): unknown {
  return {
    ...others,
    tensors: Object.fromEntries(tensors.map(({ name, ...tensor }) => [name, tensor])),
  };
}

async function damageOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  try {
    await decodeCheckpoint(bytes, "file");
  } catch (error) {
    assert(error instanceof UserError, `not a UserError: ${error}`);
    assert.equal(error.code, "checkpoint-damaged");
    assert(!error.message.includes("\n"), error.message);
    return error.message;
  }
  return "taken for a whole checkpoint";
}

async function inTemporaryFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("decodeCheckpoint() gives back what encodeCheckpoint() took, bit for bit", async () => {
  assert.deepEqual(
    byName(await decodeCheckpoint(await encodeCheckpoint(SMALL), "file")),
    byName(SMALL),
  );

  const shape = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 });
  const tensor = fc.tuple(shape, fc.constantFrom("F32", "F64", "U32"), fc.integer()).map(
    ([extents, dtype, seed]) => {
      const size = extents.reduce((product, extent) => product * extent, 1);
      const words = Uint32Array.from(
        { length: 2 * size },
        (_, i) => Math.imul(seed + i, 0x9e3779b1),
      );
      const data = dtype === "F32"
        ? new Float32Array(words.buffer, 0, size)
        : dtype === "F64"
        ? new Float64Array(words.buffer, 0, size)
        : words.subarray(0, size);
      return { shape: extents, data };
    },
  );
  // keys with escapes are refused: V8 may take one for another
  const key = fc.string().filter((text) => !/["\\]/.test(text));
  const checkpoint = fc.record({
    algorithm: fc.string(),
    iteration: fc.nat(),
    counters: fc.dictionary(key, fc.integer()),
    config: fc.dictionary(key, fc.oneof(fc.string(), fc.boolean(), fc.constant(null))),
    tensors: fc.array(tensor, { maxLength: 5 }).map((list) =>
      list.map((one, i) => ({ name: `group/t${i}`, ...one }))
    ),
  });
  await fc.assert(fc.asyncProperty(checkpoint, async (original) => {
    const bytes = await encodeCheckpoint(original);
    assert.deepEqual(await encodeCheckpoint(original), bytes, "same state, same bytes");
    const read = await decodeCheckpoint(bytes, "file");
    assert.equal(read.iteration, original.iteration);
    assert.equal(JSON.stringify(read.counters), JSON.stringify(original.counters));
    assert.equal(JSON.stringify(read.config), JSON.stringify(original.config));
    for (const { name, shape, data } of original.tensors) {
      const found = tensorOf(read, name, shape);
      // bytes, because NaNs differ from themselves
      assert.deepEqual(
        new Uint8Array(found.buffer, found.byteOffset, found.byteLength),
        new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
      );
    }
  }));
});

Deno.test("encodeCheckpoint() writes the safetensors layout", async () => {
  const bytes = await encodeCheckpoint(SMALL);
  const headerLength = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const text = new TextDecoder().decode(bytes.subarray(8, 8 + headerLength));
  const { __metadata__: metadata, ...entries } = JSON.parse(text);

  assert.equal(text[0], "{");
  assert.equal(headerLength % 8, 0);
  for (const value of Object.values(metadata)) assert.equal(typeof value, "string");
  const sizes: Record<string, number> = { F32: 4, F64: 8, U32: 4 };
  let expectedStart = 0;
  for (
    const { dtype, shape, data_offsets: [start, end] } of Object.values<{
      dtype: string;
      shape: number[];
      data_offsets: [number, number];
    }>(entries)
  ) {
    assert.equal(start, expectedStart, "no gaps");
    assert.equal(start % sizes[dtype], 0, "aligned");
    assert.equal(end - start, sizes[dtype] * shape.reduce((a, b) => a * b, 1));
    expectedStart = end;
  }
  assert.equal(8 + headerLength + expectedStart, bytes.length);
  const { data_offsets: [start] } = entries["policy/W0"];
  assert.equal(new DataView(bytes.buffer).getFloat32(8 + headerLength + start + 8, true), 3.5);
});

Deno.test("decodeCheckpoint() refuses a file cut at any byte", async () => {
  const bytes = await encodeCheckpoint(SMALL);
  for (let length = 0; length < bytes.length; length++) {
    const message = await damageOf(bytes.slice(0, length));
    assert.match(message, /^can't use checkpoint file: it (has \d+ bytes|is not)/, `at ${length}`);
  }
  const longer = new Uint8Array(bytes.length + 1);
  longer.set(bytes);
  assert.equal(
    await damageOf(longer),
    `can't use checkpoint file: it has ${bytes.length + 1} bytes instead of ${bytes.length}`,
  );
});

Deno.test("decodeCheckpoint() refuses a file with any one bit flipped", async () => {
  const bytes = await encodeCheckpoint(SMALL);
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    bytes[bit >> 3] ^= 1 << (bit & 7);
    assert.match(await damageOf(bytes), /^can't use checkpoint file: it/, `bit ${bit}`);
    bytes[bit >> 3] ^= 1 << (bit & 7);
  }
});

Deno.test("decodeCheckpoint() refuses files of other programs", async () => {
  const foreign = [
    "",
    "{}",
    "Itr,n_timesteps\n0,100\n",
    "\x89PNG\r\n\x1a\n" + "x".repeat(100),
    "\0".repeat(200),
    '\x30\0\0\0\0\0\0\0{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}',
  ];
  for (const text of foreign) {
    const message = await damageOf(Uint8Array.from(text, (char) => char.charCodeAt(0)));
    assert.match(message, /it is not a metarl checkpoint|it has \d+ bytes/, text);
  }
  const bytes = Uint8Array.from({ length: 5000 }, (_, i) => (i * 7919) >> 3);
  assert.equal(await damageOf(bytes), "can't use checkpoint file: it is not a metarl checkpoint");
});

Deno.test("encodeCheckpoint() refuses what can't be read back", async () => {
  const tensor = { name: "t", shape: [2], data: new Float32Array(2) };
  const wrong: Partial<Checkpoint>[] = [
    { tensors: [{ ...tensor, shape: [3] }] },
    { tensors: [tensor, tensor] },
    { counters: { loss: NaN } },
  ];
  for (const part of wrong) {
    await assert.rejects(encodeCheckpoint({ ...SMALL, ...part }), TypeError);
  }
});

Deno.test("tensorOf() names the tensor that is missing or has another shape", () => {
  assert.equal(tensorOf(SMALL, "klCoeff", [2])[1], 1 / 3);
  assert.throws(() => tensorOf(SMALL, "W9", [2]), /the checkpoint has no tensor "W9"/);
  assert.throws(
    () => tensorOf(SMALL, "policy/W0", [3, 2]),
    /tensor "policy\/W0" is \[2,3\], this configuration needs \[3,2\]/,
  );
});

Deno.test({
  name: "latestCheckpoint() takes the one before a damaged one and says so",
  ignore: NEEDS_FILES,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      assert.equal(await latestCheckpoint(`${folder}/none`), null);
      assert.equal(await latestCheckpoint(folder), null);
      for (const iteration of [999_999, 1_000_000, 50]) {
        const bytes = await encodeCheckpoint({ ...SMALL, iteration });
        writeFileAtomic(folder, checkpointFileName(iteration), bytes);
      }
      await Deno.writeTextFile(`${folder}/checkpoint-000060.safetensors.tmp`, "half");
      await Deno.writeTextFile(`${folder}/notes.txt`, "mine");
      assert.deepEqual(listCheckpoints(folder).map(([n]) => n), [50, 999_999, 1_000_000]);
      const whole = await latestCheckpoint(folder);
      assert.equal(whole?.checkpoint.iteration, 1_000_000);
      assert.deepEqual(whole?.notices, []);

      await Deno.truncate(`${folder}/${checkpointFileName(1_000_000)}`, 100);
      const fallback = await latestCheckpoint(folder);
      assert.equal(fallback?.checkpoint.iteration, 999_999);
      assert.equal(fallback?.path, `${folder}/checkpoint-999999.safetensors`);
      assert.equal(fallback?.notices.length, 1);
      assert.match(
        fallback!.notices[0],
        /checkpoint-1000000\.safetensors: it has 100 bytes .*; taking the one before it$/,
      );

      for (const [, name] of listCheckpoints(folder)) await Deno.truncate(`${folder}/${name}`, 9);
      await assert.rejects(latestCheckpoint(folder), /checkpoint-1000000\.safetensors/);
    }),
});

Deno.test({
  name: "readCheckpoint() says in one line why a file can't be read",
  ignore: NEEDS_FILES,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      await assert.rejects(readCheckpoint(`${folder}/no`), {
        code: "checkpoint-not-found",
        message: `there is no checkpoint ${folder}/no`,
      });
      await assert.rejects(readCheckpoint(folder), {
        code: "checkpoint-unreadable",
        message: `can't read checkpoint ${folder}: Is a directory`,
      });
    }),
});
