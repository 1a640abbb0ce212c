/**
 * TensorBoard's event files: each record is its length, a masked CRC32C of the length, an Event and
 * a masked CRC32C of the Event; the Event is a protocol buffer (TensorFlow, core/lib/io/record_writer
 * and core/util/event.proto). Written here are the fields that scalars need:
 *
 *     Event:    1 wall_time double, 2 step int64, 3 file_version string, 5 summary, 7 session_log
 *     Summary:  1 value (repeated): 1 tag string, 2 simple_value float
 *     SessionLog: 1 status, START = 1
 *
 * A resumed run writes one more file. Its session_log says from which step on it begins, and
 * TensorBoard leaves out what earlier files have from there on.
 */
import type { Checkpoint } from "./checkpoint.ts";
import { writeAllSync, writeError } from "./files.ts";
import { ITERATION_COLUMN, type ProgressRow, type ProgressTable } from "./log.ts";
import type { Retention, RunWriter } from "./run_dir.ts";

/** Folder of the event files, in a run's folder. */
export const TENSORBOARD_FOLDER = "tensorboard";

/** Castagnoli's polynomial, bits reversed (RFC 3720, section 12.1). */
const POLYNOMIAL = 0x82f63b78;
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >>> 1 ^ POLYNOMIAL : crc >>> 1;
  return crc;
});

/** CRC32C of the bytes (RFC 3720, appendix B.4 has examples). */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) crc = crc >>> 8 ^ TABLE[(crc ^ byte) & 0xff];
  return ~crc >>> 0;
}

/** As stored: rotated and moved, so that a CRC of data with a CRC in it stays good. */
function maskedCrc32c(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (crc >>> 15 | crc << 17) + 0xa282_ead8 >>> 0;
}

/** Wire types of protocol buffers. */
const [VARINT, FIXED_64, BYTES, FIXED_32] = [0, 1, 2, 5];

/** A message of a protocol buffer, field by field. */
class Message {
  readonly #bytes: number[] = [];

  #varint(value: number): void {
    for (; value >= 0x80; value = Math.floor(value / 0x80)) this.#bytes.push(value % 0x80 | 0x80);
    this.#bytes.push(value);
  }

  #key(field: number, wire: number): void {
    this.#varint(field << 3 | wire);
  }

  /** @param value whole, not negative */
  integer(field: number, value: number): this {
    this.#key(field, VARINT);
    this.#varint(value);
    return this;
  }

  double(field: number, value: number): this {
    this.#key(field, FIXED_64);
    this.#bytes.push(...new Uint8Array(Float64Array.of(value).buffer));
    return this;
  }

  float(field: number, value: number): this {
    this.#key(field, FIXED_32);
    this.#bytes.push(...new Uint8Array(Float32Array.of(value).buffer));
    return this;
  }

  bytes(field: number, value: Uint8Array): this {
    this.#key(field, BYTES);
    this.#varint(value.length);
    for (const byte of value) this.#bytes.push(byte);
    return this;
  }

  text(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

/** One record of an event file. */
export function encodeRecord(event: Uint8Array): Uint8Array {
  const record = new Uint8Array(8 + 4 + event.length + 4);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(event.length), true);
  view.setUint32(8, maskedCrc32c(record.subarray(0, 8)), true);
  record.set(event, 12);
  view.setUint32(12 + event.length, maskedCrc32c(event), true);
  return record;
}

/** The first record of every file. */
function fileVersion(seconds: number): Uint8Array {
  return encodeRecord(new Message().double(1, seconds).text(3, "brain.Event:2").finish());
}

/** Takes back what earlier files have of `step` and later ones. */
function sessionStart(seconds: number, step: number): Uint8Array {
  const start = new Message().integer(1, 1).finish();
  return encodeRecord(new Message().double(1, seconds).integer(2, step).bytes(7, start).finish());
}

/** `Returns/Step_2-AverageReturn`: TensorBoard puts tags with the same beginning together. */
export function tagOf(column: string): string {
  if (/^Step_\d+-/.test(column)) return `${column.replace(/^Step_\d+-/, "")}/${column}`;
  return /^(Itr)?Time/.test(column) ? `Time/${column}` : `Training/${column}`;
}

