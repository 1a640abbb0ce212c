import assert from "node:assert/strict";
import fc from "fast-check";
import {
  formatNumber,
  formatTable,
  isTimeColumn,
  progressColumns,
  ProgressLog,
  readProgress,
} from "../../src/run/log.ts";
import { UserError } from "../../src/util/errors.ts";
import { lacks } from "../permissions.ts";

const NEEDS_FILES = lacks("read", "write");
const COLUMNS = ["Itr", "loss", "ä"];

function withFile(body: (path: string) => void): void {
  const folder = Deno.makeTempDirSync();
  try {
    body(`${folder}/progress.csv`);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function writeRows(path: string, first: number, end: number): void {
  using log = ProgressLog.open(path, COLUMNS, first);
  for (let i = first; i < end; i++) log.append({ Itr: i, "ä": i / 3, loss: i % 2 ? null : -0.1 });
}

Deno.test("progressColumns() has the published names in the published order", () => {
  const perStep = (k: number) =>
    ["AverageReturn", "AverageDiscountedReturn", "StdReturn", "MaxReturn", "MinReturn", "NumTrajs"]
      .concat("AveragePolicyStd").map((name) => `Step_${k}-${name}`);
  assert.deepEqual(progressColumns(1), [
    ...["Itr", "n_timesteps", ...perStep(0), ...perStep(1)],
    ...["LossBefore", "LossAfter", "KLInner", "KLCoeffInner", "Time", "ItrTime", "Time-Sampling"],
    ...["Time-EnvStep", "Time-SampleProc", "Time-InnerStep", "Time-OuterStep", "Time-TotalInner"],
    ...["Time-MAMLSteps", "Idle-Sampling", "Idle-Workers", "Idle-Device"],
  ]);
  const extra = progressColumns(3, { perStep: ["AverageForwardReturn"], perIteration: ["Norm"] });
  assert.equal(extra.length, 2 + 4 * 8 + 4 + 1 + 12);
  assert.equal(extra[9], "Step_0-AverageForwardReturn");
  assert.equal(extra.indexOf("Norm"), extra.indexOf("KLCoeffInner") + 1);
  assert.equal(new Set(extra).size, extra.length);
});

Deno.test("isTimeColumn() holds for durations and shares of time alone", () => {
  const times = progressColumns(2).filter(isTimeColumn);
  assert.deepEqual(times, progressColumns(2).filter((name) => /Time|^Idle-/.test(name)));
  assert(!isTimeColumn("n_timesteps"));
});

Deno.test({
  name: "ProgressLog writes numbers that read back exactly, and empty cells",
  ignore: NEEDS_FILES,
  fn: () =>
    withFile((path) => {
      {
        using log = ProgressLog.open(path, COLUMNS, 0);
        log.append({ Itr: 0, loss: 1 / 3, "ä": null });
        log.append({ "ä": -5e-324, loss: 1e21, Itr: 1 });
        assert.throws(() => log.append({ Itr: 2, loss: 0 }), /missing \[ä\]/);
        assert.throws(() => log.append({ Itr: 2, loss: 0, "ä": 0, x: 0 }), /unknown \[x\]/);
      }
      assert.equal(
        Deno.readTextFileSync(path),
        "Itr,loss,ä\n0,0.3333333333333333,\n1,1e+21,-5e-324\n",
      );
      const { columns, rows } = readProgress(path);
      assert.deepEqual(columns, COLUMNS);
      assert.deepEqual(rows, [
        { Itr: 0, loss: 1 / 3, "ä": null },
        { Itr: 1, loss: 1e21, "ä": -5e-324 },
      ]);
    }),
});

Deno.test({
  name: "ProgressLog.open() cuts torn and repeated rows wherever the file ends",
  ignore: NEEDS_FILES,
  fn: () =>
    withFile((path) => {
      writeRows(path, 0, 6);
      const whole = Deno.readFileSync(path);
      const text = new TextDecoder().decode(whole);
      /** Text of the header and the first so many rows. */
      const upTo = (rows: number) => text.split("\n").slice(0, rows + 1).join("\n") + "\n";
      for (let length = 0; length <= whole.length; length++) {
        const ending = whole.subarray(0, length);
        // rows that are whole: line breaks, without the header's
        const intact = ending.filter((byte) => byte === 10).length - 1;
        for (const first of [0, 2, 6]) {
          Deno.writeFileSync(path, ending);
          if (intact > 0 && intact < first) {
            assert.throws(() => ProgressLog.open(path, COLUMNS, first), UserError);
            // refused means untouched
            assert.deepEqual(Deno.readFileSync(path), new Uint8Array(ending));
            continue;
          }
          ProgressLog.open(path, COLUMNS, first)[Symbol.dispose]();
          const expected = upTo(Math.min(first, Math.max(intact, 0)));
          assert.equal(Deno.readTextFileSync(path), expected, `${length} bytes, row ${first}`);
        }
      }
    }),
});

Deno.test({
  name: "ProgressLog continues to the same bytes as an uninterrupted run",
  ignore: NEEDS_FILES,
  fn: () =>
    withFile((path) => {
      writeRows(path, 0, 9);
      const expected = Deno.readTextFileSync(path);
      fc.assert(
        fc.property(fc.nat(8), fc.nat(8), fc.string(), (a, b, torn) => {
          const [checkpoint, killed] = [Math.min(a, b), Math.max(a, b)];
          Deno.removeSync(path);
          writeRows(path, 0, killed);
          Deno.writeTextFileSync(path, torn.replaceAll("\n", ""), { append: true });
          writeRows(path, checkpoint, 9);
          assert.equal(Deno.readTextFileSync(path), expected);
        }),
        { numRuns: 50 },
      );
    }),
});

Deno.test({
  name: "ProgressLog.open() starts anew where the file was moved away",
  ignore: NEEDS_FILES,
  fn: () =>
    withFile((path) => {
      writeRows(path, 3, 5);
      writeRows(path, 4, 6);
      assert.deepEqual(readProgress(path).rows.map((row) => row.Itr), [3, 4, 5]);
      assert.throws(() => ProgressLog.open(path, COLUMNS, 8), {
        message: `can't continue ${path}: its last intact row is of iteration 5, the next one ` +
          "has to be of iteration 8; move the file away",
      });
    }),
});

Deno.test({
  name: "ProgressLog.open() refuses a file with other columns and leaves it alone",
  ignore: NEEDS_FILES,
  fn: () =>
    withFile((path) => {
      Deno.writeTextFileSync(path, "epoch,reward\n0,1\n");
      assert.throws(() => ProgressLog.open(path, COLUMNS, 0), {
        code: "progress-mismatch",
        message: `can't continue ${path}: its columns are not those of this run; ` +
          "move the file away",
      });
      assert.equal(Deno.readTextFileSync(path), "epoch,reward\n0,1\n");
    }),
});

Deno.test({
  name: "readProgress() reads numbers and line ends as Python writes them",
  ignore: NEEDS_FILES,
  fn: () =>
    withFile((path) => {
      Deno.writeTextFileSync(path, "Itr,a,b\r\n0,nan,-inf\r\n1,1e-05,\r\n2,5.,.5\r\n");
      const { columns, rows } = readProgress(path);
      assert.deepEqual(columns, ["Itr", "a", "b"]);
      assert.deepEqual(rows, [
        { Itr: 0, a: NaN, b: -Infinity },
        { Itr: 1, a: 1e-5, b: null },
        { Itr: 2, a: 5, b: 0.5 },
      ]);
      for (const cell of ["0x10", "1 2", "True", "--1", "1e", "nano"]) {
        Deno.writeTextFileSync(path, `Itr,a\n0,${cell}\n`);
        assert.throws(() => readProgress(path), { code: "progress-unreadable" });
      }
    }),
});

Deno.test({
  name: "readProgress() leaves a torn last line out",
  ignore: NEEDS_FILES,
  fn: () =>
    withFile((path) => {
      writeRows(path, 0, 2);
      Deno.writeTextFileSync(path, "2,0.", { append: true });
      assert.equal(readProgress(path).rows.length, 2);
      assert.throws(() => readProgress(`${path}x`), { code: "progress-unreadable" });
    }),
});

Deno.test("formatTable() frames names and numbers", () => {
  assert.equal(
    formatTable({ Itr: 3, "Step_0-AverageReturn": -1345.123456, x: null }),
    [
      "-----------------------------------",
      "| Itr                  |        3 |",
      "| Step_0-AverageReturn | -1345.12 |",
      "| x                    |        - |",
      "-----------------------------------",
    ].join("\n"),
  );
  assert.equal(formatNumber(240_000), "240000");
  assert.equal(formatNumber(1.234567e-9), "1.23457e-9");
});
