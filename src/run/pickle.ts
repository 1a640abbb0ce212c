/**
 * Reads Python pickles of plain data, protocols 2 to 5, and executes nothing: an unpickler is a
 * small stack machine whose only door to code are the names it is told to import, and here every
 * name must be on the caller's list. (Python's pickle documentation warns of exactly this door; the
 * machine is the one of CPython's `Lib/pickletools.py`.)
 *
 * Own code, as the npm package for it (pickleparser 0.2.1) reads negative long integers and the
 * binary strings of old NumPy files wrongly, and calls whatever lies on its stack.
 *
 * What Python has becomes: None null, bool boolean, int and float number (an int beyond 2^53
 * bigint), str string, bytes Uint8Array, list and tuple array, dict Map; what a name of the list
 * makes, whatever it makes.
 *
 * Left out: text opcodes of protocols 0 and 1, sets, classes of one's own, buffers outside of the
 * file.
 */
import { Damage, type MemoryBudget } from "./data_file.ts";

/** A name that a pickle may import: a constant or something that makes values. */
export interface PickleGlobal {
  /** Makes a value of the arguments; absent: the name is only ever passed on. */
  readonly call?: (args: readonly unknown[], budget: MemoryBudget) => unknown;
}

/** A value that is completed after it was made (`__setstate__`). */
export abstract class PickleObject {
  /** Takes the state over. @throws Damage for a state that it can't have */
  abstract setState(state: unknown, budget: MemoryBudget): void;
}

/** What a pickle may use besides plain data. */
export interface PickleContext {
  /** Names it may import, `module name`. */
  readonly globals: ReadonlyMap<string, PickleGlobal>;
  /** The value that a persistent id stands for; absent: there are none. */
  readonly persistent?: (id: unknown) => unknown;
  /** What values may take that the pickle has no bytes for: it can ask for a copy time and again. */
  readonly budget: MemoryBudget;
}

/** A name on a context's list, on the machine's stack. */
class ImportedName {
  constructor(readonly name: string, readonly global: PickleGlobal) {}
}

/** What a name on the list stands for, or `undefined` where `value` is none. */
export function globalOf(value: unknown): PickleGlobal | undefined {
  return value instanceof ImportedName ? value.global : undefined;
}

const LATIN1_CHUNK = 8192;

/** Bytes as text, one character each. */
function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let start = 0; start < bytes.length; start += LATIN1_CHUNK) {
    text += String.fromCharCode(...bytes.subarray(start, start + LATIN1_CHUNK));
  }
  return text;
}

/** Text of one byte per character as bytes; the inverse of Python's latin-1 encoding. */
export function bytesOfLatin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 255) throw new Damage("its pickle has text where bytes should be");
    bytes[i] = code;
  }
  return bytes;
}

/** Little-endian integer in two's complement, as LONG1 has it. */
function integerOf(bytes: Uint8Array): number | bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = value << 8n | BigInt(bytes[i]);
  value = BigInt.asIntN(8 * bytes.length, value);
  const near = Number(value);
  return Number.isSafeInteger(near) ? near : value;
}

/** Reads a pickle's bytes in order. */
class Bytes {
  #position = 0;
  readonly #view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Where the next byte is. */
  get position(): number {
    return this.#position;
  }

  /** Steps over `count` bytes; returns where they start. */
  skip(count: number): number {
    const start = this.#position;
    if (count > this.bytes.length - start) {
      throw new Damage(`its pickle ends after ${this.bytes.length} bytes, in the middle`);
    }
    this.#position += count;
    return start;
  }

  take(count: number): Uint8Array {
    const start = this.skip(count);
    return this.bytes.subarray(start, start + count);
  }

  uint8(): number {
    return this.#view.getUint8(this.skip(1));
  }

  uint16(): number {
    return this.#view.getUint16(this.skip(2), true);
  }

  int32(): number {
    return this.#view.getInt32(this.skip(4), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.skip(4), true);
  }

