/**
 * Any bytes as a file of `torch.save`: broken archives, broken pickles in whole archives, pickles
 * put together of opcodes that fit, and archives made to harm.
 */
import assert from "node:assert/strict";
import { crc32, deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { zipSync } from "fflate";
import { readTorchCheckpoint } from "../../src/run/torch_file.ts";
import { MemoryBudget, readContent } from "../../src/run/data_file.ts";
import { unzip } from "../../src/run/zip.ts";
import { fixture, refuses } from "../run/fixture.ts";
import { testNeeding } from "../permissions.ts";
import { broken, effort, heldBytes, outcome } from "./support.ts";

const test = testNeeding("read");

/** What a reader may make of a file. */
const allowed = (bytes: number) => 64 * 2 ** 20 + 100 * bytes;

const read = (file: Uint8Array) => readTorchCheckpoint(file, "a/b.pt");

const NAMES = ["famle_model.pt", "famle_model_cuda.pt", "tensors.pt"];

test("readTorchCheckpoint() reads broken archives as they were, or not at all", () => {
  const files = NAMES.map(fixture);
  const intact = files.map((file) => Deno.inspect(read(file), { depth: 10, iterableLimit: 1e6 }));
  fc.assert(
    fc.property(broken(files), (file) => {
      const found = outcome(() => read(file));
      if ("error" in found) return;
      const text = Deno.inspect(found.value, { depth: 10, iterableLimit: 1e6 });
      assert.ok(intact.includes(text), "other content");
    }),
    effort(),
  );
});

/** A `.pt` file of this pickle and the other files of an archive. */
function withPickle(pickle: Uint8Array, others: Readonly<Record<string, Uint8Array>> = {}) {
  return zipSync({ "m/data.pkl": [pickle, { level: 0 }], ...others });
}

/** Files of an archive without its own folder. */
function partsOf(name: string): Record<string, Uint8Array<ArrayBuffer>> {
  const file = fixture(name);
  const parts = readContent(name, () => unzip(file, new MemoryBudget(file.length)));
  return Object.fromEntries(
    [...parts].map(([path, bytes]) => [path.replace(/^[^/]+\//, "m/"), bytes.slice()]),
  );
}

test("readTorchCheckpoint() reads or refuses broken pickles in whole archives", () => {
  const archives = NAMES.map(partsOf);
  const pickles = archives.map((parts) => parts["m/data.pkl"]);
  let read_ = 0;
  fc.assert(
    fc.property(broken(pickles), fc.nat(archives.length - 1), (pickle, index) => {
      const { "m/data.pkl": _, ...others } = archives[index];
      const file = withPickle(pickle, others);
      const found = outcome(() => read(file));
      if ("error" in found) return;
      read_++;
      assert.ok(heldBytes(found.value) <= allowed(file.length));
    }),
    effort(),
  );
  assert.ok(read_ > 0);
});

/** Bytes of text with one byte per character. */
function bytes(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Opcodes that import what is on no list. */
const FORBIDDEN = ["cposix\nsystem\n", "cbuiltins\neval\n", "ctorch\nload\n", "cnumpy\nload\n"];

/** Opcodes with arguments: the machine's whole alphabet, and names on its list and off it. */
const OPCODES = [
  ...["(", "0", "1", "2", "N", "\x88", "\x89", ")", "]", "t", "l", "\x85", "\x86", "\x87", "a"],
  ...["e", "}", "s", "u", "R", "\x81", "b", "Q", "\x93", "\x94", "q\0", "q\x01", "h\0", "h\x01"],
  ...["K\0", "K\x01", "K\xff", "M\xff\xff", "J\xff\xff\xff\xff", "\x8a\x02\xff\xff", "\x8a\0"],
  ...[
    "G\x7f\xf0\0\0\0\0\0\0",
    "C\x02ab",
    "U\x02ab",
    "X\x02\0\0\0ab",
    "X\x01\0\0\x000",
    "\x8c\x01\xff",
  ],
  ...[
    "X\x07\0\0\0storage",
    "X\xff\xff\xff\xff",
    "\x8d\xff\xff\xff\xff\xff\xff\xff\xff",
    "\x8a\xff",
  ],
  ...[...FORBIDDEN, "ctorch\nFloatStorage\n", "ctorch\nBoolStorage\n"],
  ...["ccollections\nOrderedDict\n", "ctorch._utils\n_rebuild_tensor_v2\n", "c_codecs\nencode\n"],
  ...["cnumpy\nndarray\n", "cnumpy\ndtype\n", "cnumpy.core.multiarray\n_reconstruct\n"],
  ...["cnumpy.core.multiarray\nscalar\n", "cnumpy.core.numeric\n_frombuffer\n", "X\x02\0\0\0f8"],
  ...["X\x02\0\0\0O8", "X\x09\0\0\0__proto__", "i", "\x97", "."],
  // what makes a whole value
  "cnumpy\ndtype\nX\x02\0\0\0f8\x85R(K\x03X\x01\0\0\0<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb",
  "(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x02tQ",
  "c_codecs\nencode\nX\x02\0\0\0ab\x85R",
];

test("readTorchCheckpoint() ends on pickles of any opcodes, and runs none of what they name", () => {
  const elements = { "m/data/0": new Uint8Array(8) };
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...OPCODES), { maxLength: 30 }), (opcodes) => {
      const file = withPickle(bytes(`\x80\x02${opcodes.join("")}.`), elements);
      const found = outcome(() => read(file));
      if ("error" in found) return;
      const end = opcodes.indexOf(".");
      const executed = end < 0 ? opcodes : opcodes.slice(0, end);
      assert.ok(!executed.some((opcode) => FORBIDDEN.includes(opcode)), "imported what is no data");
      assert.ok(heldBytes(found.value) <= allowed(file.length));
    }),
    {
      ...effort(),
      examples: [
        // a module's name that is a list: turned into text, 2^40 characters of a doubled one
        [["]", "q\0", ...Array.from({ length: 40 }, () => "\x86q\0h\0"), "X\x01\0\0\0a", "\x93"]],
        [["]".repeat(5000), "a".repeat(4999), "X\x01\0\0\0a", "\x93"]],
        // imported, and not used
        ...FORBIDDEN.map((opcode): [string[]] => [[opcode, "0", "K\x01"]]),
        // the same key as text and as number
        [["}", "K\x01", "K\x01", "s", "X\x01\0\0\x001", "K\x02", "s"]],
      ],
    },
  );
});

test("readTorchCheckpoint() copies nothing without end", () => {
  const text = "a".repeat(1 << 16);
  const long = `X\0\0\x01\0${text}`;
  // 64 KiB, and 8000 times 5 bytes that each ask for a copy of it
  const pickle = (count: number) =>
    `\x80\x02c_codecs\nencode\nq\0${long}\x85q\x010](${"h\0h\x01R".repeat(count)}e.`;
  const found = outcome(() => read(withPickle(bytes(pickle(8000)))));
  assert.ok("error" in found);
  assert.match(found.error.message, /ask for more than \d+ MiB of memory/);
  // a storage of one number as a tensor of 4 billion
  const storage = "(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x01tQ";
  const tensor = `\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(${storage}K\0` +
    "\x8a\x05\xff\xff\xff\xff\0\x85K\0\x85\x89}tR.";
  const large = outcome(() => read(withPickle(bytes(tensor), { "m/data/0": new Uint8Array(4) })));
  assert.ok("error" in large);
  assert.match(large.error.message, /ask for more than 64 MiB of memory/);
  // one storage as two types
  const twice = (other: string) => `\x80\x02${storage}${storage.replace("Float", other)}\x86.`;
  const two = (other: string) =>
    outcome(() => read(withPickle(bytes(twice(other)), { "m/data/0": new Uint8Array(4) })));
  assert.ok("value" in two("Float"));
  const int = two("Int");
  assert.ok("error" in int);
  assert.match(int.error.message, /data\/0 of two types/);
});

/** An entry of an archive, as it is and as the archive states it. */
interface Crafted {
  readonly name: string;
  readonly content: Uint8Array;
  readonly stated?: number;
  readonly crc?: number;
  readonly mode?: number;
  readonly flags?: number;
  readonly method?: number;
  /** Index of the entry whose bytes it shares. */
  readonly shares?: number;
  /** Name in its own header, where that is another one. */
  readonly localName?: string;
}

/** An archive that may say what isn't so. */
function craft(entries: readonly Crafted[]): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  const offsets: number[] = [];
  let at = 0;
  const add = (list: Uint8Array[], part: Uint8Array) => list.push(part);
  for (const entry of entries) {
    const method = entry.method ?? 8;
    const packed = method === 8 ? deflateRawSync(entry.content) : entry.content;
    const size = entry.stated ?? entry.content.length;
    const crc = entry.crc ?? crc32(entry.content);
    const name = new TextEncoder().encode(entry.name);
    const localName = new TextEncoder().encode(entry.localName ?? entry.name);
    const fields = (view: DataView, from: number) => {
      view.setUint16(from, entry.flags ?? 0, true);
      view.setUint16(from + 2, method, true);
      view.setUint32(from + 8, crc, true);
      view.setUint32(from + 12, packed.length, true);
      view.setUint32(from + 16, size, true);
    };
    const offset = entry.shares === undefined ? at : offsets[entry.shares];
    offsets.push(offset);
    if (entry.shares === undefined) {
      const local = new DataView(new ArrayBuffer(30));
      local.setUint32(0, 0x04034b50, true);
      fields(local, 6);
      local.setUint16(26, localName.length, true);
      for (const part of [new Uint8Array(local.buffer), localName, packed]) add(parts, part);
      at += 30 + localName.length + packed.length;
    }
    const row = new DataView(new ArrayBuffer(46));
    row.setUint32(0, 0x02014b50, true);
    row.setUint16(4, 0x0314, true);
    fields(row, 8);
    row.setUint16(28, name.length, true);
    row.setUint32(38, (entry.mode ?? 0o100644) * 0x10000, true);
    row.setUint32(42, offset, true);
    add(directory, new Uint8Array(row.buffer));
    add(directory, name);
  }
  const end = new DataView(new ArrayBuffer(22));
  end.setUint32(0, 0x06054b50, true);
  end.setUint16(8, entries.length, true);
  end.setUint16(10, entries.length, true);
  end.setUint32(12, directory.reduce((sum, part) => sum + part.length, 0), true);
  end.setUint32(16, at, true);
  const all = [...parts, ...directory, new Uint8Array(end.buffer)];
  return Uint8Array.from(all.flatMap((part) => [...part]));
}

