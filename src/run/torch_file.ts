/**
 * Reads files of PyTorch's `torch.save` (since version 1.6): a ZIP archive
 *
 *     NAME/data.pkl     pickle of the saved value; a tensor is a view (offset, shape, strides) of a
 *                       storage
 *     NAME/data/KEY     elements of storage KEY
 *     NAME/byteorder    `little`; absent in older files
 *
 * Nothing in the file is executed (`pickle.ts`); on which device a tensor lay is ignored.
 *
 * Left out: the format before 1.6 (refused with what to do), TorchScript, half precision, sparse and
 * quantised tensors.
 */
import { Damage, elementCount, MemoryBudget, readContent } from "./data_file.ts";
import { decodeElements, type NpyArray } from "./npy.ts";
import { NUMPY_GLOBALS, PickledArray } from "./numpy_pickle.ts";
import { globalOf, type PickleGlobal, readPickle } from "./pickle.ts";
import { unzip } from "./zip.ts";

/** A tensor with its elements, row-major. */
export type TorchTensor = NpyArray;

/** What `torch.save` was given: dictionaries are objects without prototype, tuples arrays. */
export type TorchValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | TorchTensor
  | readonly TorchValue[]
  | { readonly [key: string]: TorchValue };

/** Storage classes, and NumPy's code of the elements they hold. */
const STORAGES: Readonly<Record<string, string>> = {
  FloatStorage: "<f4",
  DoubleStorage: "<f8",
  LongStorage: "<i8",
  IntStorage: "<i4",
  ByteStorage: "|u1",
  BoolStorage: "|b1",
};

/** Nesting of dictionaries and lists that no file of tensors needs. */
const MAX_DEPTH = 64;

/** The first bytes of a file of PyTorch before 1.6: a pickle of the number 0x1950a86a20f9469cfc6c. */
const LEGACY_MAGIC = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20];

/** A class of storages as the pickle names it. */
class StorageClass implements PickleGlobal {
  /** It is only ever named. */
  readonly call = undefined;
  constructor(readonly code: string) {}
}

/** A tensor in the pickle. */
class PickledTensor {
  constructor(readonly array: NpyArray) {}
}

function naturals(value: unknown, what: string): number[] {
  if (!Array.isArray(value)) throw new Damage(`it has a tensor without ${what}`);
  const list: unknown[] = value;
  if (!list.every((n) => typeof n === "number" && Number.isSafeInteger(n) && n >= 0)) {
    throw new Damage(`it has a tensor without ${what}`);
  }
  return list as number[];
}

/** Elements of the view (offset, shape, strides in elements) of a storage, row-major. */
function viewOf(
  storage: NpyArray,
  offset: number,
  shape: number[],
  strides: number[],
  budget: MemoryBudget,
): NpyArray {
  if (strides.length !== shape.length) throw new Damage("it has a tensor without strides");
  const count = elementCount(shape);
  const last = shape.reduce((sum, extent, d) => sum + (extent - 1) * strides[d], offset);
  if (count > 0 && last >= storage.data.length) {
    throw new Damage(`it has a tensor [${shape.join(", ")}] beyond the end of its elements`);
  }
  budget.take(count * storage.data.BYTES_PER_ELEMENT);
  const gather = <T extends NpyArray["data"]>(from: T, to: T): T => {
    const index = shape.map(() => 0);
    for (let o = 0, i = offset; o < count; o++) {
      to[o] = from[i];
      for (let d = shape.length - 1; d >= 0; d--) {
        i += strides[d];
        if (++index[d] < shape[d]) break;
        i -= strides[d] * shape[d];
        index[d] = 0;
      }
    }
    return to;
  };
  switch (storage.type) {
    case "float64":
      return { type: storage.type, shape, data: gather(storage.data, new Float64Array(count)) };
    case "float32":
      return { type: storage.type, shape, data: gather(storage.data, new Float32Array(count)) };
    case "int64":
      return { type: storage.type, shape, data: gather(storage.data, new BigInt64Array(count)) };
    case "int32":
      return { type: storage.type, shape, data: gather(storage.data, new Int32Array(count)) };
    case "uint8":
    case "bool":
      return { type: storage.type, shape, data: gather(storage.data, new Uint8Array(count)) };
  }
}

/** `torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, ...)` */
function rebuildTensor(
  [storage, offset, shape, strides]: readonly unknown[],
  budget: MemoryBudget,
): PickledTensor {
  if (!(storage instanceof PickledTensor) || !Number.isSafeInteger(offset) || Number(offset) < 0) {
    throw new Damage("it has a tensor without elements");
  }
  const [extents, steps] = [naturals(shape, "shape"), naturals(strides, "strides")];
  return new PickledTensor(viewOf(storage.array, Number(offset), extents, steps, budget));
}

