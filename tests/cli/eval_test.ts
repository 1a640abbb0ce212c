/** Tests of `metarl eval`. */
import assert from "node:assert/strict";
import { type EvalOptions, evaluateRuns } from "../../src/cli/evaluate_runs.ts";
import { trainInto } from "../evaluation/trained_run.ts";
import { lacks } from "../permissions.ts";
import { MemoryOutput } from "./memory_output.ts";
import { inTemporaryFolder, metarl } from "./metarl_process.ts";

const NEEDS_FILES = lacks("read", "write");
const NEEDS_PROCESSES = NEEDS_FILES || lacks("run");

const OPTIONS = { tasks: "12", workers: "1" };

Deno.test({
  name: "eval prints steps, modes, rest, oracle, and differences of runs on the same tasks",
  ignore: NEEDS_FILES,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      const [a, b] = [`${folder}/a`, `${folder}/b`];
      await trainInto(a, "promp");
      await trainInto(b, "mmaml");
      const json = new MemoryOutput();
      await evaluateRuns([a, b], { ...OPTIONS, json: true }, json);
      assert.equal(json.lines.length, 1);
      const { runs: [first, second], differences: [difference] } = JSON.parse(json.lines[0]);
      assert.equal(first.all.tasks, 12);
      assert.equal(first.all.returns.length, 3);
      assert.deepEqual(first.all.oracle, second.all.oracle);
      const gap = second.all.returns[2].mean - first.all.returns[2].mean;
      assert.ok(Math.abs(difference.mean - gap) < 1e-9);
      assert.ok(difference.low <= gap && gap <= difference.high);

      const output = new MemoryOutput();
      await evaluateRuns([a, b], { ...OPTIONS, steps: "3" }, output);
      const text = output.lines.join("\n");
      assert.match(text, /a: promp on MetaPointEnvMomentumModes, checkpoint of 2 iterations, 12 /);
      assert.match(text, /after 2 steps +-/);
      assert.match(text, /after 3 steps \(trained with 2\) +-/);
      assert.match(text, /oracle +-/);
      assert.match(text, /\n +mode 0 +mode 1 +mode 2 +mode 3\ntasks +\d/);
      assert.match(text, /return above that of .*a:/);
      assert.ok(output.lines.some((line) => line.includes(first.all.returns[0].mean.toFixed(1))));
      assert.equal(output.statuses.at(-1), null);
    }),
});

Deno.test({
  name: "eval has modes beside each other, so that many steps fit into 80 columns",
  ignore: NEEDS_FILES,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      const run = `${folder}/a`;
      await trainInto(run, "mmaml");
      const linesOf = async (options: EvalOptions) => {
        const output = new MemoryOutput();
        await evaluateRuns([run], { ...options, workers: "1" }, output);
        return output.lines.slice(1);
      };
      const lines = await linesOf({ tasks: "12", steps: "5" });
      assert.deepEqual(lines.filter((line) => line.length > 80), []);
      const table = lines.slice(lines.indexOf("") + 1);
      const json = new MemoryOutput();
      await evaluateRuns([run], { ...OPTIONS, steps: "5", json: true }, json);
      const { runs: [{ modes, all }] } = JSON.parse(json.lines[0]);
      const cells = (name: string) =>
        table.find((line) => line.trim().startsWith(name))!.split(/ {2,}/).slice(-modes.length);
      type Mode = typeof modes[number];
      const text = (value: number) => value.toFixed(all.returns[0].mean < -100 ? 1 : 2);
      const wanted = (pick: (mode: Mode) => number) => modes.map((mode: Mode) => text(pick(mode)));
      assert.deepEqual(cells("before"), wanted(({ returns }) => returns[0].mean));
      assert.deepEqual(cells("after 5 steps"), wanted(({ returns }) => returns[5].mean));
      assert.deepEqual(cells("95 %"), wanted(({ returns }) => returns[5].low));
      assert.deepEqual(cells("to "), wanted(({ returns }) => returns[5].high));
      assert.deepEqual(cells("oracle"), wanted(({ oracle }) => oracle.mean));

      // of one task there is no interval
      const [head, before] = await linesOf({ tasks: "1" });
      assert.match(head, /95 % interval$/);
      assert.match(before, /^before adaptation +-[\d.]+ +-$/);
    }),
});

Deno.test({
  name: "eval compares runs that differ in what changes neither tasks nor rewards, in their mode",
  ignore: NEEDS_FILES,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      const [a, b, c] = ["a", "b", "c"].map((name) => `${folder}/${name}`);
      await trainInto(a, "mmaml", { mode: 2 });
      await trainInto(b, "mmaml", { mode: 2, compat: "mmaml-rl" });
      await trainInto(c, "promp");
      const modesOf = async (runs: string[], options: Partial<EvalOptions> = {}) => {
        const output = new MemoryOutput();
        await evaluateRuns(runs, { ...OPTIONS, ...options, json: true }, output);
        const { runs: [{ modes }], differences } = JSON.parse(output.lines[0]);
        assert.equal(differences.length, runs.length - 1);
        return modes.map(({ mode }: { mode: number }) => mode);
      };
      assert.deepEqual(await modesOf([a, b]), [2], "the mode that both were trained in");
      assert.deepEqual(await modesOf([a, c]), [0, 1, 2, 3], "they were trained in different ones");
      assert.deepEqual(await modesOf([a, c], { mode: "1" }), [1]);
    }),
});

Deno.test({
  name: "eval refuses runs of other tasks, and wrong values, with one line and exit code 2",
  ignore: NEEDS_PROCESSES,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      const [a, b] = [`${folder}/a`, `${folder}/b`];
      await trainInto(a, "promp");
      await trainInto(b, "promp", { max_path_length: 13 });
      const cases: readonly (readonly [string[], RegExp])[] = [
        [
          [a, b],
          /^error: can't compare \S+a with \S+b: their tasks differ: max_path_length \d+ and 13; evaluate them one by one \[eval-comparison\]$/m,
        ],
        [[a, "--tasks", "0"], /^error: --tasks must be a whole number from 1 /],
        [[a, "--mode", "4"], /^error: --mode must be a whole number from 0 to 3; got 4/],
        [[folder], /^error: \S+ is not a run folder: there is no params.json in it/],
      ];
      const results = await Promise.all(cases.map(([args]) => metarl(["eval", ...args], folder)));
      results.forEach(({ code, stdout, stderr }, i) => {
        assert.match(stderr, cases[i][1]);
        assert.equal(stderr.trim().split("\n").length, 1);
        assert.deepEqual([code, stdout], [2, ""]);
      });
    }),
});