/** The files of an archive, as all readers of archives here get them. */
function files(archive: Uint8Array): Map<string, Uint8Array> {
  return readContent("x.zip", () => unzip(archive, new MemoryBudget(archive.length)));
}

const HELLO = { name: "a", content: bytes("hello") };

Deno.test("unzip() refuses names that lead out of the archive, links and two of one name", () => {
  const refused = (entries: readonly Crafted[], text: RegExp) =>
    refuses(() => files(craft(entries)), "x.zip", text);
  assert.deepEqual(files(craft([HELLO])), new Map([["a", HELLO.content]]));
  assert.deepEqual(
    [
      ...files(
        craft([{ name: "d/", content: bytes(""), mode: 0o40755 }, { ...HELLO, name: "d/a" }]),
      )
        .keys(),
    ],
    ["d/a"],
  );
  const unsafe = ["../a", "a/../../b", "/etc/passwd", "\\\\host\\a", "..\\a", "C:\\a", "a\0b", ""];
  for (const name of unsafe) refused([{ ...HELLO, name }], /unsafe name/);
  refused([{ ...HELLO, mode: 0o120777 }], /is a link or a device/);
  refused([{ ...HELLO, mode: 0o020666 }], /is a link or a device/);
  refused([HELLO, HELLO], /two files "a"/);
  refused([{ ...HELLO, localName: "b" }], /another name/);
  refused([{ ...HELLO, flags: 1 }], /encrypted/);
  refused([{ ...HELLO, method: 93 }], /packed by method 93/);
  refused([{ ...HELLO, crc: 1 }], /CRC of "a" is wrong/);
  refused([{ ...HELLO, method: 0, crc: 1 }], /CRC of "a" is wrong/);
  refused([HELLO, { ...HELLO, shares: 0 }], /shares bytes|another name/);
});