  /** A length; one beyond 2^53 is beyond the file too. */
  uint64(): number {
    return Number(this.#view.getBigUint64(this.skip(8), true));
  }

  float64(): number {
    return this.#view.getFloat64(this.skip(8));
  }

  line(): string {
    const end = this.bytes.indexOf(0x0a, this.#position);
    const text = this.take(end < 0 ? Infinity : end - this.#position);
    this.skip(1);
    return new TextDecoder().decode(text);
  }
}

/** One run of the stack machine. */
class Machine {
  readonly #input: Bytes;
  readonly #memo = new Map<number, unknown>();
  readonly #marked: unknown[][] = [];
  #stack: unknown[] = [];

  constructor(bytes: Uint8Array, private readonly context: PickleContext) {
    this.#input = new Bytes(bytes);
  }

  run(): unknown {
    if (this.#input.uint8() !== 0x80) throw new Damage("it has no pickle of protocol 2 to 5");
    const protocol = this.#input.uint8();
    if (protocol < 2 || protocol > 5) {
      throw new Damage(`its pickle has protocol ${protocol}; 2 to 5 are read`);
    }
    for (;;) {
      const opcode = this.#input.uint8();
      if (opcode === 0x2e) return this.#pop();
      this.#step(opcode);
    }
  }

  #pop(): unknown {
    if (this.#stack.length === 0) throw new Damage("its pickle takes from an empty stack");
    return this.#stack.pop();
  }

  #top(): unknown {
    if (this.#stack.length === 0) throw new Damage("its pickle takes from an empty stack");
    return this.#stack[this.#stack.length - 1];
  }

  #popArray(): unknown[] {
    const value = this.#pop();
    if (!Array.isArray(value)) throw new Damage("its pickle has no list where one is needed");
    return value;
  }

  /** Everything since the last mark. */
  #popMarked(): unknown[] {
    const outer = this.#marked.pop();
    if (outer === undefined) throw new Damage("its pickle misses a mark");
    const items = this.#stack;
    this.#stack = outer;
    return items;
  }

  /** Takes `count` values off, the first one pushed in front. */
  #popTuple(count: number): unknown[] {
    if (this.#stack.length < count) throw new Damage("its pickle takes from an empty stack");
    return this.#stack.splice(this.#stack.length - count, count);
  }

  #recall(index: number): unknown {
    if (!this.#memo.has(index)) throw new Damage("its pickle recalls what it never stored");
    return this.#memo.get(index);
  }

  #append(items: readonly unknown[]): void {
    const list = this.#top();
    if (!Array.isArray(list)) throw new Damage("its pickle has no list where one is needed");
    for (const item of items) list.push(item);
  }

  #setItems(items: readonly unknown[]): void {
    const dictionary = this.#top();
    if (!(dictionary instanceof Map) || items.length % 2 !== 0) {
      throw new Damage("its pickle has no dictionary where one is needed");
    }
    for (let i = 0; i < items.length; i += 2) dictionary.set(items[i], items[i + 1]);
  }