/** A row's numbers; cells without one are left out, and the iteration is the step. */
function encodeRow(row: ProgressRow, seconds: number): Uint8Array {
  const summary = new Message();
  for (const [column, value] of Object.entries(row)) {
    if (value === null || column === ITERATION_COLUMN) continue;
    summary.bytes(1, new Message().text(1, tagOf(column)).float(2, value).finish());
  }
  return encodeRecord(
    new Message().double(1, seconds).integer(2, row[ITERATION_COLUMN] ?? 0).bytes(
      5,
      summary.finish(),
    ).finish(),
  );
}

/** TensorBoard takes files in the order of their names, which begin with the time. */
function fileName(seconds: number, copy: number): string {
  const stamp = String(Math.floor(seconds)).padStart(10, "0");
  return `events.out.tfevents.${stamp}.metarl.${Deno.pid}.${copy}`;
}

/** An event file that is being written. Owns the file: close it. */
class EventFile implements Disposable {
  readonly path: string;
  readonly #file: Deno.FsFile;

  constructor(folder: string, seconds: number) {
    let path = folder;
    try {
      Deno.mkdirSync(folder, { recursive: true });
      for (let copy = 0;; copy++) {
        path = `${folder}/${fileName(seconds, copy)}`;
        try {
          this.#file = Deno.openSync(path, { write: true, createNew: true });
          break;
        } catch (error) {
          if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
        }
      }
    } catch (error) {
      throw writeError(path, error);
    }
    this.path = path;
    this.append(fileVersion(seconds));
  }

  append(record: Uint8Array): void {
    try {
      writeAllSync(this.#file, record);
    } catch (error) {
      throw writeError(this.path, error);
    }
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** Whether the file is one of this program; others in the folder stay. */
export function isEventFile(name: string): boolean {
  return /^events\.out\.tfevents\.\d+\.metarl\.\d+\.\d+$/.test(name);
}

/** Deletes the event files of an earlier run, and the folder where nothing else is in it. */
export function removeEventFiles(folder: string): void {
  let names: string[];
  try {
    names = [...Deno.readDirSync(folder)].map(({ name }) => name).filter(isEventFile);
  } catch {
    return; // there is no such folder
  }
  for (const name of names) {
    try {
      Deno.removeSync(`${folder}/${name}`);
    } catch (error) {
      throw writeError(`${folder}/${name}`, error);
    }
  }
  try {
    Deno.removeSync(folder);
  } catch {
    // it has files of others
  }
}

/**
 * Writes all rows of a progress.csv as one event file, in place of those that the folder has.
 *
 * @param started when the run was started, seconds since 1970; rows are dated by their `ItrTime`
 * @returns path of the file
 * @throws RunError `write-failed`
 */
export function writeTensorBoard(
  folder: string,
  { rows }: ProgressTable,
  started: number,
): string {
  removeEventFiles(folder);
  using file = new EventFile(folder, started);
  let seconds = started;
  for (const row of rows) {
    seconds += row.ItrTime ?? 0;
    file.append(encodeRow(row, seconds));
  }
  return file.path;
}

/** Writes rows to an event file as well. Owns that file: dispose of it. */
export class TensorBoardWriter implements RunWriter, Disposable {
  readonly #writer: RunWriter;
  readonly #folder: string;
  #file: EventFile | null = null;

  /** @param writer gets everything @param folder of the event files; made where it is not there */
  constructor(writer: RunWriter, folder: string) {
    this.#writer = writer;
    this.#folder = folder;
  }

  recordDevice(description: string): void {
    this.#writer.recordDevice(description);
  }

  startProgress(columns: readonly string[], firstIteration: number): void {
    this.#writer.startProgress(columns, firstIteration);
    this.#file?.[Symbol.dispose]();
    const seconds = Date.now() / 1000;
    this.#file = new EventFile(this.#folder, seconds);
    this.#file.append(sessionStart(seconds, firstIteration));
  }

  appendRow(row: ProgressRow): void {
    this.#writer.appendRow(row);
    this.#file?.append(encodeRow(row, Date.now() / 1000));
  }

  saveCheckpoint(checkpoint: Checkpoint, retention: Retention): Promise<string> {
    return this.#writer.saveCheckpoint(checkpoint, retention);
  }

  note(line: string): void {
    this.#writer.note(line);
  }

  [Symbol.dispose](): void {
    this.#file?.[Symbol.dispose]();
    this.#file = null;
  }
}
