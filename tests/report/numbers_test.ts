/** Tests of the numbers in a report: each is worked out here from what the report is made of. */
import assert from "node:assert/strict";
import { VERSION } from "../../src/cli/version.ts";
import { loadEnv } from "../../src/envs/registry.ts";
import type { Evaluation } from "../../src/evaluation/evaluate.ts";
import type { LoadedRun } from "../../src/evaluation/load_run.ts";
import { summarize } from "../../src/evaluation/summary.ts";
import { buildReport } from "../../src/report/build.ts";
import type { EvaluatedRun } from "../../src/report/fresh_tasks.ts";
import type { Block, Chart, Report } from "../../src/report/model.ts";
import { readSource, type ReportSource } from "../../src/report/read_run.ts";
import { mean } from "../../src/util/statistics.ts";
import { inTemporaryFolder } from "../cli/metarl_process.ts";
import { lacks } from "../permissions.ts";
import { ADAPT, sampleCell, sampleCsv, type SampleRun, writeSampleRun } from "./sample_runs.ts";

function reportTest(
  name: string,
  body: (read: (name: string, run?: SampleRun) => Promise<ReportSource>, folder: string) => unknown,
): void {
  Deno.test({
    name,
    ignore: lacks("read", "write"),
    fn: () =>
      inTemporaryFolder(async (folder) => {
        const read = (name: string, run?: SampleRun) =>
          readSource(writeSampleRun(`${folder}/${name}`, run), VERSION);
        await body(read, folder);
      }),
  });
}

function reportOf(
  sources: readonly ReportSource[],
  evaluations: ReadonlyMap<string, EvaluatedRun> = new Map(),
): Report {
  return buildReport({ sources, evaluations, notices: [] });
}

function blocksOf({ sections }: Report, id: string): readonly Block[] {
  return sections.find((section) => section.id === id)!.blocks;
}

/** The n-th chart of a section. */
function chartOf(report: Report, section: string, n = 0): Chart {
  const charts = blocksOf(report, section).filter((block) => block.kind === "chart");
  return charts[n].chart;
}

/** Rows of the n-th table of a section. */
function rowsOf(report: Report, section: string, n = 0): readonly (readonly string[])[] {
  const tables = blocksOf(report, section).filter((block) => block.kind === "table");
  return tables[n].rows;
}

reportTest(
  "the overview has means of the last ten iterations and the time of all",
  async (read) => {
    const report = reportOf([await read("a", { iterations: 20 })]);
    const last = (column: string) =>
      mean(Array.from({ length: 10 }, (_, i) => sampleCell(column, 10 + i, 1))).toFixed(1);
    const [[label, seed, iterations, steps, time, before, after]] = rowsOf(report, "overview");
    assert.deepEqual([label, seed, iterations, steps], ["mmaml", "1", "20 of 50", "20,000"]);
    assert.equal(time, "3 min", "20 iterations of 9 s");
    assert.deepEqual([before, after], [
      last("Step_0-AverageReturn"),
      `${last("Step_2-AverageReturn")} (2 steps)`,
    ]);
  },
);

reportTest("the time of an iteration is divided without a rest", async (read) => {
  const report = reportOf([await read("a")]);
  const chart = chartOf(report, "time");
  assert(chart.kind === "bars");
  const parts = Object.fromEntries(chart.bars[0].parts.map(({ name, value }) => [name, value]));
  // every phase of a sample takes 1 and 2 s by turns, as sampling does, of which the environment
  // has all; the iteration takes 9 s
  assert.deepEqual(parts, {
    ...{ "environment": 1.5, "processing of samples": 1.5, "inner steps": 1.5 },
    ...{ "outer steps": 1.5, "other": 9 - 4 * 1.5 },
  });
  assert.deepEqual(rowsOf(report, "time"), [
    ["mmaml", "9.00", "1.50", "1.50", "1.50", "1.50", "3.00"],
  ]);
});

reportTest("what was said is cut in the middle", async (read) => {
  const lines = Array.from({ length: 250 }, (_, i) => `line ${i}`);
  const report = reportOf([await read("a", { log: lines.join("\n") })]);
  const list = blocksOf(report, "log").find((block) => block.kind === "list")!;
  assert.deepEqual(list.items, [...lines.slice(0, 10), "...", ...lines.slice(160)]);
});

