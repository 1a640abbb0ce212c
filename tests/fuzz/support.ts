/**
 * Property-based tests of everything that reads what others wrote. Whatever the input, a reader
 * gives a value or an expected error of one line: it never crashes, takes over a second, makes more
 * of a file than its size allows, or gives something else than the file says.
 *
 * `deno task test` tries 2,000 inputs each; `deno task test:long` 100,000, or as many as
 * METARL_FUZZ_RUNS says. METARL_FUZZ_SEED chooses other inputs; fast-check prints the seed and the
 * smallest input of a failure, which then belongs into `examples` of its property.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { RunError, UserError } from "../../src/util/errors.ts";

function setting(name: string, standard: number): number {
  const isAllowed = Deno.permissions.querySync({ name: "env" }).state === "granted";
  const given = isAllowed ? Deno.env.get(name) : undefined;
  return given === undefined ? standard : Number(given);
}

/** Inputs that every property is tried with, where METARL_FUZZ_RUNS doesn't say. */
const FEW = 2000;

/** Longest time for one input, in ms. */
const LONGEST = 1000;

/** Longest message, in characters. */
const LONGEST_MESSAGE = 2500;

/** How many inputs, and which ones. */
export function effort(): { numRuns: number; seed: number } {
  return { numRuns: setting("METARL_FUZZ_RUNS", FEW), seed: setting("METARL_FUZZ_SEED", 1) };
}

/** What came of an input. */
export type Outcome<T> = { readonly value: T } | { readonly error: UserError | RunError };

/** An error that a user may see: one line, nothing in it that a terminal obeys, not endless. */
export function expectedError(error: unknown): UserError | RunError {
  if (!(error instanceof UserError || error instanceof RunError)) throw error;
  const { message } = error;
  const forbidden = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u.exec(message);
  assert.equal(forbidden, null, `control characters in ${JSON.stringify(message)}`);
  assert.ok(message.length > 0 && message.length <= LONGEST_MESSAGE, `${message.length} letters`);
  return error;
}

/** Throws where something took too long both times: once may be the machine's doing. */
function checkTime(first: number, again: () => number): void {
  if (first <= LONGEST) return;
  const second = again();
  assert.ok(second <= LONGEST, `it took ${first} ms, then ${second} ms`);
}

/** The result of `read`, or the expected error it ends with. */
export function outcome<T>(read: () => T): Outcome<T> {
  const timed = (): [Outcome<T>, number] => {
    const start = performance.now();
    let found: Outcome<T>;
    try {
      found = { value: read() };
    } catch (error) {
      found = { error: expectedError(error) };
    }
    return [found, performance.now() - start];
  };
  const [found, time] = timed();
  checkTime(time, () => timed()[1]);
  return found;
}

/** {@link outcome} of what comes later. */
export async function laterOutcome<T>(read: () => Promise<T>): Promise<Outcome<T>> {
  const timed = async (): Promise<[Outcome<T>, number]> => {
    const start = performance.now();
    let found: Outcome<T>;
    try {
      found = { value: await read() };
    } catch (error) {
      found = { error: expectedError(error) };
    }
    return [found, performance.now() - start];
  };
  const [found, time] = await timed();
  const second = time > LONGEST ? (await timed())[1] : 0;
  checkTime(time, () => second);
  return found;
}

/** Bytes that the arrays in a value hold; what it refers to twice counts once. */
export function heldBytes(value: unknown, seen: Set<unknown> = new Set()): number {
  if (value === null || typeof value !== "object" || seen.has(value)) return 0;
  seen.add(value);
  if (ArrayBuffer.isView(value)) return value.byteLength;
  const parts = value instanceof Map ? [...value.values()] : Object.values(value);
  return parts.reduce((sum: number, part) => sum + heldBytes(part, seen), 0);
}

/** Lengths that a broken or malicious file may state. */
const HUGE = [0xff, 0x7f, 0x80, 0x00, 0x01, 0x40];

/** One way to break bytes; `at`, `length` and `value` choose where and how. */
interface Damage {
  readonly kind: number;
  readonly at: number;
  readonly length: number;
  readonly value: number;
}

/** Last one of the places in a file that are told apart. */
const PLACES = 2 ** 20 - 1;

function splice(
  bytes: Uint8Array,
  start: number,
  end: number,
  inserted: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(bytes.length - (end - start) + inserted.length);
  out.set(bytes.subarray(0, start));
  out.set(inserted, start);
  out.set(bytes.subarray(end), start + inserted.length);
  return out;
}

function damaged(
  bytes: Uint8Array<ArrayBuffer>,
  { kind, at, length, value }: Damage,
  other: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const start = Math.floor(at / (PLACES + 1) * (bytes.length + 1));
  const end = Math.min(bytes.length, start + length);
  const out = bytes.slice();
  switch (kind) {
    case 0: // flip a bit
      if (start < out.length) out[start] ^= 1 << (value & 7);
      return out;
    case 1: // set a byte
      if (start < out.length) out[start] = value;
      return out;
    case 2: // truncate
      return out.slice(0, start);
    case 3: // leave out
      return splice(out, start, end, new Uint8Array(0));
    case 4: // twice
      return splice(out, end, end, bytes.subarray(start, end));
    case 5: // insert
      return splice(out, start, start, new Uint8Array(length).fill(value));
    case 6: // a part of another file
      return splice(out, start, end, other.subarray(start, Math.min(other.length, start + length)));
    case 7: { // a huge length, 2, 4 or 8 bytes
      const size = 2 << (value % 3);
      out.fill(HUGE[length % HUGE.length], start, Math.min(out.length, start + size));
      return out;
    }
    default: // a part moved elsewhere
      return splice(
        splice(out, start, end, new Uint8Array(0)),
        Math.floor((value / 256) * (out.length - (end - start))),
        Math.floor((value / 256) * (out.length - (end - start))),
        bytes.subarray(start, end),
      );
  }
}

const damages: fc.Arbitrary<Damage[]> = fc.array(
  fc.record({
    kind: fc.integer({ min: 0, max: 8 }),
    at: fc.nat(PLACES),
    length: fc.integer({ min: 1, max: 40 }),
    value: fc.integer({ min: 0, max: 255 }),
  }),
  { minLength: 1, maxLength: 4 },
);

/** Copies of these files, each broken in one to four places. */
export function broken(
  files: readonly Uint8Array<ArrayBuffer>[],
): fc.Arbitrary<Uint8Array<ArrayBuffer>> {
  const index = fc.nat(files.length - 1);
  return fc.tuple(index, index, damages).map(([file, other, list]) =>
    list.reduce((bytes, damage) => damaged(bytes, damage, files[other]), files[file])
  );
}

/** The same of texts. */
export function brokenText(texts: readonly string[]): fc.Arbitrary<string> {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  return broken(texts.map((text) => encoder.encode(text))).map((bytes) => decoder.decode(bytes));
}

/** Text of all kinds: ordinary, with control characters, long, names that objects inherit. */
export const wildText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.string({ maxLength: 20 }),
  fc.constantFrom(
    ...["__proto__", "constructor", "toString", "hasOwnProperty", "\x1b[2J\x1b]0;x\x07", "a\nb"],
    ...["\u202e", "\0", "", " ", "../../x", "/etc/passwd", "NaN", "-0", "1e999", "null"],
    "x".repeat(3000),
  ),
);
