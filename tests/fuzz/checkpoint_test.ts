/**
 * Any bytes as a checkpoint: broken ones, which the checksum finds, and ones with any header under
 * a right checksum.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Checkpoint,
  decodeCheckpoint,
  encodeCheckpoint,
  type NamedTensor,
} from "../../src/run/checkpoint.ts";
import { broken, effort, heldBytes, laterOutcome, wildText } from "./support.ts";

const shapes = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 });

const tensors: fc.Arbitrary<NamedTensor> = fc.tuple(wildText, shapes).chain(([name, shape]) => {
  const length = shape.reduce((product, extent) => product * extent, 1);
  const size = { minLength: length, maxLength: length };
  const data = fc.oneof(fc.float32Array(size), fc.float64Array(size), fc.uint32Array(size));
  return data.map((values) => ({ name, shape, data: values }));
});

const checkpoints: fc.Arbitrary<Checkpoint> = fc.record({
  algorithm: wildText,
  iteration: fc.nat(),
  counters: fc.dictionary(wildText, fc.double({ noNaN: true, noDefaultInfinity: true })),
  config: fc.dictionary(wildText, fc.jsonValue({ maxDepth: 3 })),
  tensors: fc.uniqueArray(tensors, { selector: ({ name }) => name, maxLength: 4 }),
}) as fc.Arbitrary<Checkpoint>;

const SAMPLES: readonly Checkpoint[] = [
  {
    algorithm: "mmaml",
    iteration: 7,
    counters: { outerSteps: 35 },
    config: { seed: 1, env: "ReacherEnv", hidden_sizes: [2, 3] },
    tensors: [
      { name: "policy/W0", shape: [2, 3], data: Float32Array.of(1, -2, 3.5, 0, -0, 1e-40) },
      { name: "klCoeff", shape: [2], data: Float64Array.of(5e-4, 1 / 3) },
      { name: "counts", shape: [1], data: Uint32Array.of(1) },
    ],
  },
  { algorithm: "famle", iteration: 0, counters: {}, config: {}, tensors: [] },
];

/** Everything of a checkpoint in one order, tensors as bits. */
function content({ tensors, counters, config, ...others }: Checkpoint): unknown {
  const bits = tensors.map(({ name, shape, data }) => [
    ...[name, shape, data.constructor.name],
    [...new Uint8Array(data.buffer, data.byteOffset, data.byteLength)],
  ]);
  // as JSON keeps them: -0 is 0
  return [others, JSON.stringify([counters, config]), bits.sort()];
}