reportTest("captions say where a mean is of fewer runs, and what is left out", async (read) => {
  const sources = [
    await read("a", { seed: 1, iterations: 1200 }),
    await read("b", { seed: 2, iterations: 21 }),
    await read("c", { algorithm: "promp" }),
  ];
  const captionsOf = (report: Report) =>
    blocksOf(report, "learning").flatMap((block) => block.kind === "chart" ? [block.caption] : []);
  const [returns, columns] = captionsOf(reportOf(sources));
  assert.match(
    returns,
    /mmaml: mean of 2 runs, .*; after iteration 20, where the first has ended, of those that go on,/,
  );
  assert.match(returns, / Of every 3 points the least and the greatest are drawn\.$/);
  assert.match(columns, /^Any column of progress\.csv\. Of every \d+ points the least and /);
  const [alone] = captionsOf(reportOf([sources[2]]));
  assert.equal(alone, "Average return of each iteration's tasks, by the training log.");
});

reportTest("collected episodes have their numbers, however many they are", async (_, folder) => {
  const run = writeSampleRun(`${folder}/data`, { algorithm: "famle-collect" });
  const rows = Array.from({ length: 1400 }, (_, i) => {
    const [situation, episode] = [i % 2, i >> 1];
    const reward = episode === 10 ? "" : episode === 333 ? 900 : episode % 7;
    return `${i},${situation},0,${reward}\n`;
  });
  Deno.writeTextFileSync(`${run}/progress.csv`, `Itr,Situation,Random,Reward\n${rows.join("")}`);
  const report = reportOf([await readSource(run, VERSION)]);
  const chart = chartOf(report, "famle-collect");
  assert(chart.kind === "lines");
  const [{ series }] = chart.variants;
  assert.equal(series.length, 2);
  for (const { x, y } of series) {
    assert(x.length <= 510, `${x.length} points`);
    assert.deepEqual([x[0], x.at(-1)], [1, 700]);
    assert.equal(x[y.indexOf(900)], 334);
    assert.equal(x[y.indexOf(null)], 11);
  }
});

reportTest("a run that tells no phase has no bar of its time", async (read, folder) => {
  const source = await read("a");
  assert(reportOf([source]).sections.some(({ id }) => id === "time"));
  const columns = ["Itr", "Step_0-AverageReturn", "ItrTime"];
  Deno.writeTextFileSync(`${folder}/old.csv`, sampleCsv(columns, 5, 1));
  const old = reportOf([await readSource(`${folder}/old.csv`, VERSION)]);
  assert(!old.sections.some(({ id }) => id === "time"));
});

reportTest("the table of famle adapt takes the last five episodes", async (_, folder) => {
  // two seeds of seven episodes; the second one never recovers
  const rewards = [[0, 0, 1, 2, 3, 4, 5], [9, 9, 11, 12, 13, 14, 15]];
  const [method] = ADAPT.methods;
  const result = {
    ...ADAPT,
    seeds: [1, 2],
    methods: [{ ...method, rewards, likelihoods: [], episodes_until_90_percent: [3, null] }],
  };
  Deno.writeTextFileSync(`${folder}/adapt.json`, JSON.stringify(result));
  const report = reportOf([await readSource(folder, VERSION)]);
  // (3 + 13) / 2; one episode more than there are: (3 + 8) / 2
  assert.deepEqual(rowsOf(report, "rewards"), [
    ["FAMLE", "4.5", "8.0", "5.5 episodes", "1 of 2", "0", "4"],
  ]);
  const [, table] = blocksOf(report, "rewards");
  assert(table.kind === "table");
  assert.match(table.caption!, /^Means of two seeds, too few for an interval;/);
});

