/**
 * Arrays of numbers in NumPy's `.npy` format, versions 1 to 3 (numpy.lib.format):
 *
 *     6 bytes     \x93NUMPY
 *     2 bytes     version, major and minor
 *     2 bytes     length H of the header, little-endian (from version 2 on: 4 bytes)
 *     H bytes     a Python dictionary: {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }
 *     the rest    the elements
 *
 * Own code, as the npm packages for it (npyjs 1.2.0 is the one that is kept up) read neither
 * big-endian nor Fortran-ordered nor object arrays and don't compare shape and length.
 *
 * Left out: half and long double, complex, text, dates and records. Arrays of Python objects are
 * pickles, see `original_data.ts`.
 */
import { Damage, elementCount, readContent } from "./data_file.ts";

/** Element types by NumPy's name, and what holds them. `bool` has one byte an element, 0 or 1. */
export interface ElementArrays {
  /** IEEE double. */
  float64: Float64Array;
  /** IEEE single. */
  float32: Float32Array;
  /** 64-bit integer with sign. */
  int64: BigInt64Array;
  /** 32-bit integer with sign. */
  int32: Int32Array;
  /** Byte. */
  uint8: Uint8Array;
  /** Byte, 0 or 1. */
  bool: Uint8Array;
}

/** Name of an element type. */
export type ElementType = keyof ElementArrays;

/** An array with its shape. */
export type NpyArray = {
  [T in ElementType]: {
    /** Element type. */
    readonly type: T;
    /** Extent of every axis; empty for a single number. */
    readonly shape: readonly number[];
    /** Elements, row-major. */
    readonly data: ElementArrays[T];
  };
}[ElementType];

/** NumPy's code and the size in bytes of every element type. */
const TYPES: Readonly<Record<ElementType, { readonly code: string; readonly bytes: number }>> = {
  float64: { code: "f8", bytes: 8 },
  float32: { code: "f4", bytes: 4 },
  int64: { code: "i8", bytes: 8 },
  int32: { code: "i4", bytes: 4 },
  uint8: { code: "u1", bytes: 1 },
  bool: { code: "b1", bytes: 1 },
};

/** Is memory little-endian, as files mostly are? */
const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

/** Elements start at a multiple of this, as numpy's do. */
const ALIGNMENT = 64;

function elementType(code: string): ElementType {
  for (const type of Object.keys(TYPES) as ElementType[]) {
    if (TYPES[type].code === code) return type;
  }
  throw new Damage(
    `its elements have the type "${code}"; save them as float64, float32, int64, int32, uint8 or bool`,
  );
}

function swapBytes(bytes: Uint8Array, size: number): void {
  for (let start = 0; start < bytes.length; start += size) {
    bytes.subarray(start, start + size).reverse();
  }
}

/** Puts column-major elements into row-major order; D axes. */
function fromColumnMajor<T extends ElementArrays[ElementType]>(
  data: T,
  shape: readonly number[],
): T {
  const out = data.slice() as T;
  // walk through the column-major elements, the first index fastest
  const strides = shape.map((_, d) => elementCount(shape.slice(d + 1)));
  const index = shape.map(() => 0);
  for (let i = 0, o = 0; i < data.length; i++) {
    out[o] = data[i];
    for (let d = 0; d < shape.length; d++) {
      o += strides[d];
      if (++index[d] < shape[d]) break;
      o -= strides[d] * shape[d];
      index[d] = 0;
    }
  }
  return out;
}

/**
 * The array whose elements are these bytes.
 *
 * @param code NumPy's type code with byte order, `<f8`
 * @param bytes exactly the elements; copied
 * @throws Damage for an unknown type or a length that does not fit the shape
 */
export function decodeElements(
  code: string,
  shape: readonly number[],
  columnMajor: boolean,
  bytes: Uint8Array,
): NpyArray {
  const type = elementType(code.replace(/^[<>|=]/, ""));
  const size = TYPES[type].bytes;
  const expected = elementCount(shape) * size;
  if (bytes.length !== expected) {
    throw new Damage(
      `it has ${bytes.length} bytes of elements, its shape [${shape.join(", ")}] needs ${expected}`,
    );
  }
  const copy = bytes.slice();
  const fileIsLittle = code[0] === "<" || (code[0] !== ">" && LITTLE_ENDIAN);
  if (size > 1 && fileIsLittle !== LITTLE_ENDIAN) swapBytes(copy, size);
  const order = <T extends ElementArrays[ElementType]>(data: T) =>
    columnMajor && shape.length > 1 ? fromColumnMajor(data, shape) : data;
  switch (type) {
    case "float64":
      return { type, shape, data: order(new Float64Array(copy.buffer)) };
    case "float32":
      return { type, shape, data: order(new Float32Array(copy.buffer)) };
    case "int64":
      return { type, shape, data: order(new BigInt64Array(copy.buffer)) };
    case "int32":
      return { type, shape, data: order(new Int32Array(copy.buffer)) };
    case "bool":
      if (copy.some((byte) => byte > 1)) {
        throw new Damage("it has elements of the type bool that are neither 0 nor 1");
      }
      return { type, shape, data: order(copy) };
    case "uint8":
      return { type, shape, data: order(copy) };
  }
}

