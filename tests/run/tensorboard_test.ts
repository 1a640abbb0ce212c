import assert from "node:assert/strict";
import type { ProgressRow } from "../../src/run/log.ts";
import type { RunWriter } from "../../src/run/run_dir.ts";
import {
  crc32c,
  isEventFile,
  removeEventFiles,
  TensorBoardWriter,
  writeTensorBoard,
} from "../../src/run/tensorboard.ts";
import { lacks } from "../permissions.ts";

Deno.test("crc32c() gives the values of RFC 3720, appendix B.4", () => {
  const bytes = (of: (i: number) => number) => Uint8Array.from({ length: 32 }, (_, i) => of(i));
  assert.equal(crc32c(bytes(() => 0)), 0x8a9136aa);
  assert.equal(crc32c(bytes(() => 0xff)), 0x62a8ab43);
  assert.equal(crc32c(bytes((i) => i)), 0x46dd794e);
  assert.equal(crc32c(bytes((i) => 31 - i)), 0x113fdb5c);
  // the check value of the CRC's usual description
  assert.equal(crc32c(new TextEncoder().encode("123456789")), 0xe3069283);
});

/** A field of a protocol buffer: a number, eight or four bytes, or a string of bytes. */
type Field = readonly [number, number | Uint8Array];

/** Fields of a message, read by the rules of the format and nothing of the code under test. */
function fieldsOf(bytes: Uint8Array): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const varint = () => {
    for (let value = 0, factor = 1;; factor *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  const take = (count: number) => bytes.slice(at, at += count);
  while (at < bytes.length) {
    const key = varint();
    const wire = key & 7;
    fields.push([
      key >> 3,
      wire === 0 ? varint() : take(wire === 1 ? 8 : wire === 5 ? 4 : varint()),
    ]);
  }
  return fields;
}

interface Event {
  readonly seconds: number;
  readonly step: number;
  readonly version: string | null;
  readonly isStart: boolean;
  readonly scalars: Record<string, number>;
}

const text = (bytes: number | Uint8Array) => new TextDecoder().decode(bytes as Uint8Array);
const view = (bytes: number | Uint8Array) => new DataView((bytes as Uint8Array).buffer);

function eventOf(bytes: Uint8Array): Event {
  const fields = fieldsOf(bytes);
  const get = (number: number) => fields.find(([field]) => field === number)?.[1];
  const scalars: Record<string, number> = {};
  const [summary, session, version] = [get(5), get(7), get(3)];
  for (const [, value] of summary === undefined ? [] : fieldsOf(summary as Uint8Array)) {
    const parts = new Map(fieldsOf(value as Uint8Array));
    scalars[text(parts.get(1)!)] = view(parts.get(2)!).getFloat32(0, true);
  }
  return {
    seconds: view(get(1)!).getFloat64(0, true),
    step: (get(2) as number | undefined) ?? 0,
    version: version === undefined ? null : text(version),
    isStart: session !== undefined &&
      JSON.stringify(fieldsOf(session as Uint8Array)) === "[[1,1]]",
    scalars,
  };
}

/** All events of a file; the check sums of each record must be right. */
function eventsOf(path: string): Event[] {
  const bytes = Deno.readFileSync(path);
  const data = new DataView(bytes.buffer);
  const masked = (part: Uint8Array) => {
    const crc = BigInt(crc32c(part));
    return Number(((crc >> 15n | crc << 17n) & 0xffffffffn) + 0xa282ead8n & 0xffffffffn);
  };
  const events: Event[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = Number(data.getBigUint64(at, true));
    const event = bytes.slice(at + 12, at + 12 + length);
    assert.equal(data.getUint32(at + 8, true), masked(bytes.slice(at, at + 8)));
    assert.equal(data.getUint32(at + 12 + length, true), masked(event));
    events.push(eventOf(event));
    at += 16 + length;
  }
  return events;
}

function fileTest(name: string, body: (folder: string) => void | Promise<void>): void {
  Deno.test({
    name,
    ignore: lacks("read", "write"),
    fn: async () => {
      const folder = Deno.makeTempDirSync();
      try {
        await body(folder);
      } finally {
        Deno.removeSync(folder, { recursive: true });
      }
    },
  });
}

fileTest("writeTensorBoard() writes the rows of a progress.csv", (folder) => {
  const columns = ["Itr", "Step_1-AverageReturn", "LossAfter", "ItrTime"];
  const rows: ProgressRow[] = [
    { Itr: 0, "Step_1-AverageReturn": -12.5, LossAfter: null, ItrTime: 2 },
    { Itr: 300, "Step_1-AverageReturn": 1e30, LossAfter: 0.25, ItrTime: 3 },
  ];
  const path = writeTensorBoard(`${folder}/tb`, { columns, rows }, 1000);
  const [version, first, second, ...rest] = eventsOf(path);
  assert.deepEqual([version.version, version.seconds], ["brain.Event:2", 1000]);
  const tag = "AverageReturn/Step_1-AverageReturn";
  assert.deepEqual(first.scalars, { [tag]: -12.5, "Time/ItrTime": 2 });
  assert.deepEqual([first.seconds, first.step], [1002, 0]);
  assert.deepEqual(second.scalars, {
    [tag]: Math.fround(1e30),
    "Training/LossAfter": 0.25,
    "Time/ItrTime": 3,
  });
  assert.deepEqual([second.seconds, second.step], [1005, 300]);
  assert.deepEqual(rest, []);
  // a second time in place of the first
  Deno.writeTextFileSync(`${folder}/tb/events.out.tfevents.1.host`, "of another program");
  writeTensorBoard(`${folder}/tb`, { columns, rows: rows.slice(0, 1) }, 1000);
  const names = [...Deno.readDirSync(`${folder}/tb`)].map(({ name }) => name);
  assert.equal(names.filter(isEventFile).length, 1);
  assert.equal(names.length, 2);
});

fileTest("TensorBoardWriter forwards, and a resumed run takes back later steps", async (folder) => {
  const calls: string[] = [];
  const inner: RunWriter = {
    recordDevice: (description) => calls.push(`device ${description}`),
    startProgress: (columns, first) => calls.push(`start ${columns.length} ${first}`),
    appendRow: (row) => calls.push(`row ${row.Itr}`),
    saveCheckpoint: ({ iteration }) => Promise.resolve(`saved ${iteration}`),
    note: (line) => calls.push(`note ${line}`),
  };
  const write = async (first: number) => {
    using board = new TensorBoardWriter(inner, `${folder}/tb`);
    board.recordDevice("fake");
    board.startProgress(["Itr", "LossAfter"], first);
    board.appendRow({ Itr: first, LossAfter: first / 2 });
    board.note("said");
    const saved = await board.saveCheckpoint(
      { algorithm: "promp", iteration: 4, counters: {}, config: {}, tensors: [] },
      { maxCheckpoints: 1, keepEveryHours: 1, keepEveryIterations: null },
    );
    assert.equal(saved, "saved 4");
  };
  await write(0);
  await write(7);
  assert.deepEqual(calls, [
    ...["device fake", "start 2 0", "row 0", "note said"],
    ...["device fake", "start 2 7", "row 7", "note said"],
  ]);
  const files = [...Deno.readDirSync(`${folder}/tb`)].map(({ name }) => `${folder}/tb/${name}`);
  assert.equal(files.length, 2);
  const starts = files.sort().map((path) => {
    const [version, start, row, ...rest] = eventsOf(path);
    assert.equal(version.version, "brain.Event:2");
    assert(start.isStart);
    assert.deepEqual(row.scalars, { "Training/LossAfter": row.step / 2 });
    assert.equal(start.step, row.step);
    assert(row.seconds >= start.seconds && start.seconds > 1.7e9);
    assert.deepEqual(rest, []);
    return start.step;
  });
  assert.deepEqual(starts, [0, 7]);
  removeEventFiles(`${folder}/tb`);
  assert.throws(() => Deno.statSync(`${folder}/tb`), Deno.errors.NotFound);
});
