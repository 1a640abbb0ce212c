/**
 * Checkpoints: one file each, in the safetensors layout, so that other tools read the tensors:
 *
 *     8 bytes     length H of the header, little-endian
 *     H bytes     JSON: {"__metadata__": {...}, name: {"dtype", "shape", "data_offsets"}, ...},
 *                 padded with spaces to a multiple of 8
 *     the rest    the tensors' data, little-endian, in the order of the header, gap-free
 *
 * The metadata holds the format's version, the algorithm, the counters, the configuration, and a
 * SHA-256 of the whole file (taken with zeros in the place of the checksum itself). The same state
 * gives the same bytes: no times, no names of machines.
 *
 * The checksum finds damage, not malice: a file from elsewhere may have any content under a right
 * one, so everything is checked before it is used.
 *
 * Left out: dtypes that no part of a run has.
 */
import { type JsonValue, parseJsonText } from "../util/json.ts";
import { messageOf, UserError } from "../util/errors.ts";
import { readWholeFile } from "../util/read_file.ts";
import { fileErrorReason } from "./files.ts";

/** Data of a tensor; its class is its dtype. */
export type TensorData = Float32Array | Float64Array | Uint32Array;

/** A tensor of a checkpoint, row-major. */
export interface NamedTensor {
  /** Name, unique within the checkpoint. */
  readonly name: string;
  /** Extent of every axis. */
  readonly shape: readonly number[];
  /** Its elements, row-major. */
  readonly data: TensorData;
}

/** Everything that training needs to go on, bit for bit. */
export interface Checkpoint {
  /** `mmaml`, `promp`. */
  readonly algorithm: string;
  /** Iterations done; the next one has this number. */
  readonly iteration: number;
  /** Further counters (optimiser steps, environment steps), whole or not. */
  readonly counters: Readonly<Record<string, number>>;
  /** The configuration's keys that decide the results, under their published names. */
  readonly config: Readonly<Record<string, JsonValue>>;
  /** Parameters and optimiser state. */
  readonly tensors: readonly NamedTensor[];
}

const FORMAT = "metarl-checkpoint";
const FORMAT_VERSION = "1";
const METADATA_KEY = "__metadata__";
const CHECKSUM_LENGTH = 64;
const NO_CHECKSUM = "0".repeat(CHECKSUM_LENGTH);
/** What stands before the checksum in the header, and nowhere else. */
const CHECKSUM_MARK = '{"__metadata__":{"sha256":"';
/** Larger headers than this are no checkpoint's: there are some dozens of tensors. */
const MAX_HEADER_BYTES = 4_000_000;

type Dtype = "F32" | "F64" | "U32";

const BYTES_PER_ELEMENT: Readonly<Record<Dtype, number>> = { F32: 4, F64: 8, U32: 4 };

interface HeaderEntry {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

function dtypeOf(data: TensorData): Dtype {
  if (data instanceof Float32Array) return "F32";
  return data instanceof Float64Array ? "F64" : "U32";
}

function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

// The data of tensors is copied as it lies in memory. All platforms of Deno are little-endian.
function bytesOf(data: TensorData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Place of the checksum in the file: behind the length and the mark, at the header's start. */
const CHECKSUM_OFFSET = 8 + CHECKSUM_MARK.length;

/**
 * The bytes of a checkpoint file. Tensors with eight bytes an element come first, so that every
 * tensor is aligned to its element size.
 */
export async function encodeCheckpoint(checkpoint: Checkpoint): Promise<Uint8Array<ArrayBuffer>> {
  const tensors = [...checkpoint.tensors].sort((a, b) =>
    b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT
  );
  for (const [name, value] of Object.entries(checkpoint.counters)) {
    if (!Number.isFinite(value)) throw new TypeError(`counter "${name}" is ${value}`);
  }
  const metadata = {
    sha256: NO_CHECKSUM,
    format: FORMAT,
    format_version: FORMAT_VERSION,
    algorithm: checkpoint.algorithm,
    iteration: String(checkpoint.iteration),
    counters: JSON.stringify(checkpoint.counters),
    config: JSON.stringify(checkpoint.config),
  };
  // an object would put names that are numbers in front, and lose "__proto__"
  const header = new Map<string, unknown>([[METADATA_KEY, metadata]]);
  let offset = 0;
  for (const { name, shape, data } of tensors) {
    if (header.has(name)) throw new TypeError(`two tensors are called "${name}"`);
    if (elementCount(shape) !== data.length) {
      throw new TypeError(`tensor "${name}" [${shape}] has ${data.length} elements`);
    }
    const end = offset + data.byteLength;
    header.set(name, { dtype: dtypeOf(data), shape, data_offsets: [offset, end] });
    offset = end;
  }
  const members = Array.from(
    header,
    ([name, entry]) => `${JSON.stringify(name)}:${JSON.stringify(entry)}`,
  );
  const json = new TextEncoder().encode(`{${members.join(",")}}`);
  const headerLength = Math.ceil(json.length / 8) * 8;

  const file = new Uint8Array(8 + headerLength + offset);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerLength), true);
  file.fill(" ".charCodeAt(0), 8, 8 + headerLength);
  file.set(json, 8);
  let position = 8 + headerLength;
  for (const { data } of tensors) {
    file.set(bytesOf(data), position);
    position += data.byteLength;
  }
  file.set(new TextEncoder().encode(await sha256(file)), CHECKSUM_OFFSET);
  return file;
}