/** What stands before the elements of a `.npy` file. */
export interface NpyHeader {
  /** Type code with byte order: `<f8`, `|O`. */
  readonly code: string;
  /** Extent of every axis. */
  readonly shape: readonly number[];
  /** First index fastest? */
  readonly columnMajor: boolean;
  /** Where the elements start in the file. */
  readonly offset: number;
}

/** Longest header, as in NumPy: no shape needs more. */
const LONGEST_HEADER = 10_000;

/** Entries of the header's dictionary, in any order. Python 2 wrote long integers as 3L. */
const HEADER_ENTRY = new RegExp(
  [
    String.raw`\s*(?:'descr'\s*:\s*'([<>|=]?\w+)'`,
    String.raw`'fortran_order'\s*:\s*(True|False)`,
    String.raw`'shape'\s*:\s*\(\s*((?:\d+L?\s*(?:,\s*|(?=\))))*)\))\s*(?:,|(?=\}))`,
  ].join("|"),
  "y",
);

/** The header's dictionary: three entries in any order, each once, and nothing else. */
function parseHeader(text: string): Omit<NpyHeader, "offset"> {
  const no = new Damage("its header is no description of an array of numbers");
  const found: (string | undefined)[] = [undefined, undefined, undefined];
  if (text[0] !== "{") throw no;
  HEADER_ENTRY.lastIndex = 1;
  for (let entry = 0; entry < found.length; entry++) {
    const match = HEADER_ENTRY.exec(text);
    if (match === null) throw no;
    found.forEach((known, i) => {
      if (match[i + 1] === undefined) return;
      if (known !== undefined) throw no;
      found[i] = match[i + 1];
    });
    const end = HEADER_ENTRY.lastIndex;
    if (entry === found.length - 1 && !/^\s*\}\s*$/.test(text.slice(end))) throw no;
  }
  const [code, order, extents] = found;
  if (code === undefined || order === undefined || extents === undefined) throw no;
  const shape = (extents.match(/\d+/g) ?? []).map(Number);
  elementCount(shape);
  return { code, shape, columnMajor: order === "True" };
}

/** Reads the header of a file. @throws Damage */
export function decodeNpyHeader(file: Uint8Array): NpyHeader {
  if (file.length === 0) throw new Damage("it is empty");
  if (!MAGIC.every((byte, i) => file[i] === byte)) throw new Damage("it is not a .npy file");
  const version = file[6];
  if (version < 1 || version > 3) {
    throw new Damage(`it has version ${version} of the .npy format; 1 to 3 are read`);
  }
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const start = version === 1 ? 10 : 12;
  const length = file.length < start
    ? Infinity
    : version === 1
    ? view.getUint16(8, true)
    : view.getUint32(8, true);
  const offset = start + length;
  if (offset > file.length) throw new Damage(`it has ${file.length} bytes and ends in its header`);
  if (length > LONGEST_HEADER) throw new Damage(`its header has ${length} bytes`);
  return { ...parseHeader(new TextDecoder().decode(file.subarray(start, offset))), offset };
}

/**
 * The array in a `.npy` file.
 *
 * @param source how to call the file in an error message
 * @throws UserError `data-file-damaged` for anything but a whole file of numbers
 */
export function readNpy(file: Uint8Array, source: string): NpyArray {
  return readContent(source, () => {
    const { code, shape, columnMajor, offset } = decodeNpyHeader(file);
    if (code === "|O") {
      throw new Damage("it is an array of Python objects; one of numbers is needed here");
    }
    return decodeElements(code, shape, columnMajor, file.subarray(offset));
  });
}

/** The bytes of a `.npy` file, version 1.0, row-major, in the byte order of this machine. */
export function writeNpy({ type, shape, data }: NpyArray): Uint8Array<ArrayBuffer> {
  if (elementCount(shape) !== data.length) {
    throw new RangeError(`Cannot write [${shape}] as .npy: it has ${data.length} elements`);
  }
  const { code, bytes } = TYPES[type];
  const order = bytes === 1 ? "|" : LITTLE_ENDIAN ? "<" : ">";
  const extents = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const text = `{'descr': '${order}${code}', 'fortran_order': False, 'shape': (${extents}), }`;
  const start = MAGIC.length + 4;
  const offset = Math.ceil((start + text.length + 1) / ALIGNMENT) * ALIGNMENT;
  const file = new Uint8Array(offset + data.byteLength);
  file.set(MAGIC);
  file.set([1, 0], MAGIC.length);
  new DataView(file.buffer).setUint16(MAGIC.length + 2, offset - start, true);
  file.set(new TextEncoder().encode(`${text.padEnd(offset - start - 1)}\n`), start);
  file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
  return file;
}