  #import(module: unknown, name: unknown): ImportedName {
    if (typeof module !== "string" || typeof name !== "string") {
      throw new Damage("its pickle asks for something that has no name");
    }
    const key = `${module} ${name}`;
    const global = this.context.globals.get(key);
    if (global === undefined) {
      throw new Damage(`its pickle asks for ${module}.${name}, which is not known plain data`);
    }
    return new ImportedName(key.replace(" ", "."), global);
  }

  #call(): unknown {
    const args = this.#popArray();
    const callee = this.#pop();
    const call = globalOf(callee)?.call;
    if (call === undefined) throw new Damage("its pickle calls something that is no constructor");
    return call(args, this.context.budget);
  }

  #build(): void {
    const state = this.#pop();
    const object = this.#top();
    // attributes of a dictionary (PyTorch keeps versions there) are no part of its content
    if (object instanceof Map) return;
    if (!(object instanceof PickleObject)) throw new Damage("its pickle completes plain data");
    object.setState(state, this.context.budget);
  }

  #step(opcode: number): void {
    const input = this.#input;
    const stack = this.#stack;
    switch (opcode) {
      case 0x95: // FRAME
        input.skip(8);
        break;
      case 0x28: // MARK
        this.#marked.push(stack);
        this.#stack = [];
        break;
      case 0x30: // POP
        this.#pop();
        break;
      case 0x31: // POP_MARK
        this.#popMarked();
        break;
      case 0x32: // DUP
        stack.push(this.#top());
        break;
      case 0x71: // BINPUT
        this.#memo.set(input.uint8(), this.#top());
        break;
      case 0x72: // LONG_BINPUT
        this.#memo.set(input.uint32(), this.#top());
        break;
      case 0x94: // MEMOIZE
        this.#memo.set(this.#memo.size, this.#top());
        break;
      case 0x68: // BINGET
        stack.push(this.#recall(input.uint8()));
        break;
      case 0x6a: // LONG_BINGET
        stack.push(this.#recall(input.uint32()));
        break;

      case 0x4e: // NONE
        stack.push(null);
        break;
      case 0x88: // NEWTRUE
        stack.push(true);
        break;
      case 0x89: // NEWFALSE
        stack.push(false);
        break;
      case 0x4a: // BININT
        stack.push(input.int32());
        break;
      case 0x4b: // BININT1
        stack.push(input.uint8());
        break;
      case 0x4d: // BININT2
        stack.push(input.uint16());
        break;
      case 0x8a: // LONG1
        stack.push(integerOf(input.take(input.uint8())));
        break;
      case 0x47: // BINFLOAT
        stack.push(input.float64());
        break;

      case 0x43: // SHORT_BINBYTES
        stack.push(input.take(input.uint8()));
        break;
      case 0x42: // BINBYTES
        stack.push(input.take(input.uint32()));
        break;
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        stack.push(input.take(input.uint64()));
        break;
      case 0x55: // SHORT_BINSTRING, Python 2's bytes
        stack.push(latin1(input.take(input.uint8())));
        break;
      case 0x54: // BINSTRING
        stack.push(latin1(input.take(input.uint32())));
        break;
      case 0x8c: // SHORT_BINUNICODE
        stack.push(new TextDecoder().decode(input.take(input.uint8())));
        break;
      case 0x58: // BINUNICODE
        stack.push(new TextDecoder().decode(input.take(input.uint32())));
        break;
      case 0x8d: // BINUNICODE8
        stack.push(new TextDecoder().decode(input.take(input.uint64())));
        break;

      case 0x29: // EMPTY_TUPLE
      case 0x5d: // EMPTY_LIST
        stack.push([]);
        break;
      case 0x74: // TUPLE
      case 0x6c: { // LIST
        const items = this.#popMarked();
        this.#stack.push(items);
        break;
      }
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        stack.push(this.#popTuple(opcode - 0x84));
        break;
      case 0x61: // APPEND
        this.#append([this.#pop()]);
        break;
      case 0x65: // APPENDS
        this.#append(this.#popMarked());
        break;
      case 0x7d: // EMPTY_DICT
        stack.push(new Map());
        break;
      case 0x73: // SETITEM
        this.#setItems(this.#popTuple(2));
        break;
      case 0x75: // SETITEMS
        this.#setItems(this.#popMarked());
        break;

      case 0x63: { // GLOBAL
        const module = input.line();
        stack.push(this.#import(module, input.line()));
        break;
      }
      case 0x93: { // STACK_GLOBAL
        const [module, name] = this.#popTuple(2);
        stack.push(this.#import(module, name));
        break;
      }
      case 0x52: // REDUCE
      case 0x81: // NEWOBJ
        stack.push(this.#call());
        break;
      case 0x62: // BUILD
        this.#build();
        break;
      case 0x51: { // BINPERSID
        const id = this.#pop();
        if (this.context.persistent === undefined) {
          throw new Damage("its pickle refers to something outside of it");
        }
        stack.push(this.context.persistent(id));
        break;
      }
      default:
        throw new Damage(
          `its pickle has the opcode 0x${opcode.toString(16)} at byte ${input.position - 1}, ` +
            "which plain data doesn't need",
        );
    }
  }
}

/**
 * The value in a pickle.
 * @throws Damage for anything but plain data and the names of `context`
 */
export function readPickle(bytes: Uint8Array, context: PickleContext): unknown {
  return new Machine(bytes, context).run();
}
