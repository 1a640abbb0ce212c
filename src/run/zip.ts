/**
 * Reads ZIP archives (APPNOTE 6.3.3 with the 64-bit extension) that may come from anywhere: what
 * the directory says is checked against the bytes that are there before anything is unpacked, and
 * the result against its CRC-32. Two files of one name, files that share bytes (a bomb), names that
 * lead out of the archive, links and encryption are refused.
 *
 * Own code but for the unpacking (zlib), as fflate believes sizes, ignores CRCs and names.
 *
 * Left out: several volumes, text before the archive, methods other than stored and deflated.
 */
import { crc32, inflateRawSync } from "node:zlib";
import { Damage, type MemoryBudget } from "./data_file.ts";

const LOCAL_HEADER = 0x04034b50;
const DIRECTORY_ENTRY = 0x02014b50;
const DIRECTORY_END = 0x06054b50;
const DIRECTORY_END_64 = 0x06064b50;
const DIRECTORY_LOCATOR_64 = 0x07064b50;

/** Bytes of each record without its name, extra fields and comment. */
const SIZES = { local: 30, entry: 46, end: 22, end64: 56, locator64: 20 } as const;

/** Longest comment behind the directory's end. */
const LONGEST_COMMENT = 0xffff;

/** Stand for "see the 64-bit extension". */
const [MAX_16, MAX_32] = [0xffff, 0xffffffff];

/** Identifier of the 64-bit extension among an entry's extra fields. */
const EXTRA_64 = 1;

const ENCRYPTED = 1;
const [STORED, DEFLATED] = [0, 8];

/** Kinds of files in a Unix mode: what kind, and the ones that are taken (none, folder, file). */
const [MODE_KIND, MODES] = [0xf000, [0, 0x4000, 0x8000]];

/** One file as the directory has it. */
interface Entry {
  readonly name: string;
  readonly rawName: Uint8Array;
  readonly method: number;
  readonly crc: number;
  /** Bytes in the archive. */
  readonly packed: number;
  /** Bytes unpacked. */
  readonly size: number;
  /** Where its local header is. */
  readonly offset: number;
}

function broken(reason: string): Damage {
  return new Damage(`it is no whole ZIP archive (${reason})`);
}

/** Reads numbers at places that are checked. */
class Archive {
  readonly #view: DataView;

