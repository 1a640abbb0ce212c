/**
 * NumPy's arrays and numbers in pickles (`numpy/core/src/multiarray`, `__reduce__` of ndarray,
 * dtype and scalars): the names that such a pickle imports. NumPy 2 has them under `numpy._core`.
 *
 * Left out: records, dates, text; arrays of objects hold whatever the pickle holds.
 */
import { Damage, elementCount, type MemoryBudget } from "./data_file.ts";
import { decodeElements, type NpyArray } from "./npy.ts";
import { bytesOfLatin1, globalOf, type PickleGlobal, PickleObject } from "./pickle.ts";

/** Type of elements: `f8`, and `<` or `>` once it was completed. */
class PickledDtype extends PickleObject {
  /** `<`, `>`, `|` or `=`. */
  order = "=";

  constructor(readonly code: string) {
    super();
  }

  override setState(state: unknown): void {
    // (version, byte order, subarray, names, fields, item size, alignment, flags)
    const order = Array.isArray(state) ? state[1] : undefined;
    if (typeof order !== "string" || !/^[<>|=]$/.test(order)) {
      throw new Damage("its pickle has an element type without byte order");
    }
    if (Array.isArray(state) && (state[2] ?? state[3] ?? state[4] ?? null) !== null) {
      throw new Damage("its pickle has an array of records; save plain numbers");
    }
    this.order = order;
  }
}

function shapeOf(value: unknown): number[] {
  if (!Array.isArray(value)) throw new Damage("its pickle has an array without shape");
  const shape: unknown[] = value;
  if (!shape.every((extent) => typeof extent === "number")) {
    throw new Damage("its pickle has an array without shape");
  }
  elementCount(shape);
  return shape;
}

function elementBytes(value: unknown, budget: MemoryBudget): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value === "string") {
    budget.take(value.length);
    return bytesOfLatin1(value);
  }
  throw new Damage("its pickle has an array without elements");
}

/** An array of a pickle. */
export class PickledArray extends PickleObject {
  #content: NpyArray | { readonly shape: readonly number[]; readonly objects: unknown[] } | null =
    null;

  override setState(state: unknown, budget: MemoryBudget): void {
    // (version, shape, dtype, is Fortran-ordered, elements); old ones lack the version
    if (!Array.isArray(state) || state.length < 4) {
      throw new Damage("its pickle has an array without content");
    }
    const [extents, dtype, columnMajor, elements]: unknown[] = state.slice(-4);
    this.fill(shapeOf(extents), dtype, columnMajor === true, elements, budget);
  }

  /** Takes shape, type and elements over. */
  fill(
    shape: number[],
    dtype: unknown,
    columnMajor: boolean,
    elements: unknown,
    budget: MemoryBudget,
  ): void {
    if (!(dtype instanceof PickledDtype)) {
      throw new Damage("its pickle has an array without element type");
    }
    if (!/^O\d*$/.test(dtype.code)) {
      const code = dtype.order + dtype.code;
      const bytes = elementBytes(elements, budget);
      budget.take(bytes.length);
      this.#content = decodeElements(code, shape, columnMajor, bytes);
      return;
    }
    if (!Array.isArray(elements) || elements.length !== elementCount(shape)) {
      throw new Damage("its pickle has an array of objects with another count of objects");
    }
    if (columnMajor && shape.length > 1) {
      throw new Damage("its pickle has a Fortran-ordered array of objects; save it in C order");
    }
    this.#content = { shape, objects: elements };
  }

  /** The array as numbers, or `null` where it holds objects. @throws Damage where it was never filled */
  get numbers(): NpyArray | null {
    const content = this.#filled();
    return "objects" in content ? null : content;
  }

  /** Extents and, row-major, the objects of an array of objects; `null` for one of numbers. */
  get objects(): { readonly shape: readonly number[]; readonly objects: unknown[] } | null {
    const content = this.#filled();
    return "objects" in content ? content : null;
  }

  #filled() {
    if (this.#content === null) throw new Damage("its pickle has an array without content");
    return this.#content;
  }
}

/** One number of a pickle: `numpy.float64(3)`. */
function scalarOf(
  dtype: unknown,
  elements: unknown,
  budget: MemoryBudget,
): number | bigint {
  const array = new PickledArray();
  array.fill([], dtype, false, elements, budget);
  const numbers = array.numbers;
  if (numbers === null) throw new Damage("its pickle has an object for a number");
  return numbers.data[0];
}

function dtypeOf(args: readonly unknown[]): PickledDtype {
  const [code] = args;
  if (typeof code !== "string") throw new Damage("its pickle has an element type without name");
  return new PickledDtype(code);
}

const NDARRAY: PickleGlobal = {};

function bytesOf(args: readonly unknown[], budget: MemoryBudget): Uint8Array {
  return args.length === 0 ? new Uint8Array(0) : elementBytes(args[0], budget);
}

/** The names, `module name`, that pickles of NumPy import. */
export const NUMPY_GLOBALS: ReadonlyMap<string, PickleGlobal> = new Map<string, PickleGlobal>([
  ["numpy ndarray", NDARRAY],
  ["numpy dtype", { call: dtypeOf }],
  // protocol 2 has no bytes: they are the latin-1 encoding of text
  ["_codecs encode", { call: bytesOf }],
  ["__builtin__ bytes", { call: bytesOf }],
  ["builtins bytes", { call: bytesOf }],
  ["builtins bytearray", { call: bytesOf }],
  ...["numpy.core", "numpy._core"].flatMap((core): [string, PickleGlobal][] => [
    [`${core}.multiarray _reconstruct`, {
      call: ([type]) => {
        if (globalOf(type) !== NDARRAY) {
          throw new Damage("its pickle has an array of another class");
        }
        return new PickledArray();
      },
    }],
    [`${core}.multiarray scalar`, {
      call: ([dtype, elements], budget) => scalarOf(dtype, elements, budget),
    }],
    // protocol 5
    [`${core}.numeric _frombuffer`, {
      call: ([elements, dtype, shape, order], budget) => {
        const array = new PickledArray();
        array.fill(shapeOf(shape), dtype, order === "F", elements, budget);
        return array;
      },
    }],
  ]),
]);