/** What is wrong with a file that should be a checkpoint; becomes a one-line UserError. */
class Damage extends Error {}

type JsonObject = Readonly<Record<string, JsonValue>>;

/** The object in a text of the header. */
function decodeObject(text: JsonValue | undefined): JsonObject {
  const value = typeof text === "string" ? parseJsonText(text, "header") : null;
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new Damage("its header is damaged");
  }
  return value as JsonObject;
}

function decodeHeader(file: Uint8Array): { headerLength: number; header: JsonObject } {
  if (file.length < 8) throw new Damage(`it has ${file.length} bytes and ends in its header`);
  const headerLength = Number(
    new DataView(file.buffer, file.byteOffset).getBigUint64(0, true),
  );
  const mark = new TextDecoder().decode(file.subarray(8, CHECKSUM_OFFSET));
  if (headerLength > MAX_HEADER_BYTES || !CHECKSUM_MARK.startsWith(mark)) {
    throw new Damage("it is not a metarl checkpoint");
  }
  if (file.length < 8 + headerLength) {
    throw new Damage(`it has ${file.length} bytes and ends in its header`);
  }
  const text = new TextDecoder().decode(file.subarray(8, 8 + headerLength));
  return { headerLength, header: decodeObject(text) };
}

function isNatural(value: JsonValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function decodeEntry(name: string, entry: JsonValue): HeaderEntry {
  const { dtype, shape, data_offsets: offsets } = entry as Partial<Record<string, JsonValue>>;
  if (typeof dtype !== "string" || !Object.hasOwn(BYTES_PER_ELEMENT, dtype)) {
    throw new Damage(`its tensor "${name}" has the unknown dtype "${dtype}"`);
  }
  const known = dtype as Dtype;
  const [begin, end, ...more] = Array.isArray(offsets) ? offsets : [];
  if (
    !Array.isArray(shape) || !shape.every(isNatural) || !isNatural(begin) || !isNatural(end) ||
    more.length > 0 || end - begin !== elementCount(shape) * BYTES_PER_ELEMENT[known]
  ) {
    throw new Damage(`its tensor "${name}" doesn't fit its shape [${shape}]`);
  }
  return { dtype: known, shape, data_offsets: [begin, end] };
}

/** Tensors in the order of their bytes, and where the last one ends. */
function decodeEntries(header: JsonObject): { entries: [string, HeaderEntry][]; end: number } {
  const entries = Object.entries(header)
    .filter(([name]) => name !== METADATA_KEY)
    .map(([name, entry]): [string, HeaderEntry] => [name, decodeEntry(name, entry)]);
  // an empty tensor begins where another one does
  entries.sort(([, { data_offsets: a }], [, { data_offsets: b }]) => a[0] - b[0] || a[1] - b[1]);
  let end = 0;
  for (const [name, { data_offsets: [begin, next] }] of entries) {
    // tensors that share bytes would need more memory than the file has
    if (begin !== end) throw new Damage(`its tensor "${name}" doesn't begin where another ends`);
    end = next;
  }
  return { entries, end };
}

function decodeTensor(
  name: string,
  { dtype, shape, data_offsets: [begin, end] }: HeaderEntry,
  body: Uint8Array,
): NamedTensor {
  const bytes = body.slice(begin, end).buffer; // a copy: aligned, and the file can be let go
  switch (dtype) {
    case "F32":
      return { name, shape, data: new Float32Array(bytes) };
    case "F64":
      return { name, shape, data: new Float64Array(bytes) };
    case "U32":
      return { name, shape, data: new Uint32Array(bytes) };
  }
}

async function decode(file: Uint8Array<ArrayBuffer>): Promise<Checkpoint> {
  const { headerLength, header } = decodeHeader(file);
  const body = file.subarray(8 + headerLength);
  const { entries, end } = decodeEntries(header);
  if (body.length !== end) {
    const expected = 8 + headerLength + end;
    throw new Damage(`it has ${file.length} bytes instead of ${expected}`);
  }
  const metadata = header[METADATA_KEY] as JsonObject;
  const blanked = file.slice();
  blanked.set(new TextEncoder().encode(NO_CHECKSUM), CHECKSUM_OFFSET);
  if (await sha256(blanked) !== metadata.sha256) throw new Damage("its checksum is wrong");

  if (metadata.format !== FORMAT) throw new Damage("it is not a metarl checkpoint");
  if (metadata.format_version !== FORMAT_VERSION) {
    throw new Damage(
      `it has format version ${metadata.format_version}, this metarl reads ${FORMAT_VERSION}`,
    );
  }
  const counters = decodeObject(metadata.counters);
  const iteration = Number(metadata.iteration);
  if (
    typeof metadata.algorithm !== "string" || !isNatural(iteration) ||
    !Object.values(counters).every((value) => Number.isFinite(value))
  ) {
    throw new Damage("its header is damaged");
  }
  return {
    algorithm: metadata.algorithm,
    iteration,
    counters: counters as Readonly<Record<string, number>>,
    config: decodeObject(metadata.config),
    tensors: entries.map(([name, entry]) => decodeTensor(name, entry, body)),
  };
}

/**
 * The checkpoint in the bytes of a file.
 *
 * @param source how to call the file in an error message
 * @throws UserError `checkpoint-damaged` for anything but an intact checkpoint
 */
export async function decodeCheckpoint(
  file: Uint8Array<ArrayBuffer>,
  source: string,
): Promise<Checkpoint> {
  try {
    return await decode(file);
  } catch (error) {
    const reason = error instanceof Damage ? error.message : "its header is damaged";
    throw new UserError("checkpoint-damaged", `can't use checkpoint ${source}: ${reason}`, {
      cause: error,
    });
  }
}

/**
 * Reads a checkpoint file.
 *
 * @throws UserError `checkpoint-not-found`, `checkpoint-unreadable` or `checkpoint-damaged`
 */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  let file: Uint8Array<ArrayBuffer>;
  try {
    file = readWholeFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new UserError("checkpoint-not-found", `there is no checkpoint ${path}`);
    }
    const reason = fileErrorReason(error);
    throw new UserError("checkpoint-unreadable", `can't read checkpoint ${path}: ${reason}`, {
      cause: error,
    });
  }
  return await decodeCheckpoint(file, path);
}