/** Bytes of the directory's end. */
const END = 22;

/** An archive with other numbers in the end of its directory: at which byte of it, how wide. */
function withEnd(archive: Uint8Array<ArrayBuffer>, ...changes: [at: number, value: number][]) {
  const out = archive.slice();
  const view = new DataView(out.buffer, out.length - END);
  for (const [at, value] of changes) {
    if (at < 12) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
  }
  return out;
}

Deno.test("unzip() believes no directory that does not fit the archive", () => {
  const refused = (archive: Uint8Array, text: RegExp) =>
    refuses(() => files(archive), "x.zip", text);
  const archive = craft([HELLO, { ...HELLO, name: "b" }]);
  assert.equal(files(withEnd(archive)).size, 2);
  refused(withEnd(archive, [4, 1]), /one of several volumes/);
  // fewer files than are there, more than there is room for
  refused(withEnd(archive, [10, 1]), /impossible directory/);
  refused(withEnd(archive, [10, 3]), /impossible directory/);
  const view = new DataView(archive.buffer);
  const size = view.getUint32(archive.length - END + 12, true);
  refused(withEnd(archive, [12, size - 1]), /impossible directory/);
  // a file that takes the first bytes of the directory for its own
  const content = bytes("hello");
  const taken = content.length + 4;
  const stored = craft([{ ...HELLO, method: 0 }]);
  const long = new DataView(stored.buffer);
  const directory = 30 + 1 + content.length;
  const crc = crc32(stored.subarray(31, 31 + taken));
  for (const from of [14, directory + 16]) {
    long.setUint32(from, crc, true);
    long.setUint32(from + 4, taken, true);
    long.setUint32(from + 8, taken, true);
  }
  refused(stored, /"a" reaches into its directory/);
});