  constructor(readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** A record of `size` bytes that begins with `signature`; gives where it is. */
  record(at: number, size: number, signature: number, what: string): number {
    if (!(at >= 0 && at + size <= this.bytes.length) || this.u32(at) !== signature) {
      throw broken(`no ${what} where one should be`);
    }
    return at;
  }

  u16(at: number): number {
    return this.#view.getUint16(at, true);
  }

  u32(at: number): number {
    return this.#view.getUint32(at, true);
  }

  /** One beyond 2^53 is beyond the archive too. */
  u64(at: number): number {
    return Number(this.#view.getBigUint64(at, true));
  }

  slice(start: number, length: number): Uint8Array {
    if (!(start >= 0 && start + length <= this.bytes.length)) throw broken("it ends too early");
    return this.bytes.subarray(start, start + length);
  }
}

/** Where the directory is, and how many files it has. */
function findDirectory(archive: Archive): { start: number; end: number; count: number } {
  const last = archive.bytes.length - SIZES.end;
  const first = Math.max(0, last - LONGEST_COMMENT);
  // the record is followed by a comment that ends where the file does
  const isEnd = (at: number) =>
    archive.u32(at) === DIRECTORY_END && archive.u16(at + 20) === last - at;
  let at = last;
  while (at >= first && !isEnd(at)) at--;
  if (at < first) throw broken("no end of its directory");
  if (archive.u16(at + 4) !== archive.u16(at + 6)) throw broken("one of several volumes");
  const locator = at - SIZES.locator64;
  let [count, size, start] = [archive.u16(at + 10), archive.u32(at + 12), archive.u32(at + 16)];
  let end = at;
  if (locator >= 0 && archive.u32(locator) === DIRECTORY_LOCATOR_64) {
    end = archive.record(
      archive.u64(locator + 8),
      SIZES.end64,
      DIRECTORY_END_64,
      "end of its directory",
    );
    if (count === MAX_16) count = archive.u64(end + 32);
    if (size === MAX_32) size = archive.u64(end + 40);
    if (start === MAX_32) start = archive.u64(end + 48);
  }
  if (start + size !== end || count * SIZES.entry > size) throw broken("impossible directory");
  return { start, end, count };
}

/** Refuses names that would lead elsewhere where they are taken for paths. */
function checkName(name: string): void {
  const isOutside = /^[/\\]|^[A-Za-z]:|\0/.test(name) || name.split(/[/\\]/).includes("..");
  if (name === "" || isOutside) throw new Damage(`it has a file of the unsafe name "${name}"`);
}

/** Size, packed size and offset where 32 bits are too few for them. */
function extended(archive: Archive, at: number, length: number, values: number[]): number[] {
  for (let field = at; field + 4 <= at + length;) {
    const [id, size] = [archive.u16(field), archive.u16(field + 2)];
    if (id === EXTRA_64) {
      let next = field + 4;
      const end = Math.min(next + size, at + length);
      return values.map((value) => {
        if (value !== MAX_32) return value;
        if (next + 8 > end) throw broken("a file without size");
        next += 8;
        return archive.u64(next - 8);
      });
    }
    field += 4 + size;
  }
  return values;
}

/** All files, and where the directory of them starts. */
function readDirectory(archive: Archive): { entries: Entry[]; start: number } {
  const { start, end, count } = findDirectory(archive);
  const entries: Entry[] = [];
  let at = start;
  for (let file = 0; file < count; file++) {
    archive.record(at, SIZES.entry, DIRECTORY_ENTRY, "entry of its directory");
    const lengths = [archive.u16(at + 28), archive.u16(at + 30), archive.u16(at + 32)];
    const [nameLength, extraLength, commentLength] = lengths;
    const rawName = archive.slice(at + SIZES.entry, nameLength);
    const name = new TextDecoder().decode(rawName);
    checkName(name);
    if ((archive.u16(at + 8) & ENCRYPTED) !== 0) throw new Damage(`"${name}" in it is encrypted`);
    if (!MODES.includes(archive.u16(at + 40) & MODE_KIND)) {
      throw new Damage(`"${name}" in it is a link or a device`);
    }
    const extraStart = at + SIZES.entry + nameLength;
    archive.slice(extraStart, extraLength + commentLength);
    const [size, packed, offset] = extended(archive, extraStart, extraLength, [
      archive.u32(at + 24),
      archive.u32(at + 20),
      archive.u32(at + 42),
    ]);
    const [method, crc] = [archive.u16(at + 10), archive.u32(at + 16)];
    entries.push({ name, rawName, method, crc, packed, size, offset });
    at = extraStart + extraLength + commentLength;
  }
  if (at !== end) throw broken("impossible directory");
  return { entries, start };
}

/** Where a file's packed bytes are; its own header must name it too. */
function locate(archive: Archive, { name, rawName, offset, packed }: Entry): Uint8Array {
  const at = archive.record(offset, SIZES.local, LOCAL_HEADER, `header of "${name}"`);
  const [nameLength, extraLength] = [archive.u16(at + 26), archive.u16(at + 28)];
  const own = archive.slice(at + SIZES.local, nameLength);
  if (nameLength !== rawName.length || own.some((byte, i) => byte !== rawName[i])) {
    throw broken(`"${name}" has another name in front of it`);
  }
  return archive.slice(at + SIZES.local + nameLength + extraLength, packed);
}

function unpack({ name, method, crc, size }: Entry, packed: Uint8Array, budget: MemoryBudget) {
  let bytes = packed;
  if (method === DEFLATED) {
    budget.take(size);
    try {
      // stops as soon as there is more than the directory says; 0 is no limit to zlib
      const buffer = inflateRawSync(packed, { maxOutputLength: Math.max(size, 1) });
      bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
    } catch {
      throw broken(`"${name}" can't be unpacked`);
    }
  } else if (method !== STORED) {
    throw new Damage(`"${name}" in it is packed by method ${method}; pack it by deflate`);
  }
  if (bytes.length !== size || crc32(bytes) !== crc) throw broken(`the CRC of "${name}" is wrong`);
  return bytes;
}

/**
 * Files of a ZIP archive by name, unpacked; folders are left out.
 *
 * @param budget what unpacking may take
 * @throws Damage
 */
export function unzip(file: Uint8Array, budget: MemoryBudget): Map<string, Uint8Array> {
  if (file.length === 0) throw new Damage("it is empty");
  const archive = new Archive(file);
  const { entries, start } = readDirectory(archive);
  const files = new Map<string, Uint8Array>();
  let end = 0;
  for (const entry of entries.toSorted((a, b) => a.offset - b.offset)) {
    const packed = locate(archive, entry);
    if (entry.offset < end) {
      throw new Damage(`"${entry.name}" in it shares bytes with another file`);
    }
    end = packed.byteOffset - file.byteOffset + packed.length;
    if (end > start) throw broken(`"${entry.name}" reaches into its directory`);
    if (files.has(entry.name)) throw new Damage(`it has two files "${entry.name}"`);
    const bytes = unpack(entry, packed, budget);
    if (!entry.name.endsWith("/")) files.set(entry.name, bytes);
  }
  // in the order of the directory
  return new Map(
    entries.flatMap(({ name }) => files.has(name) ? [[name, files.get(name)!] as const] : []),
  );
}