reportTest("fresh tasks are shown as they were evaluated", async (read) => {
  const source = await read("a");
  const env = await loadEnv("MetaPointEnvMomentumModes");
  const evaluation: Evaluation = {
    tasks: { count: 4, taskDim: 2, rows: new Float64Array(8), modes: Int32Array.of(1, 0, 1, 3) },
    returns: [[-4, -8, -6, -2], [-3, -7, -5, -1], [-1, -3, -2, 0]].map((step) =>
      Float64Array.from(step)
    ),
    doNothing: Float64Array.of(-9, -9, -7, -7),
    oracle: Float64Array.of(0, 1, 2, 3),
    ...{ embeddings: null, initialEmbeddings: null, environmentSteps: 0, nonFinite: 2 },
    paths: [1, 0].map((mode, task) => ({
      ...{ task, mode, goal: [2, 2] as const },
      before: [[0, 0], [-1, 0]] as const,
      after: [
        [0, 0] as const,
        // as long as an episode of the ant
        ...Array.from({ length: 249 }, (_, t) => [t / 250, t / 250] as const),
        [2, 1 + mode] as const,
      ],
    })),
  };
  const places = [[0, 1], [2, 3], [4, 5], [6, 7]] as const;
  const evaluated: EvaluatedRun = {
    loaded: {
      ...{ path: source.path, env, checkpoint: { iteration: 7 } },
      config: { rolloutsPerTask: 5, maxSteps: 3, compat: "none" },
    } as unknown as LoadedRun,
    ...{ seed: 9, mode: null, evaluation, summary: summarize(evaluation, 4) },
    map: {
      ...{ pca: places, tsne: places.map(([x, y]) => [-x, -y] as const) },
      ...{ explainedVariance: [0.75, 0.125], silhouette: 0.5, purity: 0.875, chance: 0.25 },
    },
  };
  const report = reportOf([source], new Map([[source.path, evaluated]]));

  const adaptation = chartOf(report, "fresh-tasks");
  assert(adaptation.kind === "lines");
  const [{ series: [curve], references }] = adaptation.variants;
  assert.deepEqual([curve.x, curve.y], [[0, 1, 2], [-5, -4, -1.5]]);
  assert.deepEqual(references, [
    { y: -8, label: "do nothing" },
    { y: 1.5, label: "knows the task" },
  ]);
  const [all] = rowsOf(report, "fresh-tasks", 0);
  assert.deepEqual(all.slice(0, 2), ["mmaml", "7"]);
  assert.match(all[4], /^-1\.50 \(/);
  assert.deepEqual(all.slice(5), ["-8.00", "1.50"]);
  const modes = rowsOf(report, "fresh-tasks", 1);
  assert.deepEqual(modes.map(([name, tasks]) => [name, tasks]), [
    ...[["mmaml, mode 0", "1"], ["mmaml, mode 1", "2"], ["mmaml, mode 3", "1"]],
  ]);
  assert.match(modes[1][4], /^-1\.50 \(-2\.00 to -1\.00\)$/, "of two tasks: from one to the other");
  assert.equal(modes[0][4], "-3.00", "of one task there is no interval");

  const map = chartOf(report, "fresh-tasks", 1);
  assert(map.kind === "scatter");
  const [pca, tsne] = map.variants;
  assert.deepEqual(pca.groups.map(({ name, color, x, y }) => [name, color, x, y]), [
    ["mode 0", 0, [2], [3]],
    ["mode 1", 1, [0, 4], [1, 5]],
    ["mode 3", 3, [6], [7]],
  ]);
  assert.deepEqual(tsne.groups[2].x, [-6]);
  assert.match(pca.x.label, /75 %/);

  const paths = chartOf(report, "fresh-tasks", 2);
  assert(paths.kind === "paths");
  const [before, after] = paths.panels;
  assert.deepEqual(before.paths.map(({ name, x }) => [name, x]), [
    ...[["mode 0", [0, -1]], ["mode 1", [0, -1]]],
  ]);
  assert.deepEqual(after.paths.map(({ y }) => y.at(-1)), [1, 2]);
  // every second place is drawn, with the number of its step
  for (const { x, every, last } of after.paths) {
    assert.deepEqual([every, last, x.length], [2, 250, 126]);
    assert.equal(x[60], 119 / 250);
  }
  assert.deepEqual(before.paths.map(({ every, last }) => [every, last]), [[1, 1], [1, 1]]);

  // without modes every trajectory has its own name and colour
  const modeless = {
    ...evaluated,
    loaded: { ...evaluated.loaded, env: { ...env, spec: { ...env.spec, modes: 0 } } },
    summary: summarize(evaluation, 0),
  };
  const plain = chartOf(reportOf([source], new Map([[source.path, modeless]])), "fresh-tasks", 2);
  assert(plain.kind === "paths");
  assert.deepEqual(
    plain.panels[0].paths.map(({ name, color }) => [name, color]),
    [["task 1", 1], ["task 0", 0]],
  );

  const texts = blocksOf(report, "fresh-tasks").filter((block) => block.kind === "text");
  assert.match(texts[1].text, /^warning: 2 rollouts of \S+a were cut because MetaPointEnv/);
  // x from -1 to 2, y from 0 to 2: half the wider side, and a margin
  const [left, right, bottom, top] = paths.bounds;
  for (const [value, wanted] of [[left, 0.5], [right, 0.5], [bottom, 1], [top, 1]]) {
    assert.ok(Math.abs(Math.abs(value - wanted) - 1.5 * 1.05) < 1e-9);
  }
});