/** An archive of one file whose sizes stand in the 64-bit extension, `extra` bytes of it. */
function craft64(extra: number): Uint8Array<ArrayBuffer> {
  const [name, content] = [bytes("a"), bytes("hello")];
  const local = new DataView(new ArrayBuffer(30));
  local.setUint32(0, 0x04034b50, true);
  local.setUint16(26, name.length, true);
  const start = 30 + name.length + content.length;
  const entry = new DataView(new ArrayBuffer(46));
  entry.setUint32(0, 0x02014b50, true);
  entry.setUint32(16, crc32(content), true);
  for (const field of [20, 24, 42]) entry.setUint32(field, 0xffffffff, true);
  entry.setUint16(28, name.length, true);
  entry.setUint16(30, 4 + extra, true);
  const fields = new DataView(new ArrayBuffer(4 + 24));
  fields.setUint16(0, 1, true);
  fields.setUint16(2, extra, true);
  [content.length, content.length, 0].forEach((value, i) =>
    fields.setBigUint64(4 + 8 * i, BigInt(value), true)
  );
  const size = 46 + name.length + 4 + extra;
  const end64 = new DataView(new ArrayBuffer(56));
  end64.setUint32(0, 0x06064b50, true);
  [1, size, start].forEach((value, i) => end64.setBigUint64(32 + 8 * i, BigInt(value), true));
  const locator = new DataView(new ArrayBuffer(20));
  locator.setUint32(0, 0x07064b50, true);
  locator.setBigUint64(8, BigInt(start + size), true);
  const end = new DataView(new ArrayBuffer(END));
  end.setUint32(0, 0x06054b50, true);
  end.setUint16(10, 0xffff, true);
  for (const field of [12, 16]) end.setUint32(field, 0xffffffff, true);
  const parts = [
    ...[new Uint8Array(local.buffer), name, content, new Uint8Array(entry.buffer), name],
    new Uint8Array(fields.buffer, 0, 4 + extra),
    ...[end64, locator, end].map(({ buffer }) => new Uint8Array(buffer as ArrayBuffer)),
  ];
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

Deno.test("unzip() reads sizes of the 64-bit extension, and no others", () => {
  assert.deepEqual(files(craft64(24)), new Map([["a", bytes("hello")]]));
  refuses(() => files(craft64(20)), "x.zip", /a file without size/);
  refuses(() => files(craft64(0)), "x.zip", /a file without size/);
});

Deno.test("unzip() unpacks no bomb, whatever size it states", () => {
  const zeros = new Uint8Array(80 * 2 ** 20);
  const refused = (entries: readonly Crafted[], text: RegExp) => {
    const archive = craft(entries);
    const start = performance.now();
    refuses(() => files(archive), "x.zip", text);
    assert.ok(performance.now() - start < 1000);
  };
  // 80 KB that become 80 MiB; many of them; one that says it is small; one that says it is huge
  refused([{ name: "a", content: zeros }], /ask for more than 7\d MiB/);
  const half = zeros.subarray(0, zeros.length / 2);
  refused([{ name: "a", content: half }, { name: "b", content: half }], /more than 7\d MiB/);
  refused([{ name: "a", content: zeros, stated: 100 }], /can't be unpacked/);
  refused([{ ...HELLO, stated: 0xfffffffe }], /ask for more than/);
  refused([{ ...HELLO, stated: 4 }], /can't be unpacked/);
  refused([{ ...HELLO, stated: 6 }], /CRC of "a" is wrong/);
  refused([{ ...HELLO, stated: 0, method: 8 }], /can't be unpacked/);
});

Deno.test("unzip() gives back what was packed, or refuses", () => {
  const name = fc.stringMatching(/^[a-z_]{1,5}(\/[a-z]{1,3})?$/);
  const content = fc.uint8Array({ maxLength: 60 });
  const dictionary = fc.dictionary(fc.oneof(name, fc.constantFrom("__proto__", "1")), content, {
    maxKeys: 4,
  });
  fc.assert(
    fc.property(dictionary, fc.constantFrom(0, 6), (given, level) => {
      const packed = zipSync(given, { level: level as 0 | 6 });
      const found = files(packed);
      assert.deepEqual(
        [...found].map(([key, data]) => [key, [...data]]).sort(),
        Object.entries(given).map(([key, data]) => [key, [...data]]).sort(),
      );
    }),
    effort(),
  );
});

/** Everything about an entry, right and wrong. */
const crafted: fc.Arbitrary<Crafted> = fc.record({
  name: fc.constantFrom("a", "b", "m/data.pkl", "m/data/0", "../a", "/a", "__proto__"),
  content: fc.uint8Array({ maxLength: 40 }),
  stated: fc.constantFrom(0, 1, 0xffffffff, 0xfffffffe),
  crc: fc.constantFrom(0, 0xffffffff),
  mode: fc.constantFrom(0o100644, 0o120777, 0),
  flags: fc.constantFrom(0, 1, 8, 0x800),
  method: fc.constantFrom(0, 8, 12),
}, { requiredKeys: ["name", "content"] });

Deno.test("unzip() takes of a crafted archive only what is true", () => {
  fc.assert(
    fc.property(fc.array(crafted, { maxLength: 3 }), (entries) => {
      const found = outcome(() => files(craft(entries)));
      if ("error" in found) return;
      for (const { name, content, mode, flags } of entries) {
        assert.ok(!/^\/|\.\./.test(name) && mode !== 0o120777 && (flags ?? 0) % 2 === 0);
        assert.deepEqual([...found.value.get(name)!], [...content]);
      }
      assert.equal(found.value.size, entries.length);
    }),
    effort(),
  );
});