Deno.test("decodeCheckpoint() gives back any checkpoint, whatever its names", async () => {
  await fc.assert(
    fc.asyncProperty(checkpoints, async (checkpoint) => {
      const file = await encodeCheckpoint(checkpoint);
      const found = await laterOutcome(() => decodeCheckpoint(file, "x"));
      if ("value" in found) {
        return assert.deepEqual(content(found.value), content(checkpoint));
      }
      // V8 would read such a key as another one
      const { counters, config, tensors } = checkpoint;
      const named = Object.fromEntries(tensors.map(({ name }) => [name, 0]));
      assert.match(JSON.stringify([counters, config, named]), /\\.*":/);
    }),
    {
      ...effort(),
      // a name that objects inherit was lost, one that is a number stood before the metadata
      examples: ["__proto__", "0"].map((name): [Checkpoint] => [{
        ...SAMPLES[1],
        tensors: [{ name, shape: [1], data: Float32Array.of(1) }],
      }]),
    },
  );
});

const FILES = await Promise.all(SAMPLES.map(encodeCheckpoint));
const CONTENTS = await Promise.all(SAMPLES.map((sample) => JSON.stringify(content(sample))));

Deno.test("decodeCheckpoint() refuses every file with a wrong byte", async () => {
  await fc.assert(
    fc.asyncProperty(broken(FILES), async (file) => {
      const found = await laterOutcome(() => decodeCheckpoint(file, "a/checkpoint"));
      if ("error" in found) {
        assert.match(found.error.message, /^can't use checkpoint a\/checkpoint: /);
        return;
      }
      // several changes may undo each other
      assert.ok(CONTENTS.includes(JSON.stringify(content(found.value))));
    }),
    effort(),
  );
});

const CHECKSUM_OFFSET = 8 + '{"__metadata__":{"sha256":"'.length;

/** A file of this header and body with the checksum that belongs to it. */
async function sealed(header: string, body: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const json = new TextEncoder().encode(header);
  const file = new Uint8Array(8 + json.length + body.length);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  file.set(body, 8 + json.length);
  if (file.length < CHECKSUM_OFFSET + 64) return file;
  file.fill("0".charCodeAt(0), CHECKSUM_OFFSET, CHECKSUM_OFFSET + 64);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", file));
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  file.set(new TextEncoder().encode(hex), CHECKSUM_OFFSET);
  return file;
}

/** Numbers that sizes and places may have, right and wrong. */
const sizes = fc.constantFrom(0, 4, 8, 12, 16, -4, 1.5, 2 ** 31, 2 ** 53, 1e300, null, "8");

const entries = fc.record({
  dtype: fc.constantFrom("F32", "F64", "U32", "I64", "toString", 3, null),
  shape: fc.oneof(fc.array(sizes, { maxLength: 3 }), fc.constantFrom([2], [1], [], null, "2")),
  data_offsets: fc.oneof(
    fc.constantFrom([0, 8], [8, 16], [0, 16], [16, 24], [0, 0], [0, 4], [0, 8, 9], null),
    fc.array(sizes, { maxLength: 3 }),
  ),
}, { requiredKeys: [] });

const deep = `${"[".repeat(5000)}${"]".repeat(5000)}`;

const metadata = fc.record({
  sha256: fc.constant("0".repeat(64)),
  format: fc.constantFrom("metarl-checkpoint", "metarl-checkpoint", "pt", null),
  format_version: fc.constantFrom("1", "1", "1", "2", 1),
  algorithm: fc.constantFrom("mmaml", "promp", "\x1b[2J", 3, null),
  iteration: fc.constantFrom("0", "7", "7", "-1", "x", "", "1e99", 7, null),
  counters: fc.constantFrom("{}", '{"a":1}', '{"a":1}', '{"a":"b"}', "[]", "null", "{", deep),
  config: fc.constantFrom("{}", '{"seed":1}', '{"seed":1}', "1", '{"a":1,"a":2}', `{"a":${deep}}`),
});

Deno.test("decodeCheckpoint() believes nothing under a right checksum", async () => {
  let intact = 0;
  const header = fc.tuple(
    metadata,
    fc.array(fc.tuple(fc.constantFrom("W0", "b0", "__proto__", "\x07"), entries), { maxLength: 3 }),
  );
  await fc.assert(
    fc.asyncProperty(header, fc.constantFrom(0, 8, 16, 24), async ([meta, list], bytes) => {
      const parts = list.map(([name, entry]) =>
        `,${JSON.stringify(name)}:${JSON.stringify(entry)}`
      );
      const text = `{"__metadata__":${JSON.stringify(meta)}${parts.join("")}}`;
      const file = await sealed(text, new Uint8Array(bytes));
      const found = await laterOutcome(() => decodeCheckpoint(file, "a/checkpoint"));
      if ("error" in found) return;
      intact++;
      const { algorithm, iteration, counters, config, tensors } = found.value;
      assert.equal(typeof algorithm, "string");
      assert.ok(Number.isSafeInteger(iteration) && iteration >= 0);
      for (const value of Object.values(counters)) assert.equal(typeof value, "number");
      for (const object of [counters, config]) {
        assert.ok(typeof object === "object" && object !== null && !Array.isArray(object));
      }
      // no byte of the file is in two tensors
      assert.equal(heldBytes(tensors), bytes);
      assert.equal(new Set(tensors.map(({ name }) => name)).size, tensors.length);
      for (const { shape, data } of tensors) {
        assert.ok(shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0));
        assert.equal(shape.reduce((product, extent) => product * extent, 1), data.length);
      }
    }),
    effort(),
  );
  assert.ok(intact > 0, "no file was whole");
});

Deno.test("decodeCheckpoint() allocates nothing for sizes that a file only states", async () => {
  const entry = (shape: unknown, offsets: unknown) =>
    `{"dtype":"F32","shape":${JSON.stringify(shape)},"data_offsets":${JSON.stringify(offsets)}}`;
  const meta = JSON.stringify({
    sha256: "0".repeat(64),
    format: "metarl-checkpoint",
    format_version: "1",
    algorithm: "mmaml",
    iteration: "0",
    counters: "{}",
    config: "{}",
  });
  const file = (entries: string, bytes: number) =>
    sealed(`{"__metadata__":${meta}${entries}}`, new Uint8Array(bytes));
  const refused = async (bytes: Uint8Array<ArrayBuffer>, text: RegExp) => {
    const found = await laterOutcome(() => decodeCheckpoint(bytes, "x"));
    assert.ok("error" in found);
    assert.match(found.error.message, text);
  };
  const share = Array.from({ length: 100 }, (_, i) => `,"t${i}":${entry([2], [0, 8])}`).join("");
  await refused(await file(share, 8), /tensor "t1" doesn't begin where another ends/);
  await refused(await file(`,"a":${entry([-1, -2], [0, 8])}`, 8), /doesn't fit its shape/);
  await refused(
    await file(`,"a":${entry([2 ** 40], [0, 2 ** 42])}`, 8),
    /has \d+ bytes instead of/,
  );
  await refused(await file(`,"a":${entry([2], [8, 16])}`, 16), /doesn't begin/);
  const huge = (await file("", 0)).slice();
  new DataView(huge.buffer).setBigUint64(0, 2n ** 63n, true);
  await refused(huge, /not a metarl checkpoint/);
});
