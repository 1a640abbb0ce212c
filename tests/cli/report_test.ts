import assert from "node:assert/strict";
import { embed } from "../../src/cli/embed_run.ts";
import { reportRuns } from "../../src/cli/report_runs.ts";
import { UserError } from "../../src/util/errors.ts";
import { trainInto } from "../evaluation/trained_run.ts";
import { lacks } from "../permissions.ts";
import { ADAPT, PROVENANCE, writeSampleRun } from "../report/sample_runs.ts";
import { MemoryOutput } from "./memory_output.ts";
import { inTemporaryFolder, metarl, namesIn } from "./metarl_process.ts";

const NEEDS_FILES = lacks("read", "write");

function fileTest(name: string, body: (folder: string) => Promise<void>): void {
  Deno.test({ name, ignore: NEEDS_FILES, fn: () => inTemporaryFolder(body) });
}

async function refused(
  paths: readonly string[],
  options: Parameters<typeof reportRuns>[1],
  code: string,
  message: RegExp,
): Promise<void> {
  const output = new MemoryOutput();
  await assert.rejects(reportRuns(paths, options, output), (error) => {
    assert(error instanceof UserError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  });
  assert.deepEqual(output.lines, []);
}

/** What the page has of its charts. */
interface ChartData {
  readonly variants?: readonly {
    readonly series: readonly { readonly name: string; readonly y: readonly number[] }[];
    readonly groups?: readonly { readonly x: readonly number[] }[];
    readonly references?: readonly { readonly label: string }[];
  }[];
}

function chartsOf(path: string): Record<string, ChartData> {
  const html = Deno.readTextFileSync(path);
  return JSON.parse(/<script type="application\/json" id="charts">(.*?)<\/script>/s.exec(html)![1]);
}

fileTest("report --no-eval needs neither checkpoint nor environment", async (folder) => {
  const run = writeSampleRun(`${folder}/run`, { provenance: PROVENANCE });
  const params = JSON.parse(Deno.readTextFileSync(`${run}/params.json`));
  params.config.env = `${folder}/gone.json`;
  params.environment = { name: "Gone", version: "0123" };
  Deno.writeTextFileSync(`${run}/params.json`, JSON.stringify(params));
  const output = new MemoryOutput();
  const ways = [run, `${run}/`, `${folder}/./run`, `${run}/progress.csv`];
  await reportRuns(ways, { eval: false }, output);
  assert.match(output.lines.join(), /^report: .*\/run\/report\.html \(\d+ kB\)$/);
  assert.deepEqual(output.errors, []);
  const charts = chartsOf(`${run}/report.html`);
  assert.deepEqual(Object.keys(charts), ["returns", "columns", "time"]);
  assert.equal(charts.returns.variants![1].series.length, 1, "they are one run");
  await refused([run], {}, "env-file", /gone\.json.*with --no-eval the report is made without/);
});

fileTest("report refuses a damaged checkpoint and another environment", async (folder) => {
  const run = writeSampleRun(`${folder}/run`);
  const checkpoints = `${run}/checkpoints`;
  Deno.mkdirSync(checkpoints);
  Deno.writeTextFileSync(`${checkpoints}/checkpoint-000010.safetensors`, "nothing");
  await refused([run], {}, "checkpoint-damaged", /with --no-eval/);
  const other = writeSampleRun(`${folder}/other`);
  const params = JSON.parse(Deno.readTextFileSync(`${other}/params.json`));
  params.environment.version = 99;
  Deno.writeTextFileSync(`${other}/params.json`, JSON.stringify(params));
  await refused([other], {}, "run-environment", /version 99/);
  for (const folder of [run, other]) assert(!namesIn(folder).includes("report.html"));
});

fileTest("report says why a run without a checkpoint was not evaluated", async (folder) => {
  const run = writeSampleRun(`${folder}/run`);
  const output = new MemoryOutput();
  await reportRuns([run], {}, output);
  assert.match(output.errors.join(), /^Not evaluated: the run .*\/run has no checkpoint yet/);
  assert.match(Deno.readTextFileSync(`${run}/report.html`), /<p>Not evaluated: the run/);
});

fileTest("report replaces no file but with --force, and refuses wrong options", async (folder) => {
  const run = writeSampleRun(`${folder}/run`);
  const out = `${folder}/mine.html`;
  Deno.writeTextFileSync(out, "mine");
  await refused([run], { eval: false, out }, "out-exists", /add --force to replace it/);
  assert.equal(Deno.readTextFileSync(out), "mine");
  await reportRuns([run], { eval: false, out, force: true }, new MemoryOutput());
  assert.match(Deno.readTextFileSync(out), /^<!doctype html>/);
  await refused([run], { eval: false, tasks: "3" }, "usage", /--tasks can't be combined/);
  await refused([run], { tasks: "0" }, "option-value", /^--tasks must be/);
  const toFolder = { eval: false, out: `${folder}/run`, force: true } as const;
  await refused([run], toFolder, "out-exists", /run is a folder/);
  await refused([run], { out: `${folder}/no/r.html` }, "out-not-writable", /the folder \S+\/no: /);
});

fileTest("report lays a progress.csv of the published code beside a run", async (folder) => {
  const run = writeSampleRun(`${folder}/run`);
  const csv = `${folder}/progress.csv`;
  Deno.copyFileSync(`${run}/progress.csv`, csv);
  const output = new MemoryOutput();
  await reportRuns([csv, run], { eval: false }, output);
  const { returns } = chartsOf(`${folder}/progress-report.html`);
  const [, { series }] = returns.variants!;
  assert.deepEqual(series.map(({ name }) => name), [csv, "mmaml"]);
  assert.deepEqual(series[0].y, series[1].y);
});

fileTest("report --tensorboard writes event files of runs alone", async (folder) => {
  const run = writeSampleRun(`${folder}/run`);
  const output = new MemoryOutput();
  await reportRuns([run], { tensorboard: true }, output);
  assert.equal(namesIn(`${run}/tensorboard`).length, 1);
  assert.match(output.lines.join(), /20 steps; tensorboard --logdir .*\/run\/tensorboard$/);
  Deno.writeTextFileSync(`${folder}/adapt.json`, JSON.stringify(ADAPT));
  await refused([folder], { tensorboard: true }, "usage", /no progress\.csv for TensorBoard/);
});

fileTest(
  "report compares in fresh tasks only what has the same tasks and rewards",
  async (folder) => {
    const [a, b, c] = ["a", "b", "c"].map((name) => `${folder}/${name}`);
    await trainInto(a, "promp", { mode: 2 });
    await trainInto(b, "promp", { mode: 2, max_path_length: 13 });
    await trainInto(c, "promp", { seed: 2 });
    const out = `${folder}/out.html`;
    const report = async (runs: string[]) => {
      const options = { out, tasks: "8", workers: "1", force: true } as const;
      await reportRuns(runs, options, new MemoryOutput());
      const { adaptation } = chartsOf(out);
      const labels = adaptation.variants![0].references!.map(({ label }) => label);
      return { labels, page: Deno.readTextFileSync(out) };
    };
    const alone = await report([a]);
    assert.deepEqual(alone.labels, ["do nothing", "knows the task"]);
    assert.match(
      alone.page,
      /<p>8 tasks of mode 2 that no training has seen \(seed 1\), 3 rollouts/,
    );
    const unlike = await report([a, b]);
    assert.deepEqual(unlike.labels, []);
    assert.match(
      unlike.page,
      /not comparable, their tasks differ: max_path_length 12 and 13\.<\/p>/,
    );
    const modes = await report([a, c]);
    assert.deepEqual(modes.labels, alone.labels);
    assert.match(
      modes.page,
      /<p>8 tasks that no training .* step; the same tasks for all runs\.<\/p>/,
    );
  },
);

fileTest("report's map of task embeddings is that of embed with the same seed", async (folder) => {
  const run = `${folder}/run`;
  await trainInto(run, "mmaml");
  const options = { tasks: "12", seed: "2", workers: "1" } as const;
  await embed(run, { ...options, out: `${folder}/embed` }, new MemoryOutput());
  await reportRuns([run], { ...options, out: `${folder}/r.html` }, new MemoryOutput());
  const file = Deno.readFileSync(`${folder}/embed/tsne.npy`);
  // [12, 2] float64 at the end of the file
  const places = new Float64Array(file.slice(-12 * 2 * 8).buffer);
  const wanted = Array.from({ length: 12 }, (_, m) => Number(places[2 * m].toPrecision(5)));
  const { groups } = chartsOf(`${folder}/r.html`)["map-1"].variants![1];
  const found = groups!.flatMap(({ x }) => x);
  assert.deepEqual(found.toSorted((a, b) => a - b), wanted.toSorted((a, b) => a - b));
});

fileTest("report's map has the first 500 tasks of many", async (folder) => {
  const run = `${folder}/run`;
  await trainInto(run, "mmaml", { max_path_length: 4, rollouts_per_meta_task: 2 });
  const options = { tasks: "510", steps: "1", workers: "1", out: `${folder}/r.html` } as const;
  await reportRuns([run], options, new MemoryOutput());
  const { groups } = chartsOf(`${folder}/r.html`)["map-1"].variants![0];
  assert.equal(groups!.reduce((sum, { x }) => sum + x.length, 0), 500);
  const page = Deno.readTextFileSync(`${folder}/r.html`);
  assert.match(page, /the task encoder made of the first 500 of these tasks\./);
  assert.match(page, /<p>510 tasks that no training has seen/);
});

const TINY = ["meta_batch_size=12", "rollouts_per_meta_task=2", "max_path_length=8"]
  .concat("hidden_sizes=[8]", "cell_size=4", "num_promp_steps=1", "device=cpu")
  .flatMap((assignment) => ["--set", assignment]);

Deno.test({
  name: "training ends with a report that has what fresh tasks gave",
  ignore: NEEDS_FILES || lacks("run"),
  fn: () =>
    inTemporaryFolder(async (folder) => {
      const args = ["mmaml", ...TINY, "--iterations", "2", "--out", "run"];
      const { code, stdout, stderr } = await metarl([...args, "--tensorboard"], folder);
      assert.equal(code, 0, stderr);
      assert.equal(stdout.trim().split("\n").at(-1), "report: run/report.html");
      assert.match(stderr, /^evaluating 12 tasks of run for the report$/m);
      const charts = chartsOf(`${folder}/run/report.html`);
      assert.deepEqual(Object.keys(charts), [
        ...["returns", "columns", "adaptation", "map-1", "paths-1", "time"],
      ]);
      assert.equal(namesIn(`${folder}/run/tensorboard`).length, 1);

      const again = ["--force", "--no-report", "--json"];
      const silent = await metarl([...args, ...again], folder);
      assert.equal(silent.code, 0, silent.stderr);
      assert(!silent.stderr.includes("report"), silent.stderr);
      // those of the run before are gone
      assert.deepEqual(namesIn(`${folder}/run`), [
        ...[".lock", "checkpoints", "log.txt", "params.json", "progress.csv"],
      ]);

      // four times as many tasks, more steps than in training
      const more = ["report", "run", "--tasks", "44", "--steps", "3", "--seed", "5"];
      const done = await metarl(more, folder);
      assert.equal(done.code, 0, done.stderr);
      const html = Deno.readTextFileSync(`${folder}/run/report.html`);
      assert(html.includes("44 tasks that no training has seen (seed 5)"));
      assert(html.includes(">after 3 steps</th>"));
    }),
});