/**
 * The tensor of this name.
 *
 * @throws UserError `checkpoint-mismatch` where there is none or its shape is another one
 */
export function tensorOf(
  checkpoint: Checkpoint,
  name: string,
  shape: readonly number[],
): TensorData {
  const tensor = checkpoint.tensors.find((candidate) => candidate.name === name);
  if (tensor === undefined) {
    throw new UserError("checkpoint-mismatch", `the checkpoint has no tensor "${name}"`);
  }
  if (tensor.shape.join() !== shape.join()) {
    throw new UserError(
      "checkpoint-mismatch",
      `the checkpoint's tensor "${name}" is [${tensor.shape}], this configuration needs [${shape}]`,
    );
  }
  return tensor.data;
}

const FILE_NAME = /^checkpoint-(\d{6,})\.safetensors$/;

/** Name of the checkpoint after so many iterations. */
export function checkpointFileName(iteration: number): string {
  return `checkpoint-${String(iteration).padStart(6, "0")}.safetensors`;
}

/** The checkpoints in a folder, `[iterations done, file name]`, oldest first. */
export function listCheckpoints(folder: string): [number, string][] {
  const found: [number, string][] = [];
  try {
    for (const { name, isFile } of Deno.readDirSync(folder)) {
      const match = FILE_NAME.exec(name);
      if (isFile && match !== null) found.push([Number(match[1]), name]);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      const reason = fileErrorReason(error);
      throw new UserError("checkpoint-unreadable", `can't list ${folder}: ${reason}`, {
        cause: error,
      });
    }
  }
  return found.sort(([a], [b]) => a - b);
}

/** The newest checkpoint that is intact. */
export interface LatestCheckpoint {
  /** Its content. */
  readonly checkpoint: Checkpoint;
  /** Where it was read from. */
  readonly path: string;
  /** One line for each newer file that is damaged. */
  readonly notices: readonly string[];
}

/**
 * The newest intact checkpoint of a folder, or `null` where the folder has none at all.
 *
 * @throws UserError `checkpoint-damaged` where there are some and all are damaged
 */
export async function latestCheckpoint(folder: string): Promise<LatestCheckpoint | null> {
  const notices: string[] = [];
  let lastError: UserError | null = null;
  for (const [, name] of listCheckpoints(folder).reverse()) {
    const path = `${folder}/${name}`;
    try {
      return { checkpoint: await readCheckpoint(path), path, notices };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      notices.push(`${messageOf(error)}; taking the one before it`);
      lastError ??= error;
    }
  }
  if (lastError !== null) throw lastError;
  return null;
}