const GLOBALS: ReadonlyMap<string, PickleGlobal> = new Map<string, PickleGlobal>([
  ...NUMPY_GLOBALS,
  ["collections OrderedDict", { call: () => new Map() }],
  ["torch._utils _rebuild_tensor_v2", { call: rebuildTensor }],
  ["torch._utils _rebuild_parameter", { call: ([tensor]) => tensor }],
  ...Object.entries(STORAGES).map(([name, code]): [string, PickleGlobal] => [
    `torch ${name}`,
    new StorageClass(code),
  ]),
]);

/** Reads storages, each once. */
class Storages {
  readonly #read = new Map<
    string,
    { readonly storage: PickledTensor; readonly code: string; readonly count: number }
  >();

  constructor(
    private readonly files: ReadonlyMap<string, Uint8Array>,
    private readonly root: string,
  ) {}

  /** The storage of a persistent id ("storage", class, key, device, number of elements). */
  at(id: unknown): PickledTensor {
    const [kind, storageClass, key, , count]: unknown[] = Array.isArray(id) ? id : [];
    const global = globalOf(storageClass);
    if (kind !== "storage" || !(global instanceof StorageClass) || typeof key !== "string") {
      throw new Damage("its pickle refers to something that is no storage of numbers");
    }
    const found = this.#read.get(key);
    if (found !== undefined) {
      if (found.code === global.code && found.count === count) return found.storage;
      throw new Damage(`it has elements under data/${key} of two types or lengths`);
    }
    const bytes = this.files.get(`${this.root}data/${key}`);
    if (bytes === undefined) throw new Damage(`it has no elements under data/${key}`);
    if (typeof count !== "number") throw new Damage("it has a storage without length");
    const storage = new PickledTensor(decodeElements(global.code, [count], false, bytes));
    this.#read.set(key, { storage, code: global.code, count });
    return storage;
  }
}

/**
 * A value of the pickle without the classes of this file. `done` holds the dictionaries and lists
 * that were turned already: what a pickle refers to many times is turned once.
 */
function plain(value: unknown, done: Map<unknown, TorchValue>, depth = 0): TorchValue {
  if (depth > MAX_DEPTH) throw new Damage(`it has values within values, over ${MAX_DEPTH} levels`);
  if (value === null || value instanceof PickledTensor) return value?.array ?? null;
  switch (typeof value) {
    case "boolean":
    case "number":
    case "bigint":
    case "string":
      return value;
  }
  if (value instanceof PickledArray && value.numbers !== null) return value.numbers;
  const earlier = done.get(value);
  if (earlier !== undefined) return earlier;
  if (Array.isArray(value)) {
    const list = value.map((item) => plain(item, done, depth + 1));
    done.set(value, list);
    return list;
  }
  if (value instanceof Map) {
    const object: Record<string, TorchValue> = Object.create(null);
    for (const [key, item] of value) {
      if (typeof key !== "string" && typeof key !== "number") {
        throw new Damage("it has a dictionary whose keys are no names");
      }
      if (key in object) throw new Damage(`it has a dictionary with two keys "${key}"`);
      object[key] = plain(item, done, depth + 1);
    }
    done.set(value, object);
    return object;
  }
  throw new Damage("it holds something that is neither a tensor nor plain data");
}

/**
 * The value in a file of `torch.save`.
 *
 * @param source how to call the file in an error message
 * @throws UserError `data-file-damaged` for anything but a whole file of tensors and plain data
 */
export function readTorchCheckpoint(file: Uint8Array, source: string): TorchValue {
  return readContent(source, () => {
    if (LEGACY_MAGIC.every((byte, i) => file[i] === byte)) {
      throw new Damage(
        "it has the format of PyTorch before 1.6; convert it with " +
          'torch.save(torch.load(OLD, map_location="cpu"), NEW) in PyTorch 1.6 or later',
      );
    }
    const budget = new MemoryBudget(file.length);
    const files = unzip(file, budget);
    const pickle = [...files.keys()].find((name) => /^([^/]+\/)?data\.pkl$/.test(name));
    if (pickle === undefined) throw new Damage("it is a ZIP archive, but not of torch.save");
    const root = pickle.slice(0, -"data.pkl".length);
    const order = files.get(`${root}byteorder`);
    if (order !== undefined && new TextDecoder().decode(order).trim() !== "little") {
      throw new Damage("it was saved on a big-endian machine; save it on a little-endian one");
    }
    const storages = new Storages(files, root);
    const value = readPickle(files.get(pickle) ?? new Uint8Array(0), {
      globals: GLOBALS,
      persistent: (id) => storages.at(id),
      budget,
    });
    return plain(value, new Map());
  });
}
