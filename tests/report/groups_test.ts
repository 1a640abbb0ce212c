import assert from "node:assert/strict";
import { meanBand } from "../../src/report/band.ts";
import { groupCurve, groupRuns } from "../../src/report/groups.ts";
import { type MetaRun, readSource } from "../../src/report/read_run.ts";
import { columnOf } from "../../src/report/read_run.ts";
import { VERSION } from "../../src/cli/version.ts";
import { lacks } from "../permissions.ts";
import { inTemporaryFolder } from "../cli/metarl_process.ts";
import { sampleCell, sampleCsv, type SampleRun, writeSampleRun } from "./sample_runs.ts";

const COLUMN = "Step_2-AverageReturn";

function runTest(
  name: string,
  body: (
    read: (name: string, run?: SampleRun) => Promise<MetaRun>,
    folder: string,
  ) => Promise<void>,
): void {
  Deno.test({
    name,
    ignore: lacks("read", "write"),
    fn: () =>
      inTemporaryFolder((folder) =>
        body(async (name, run) => {
          const path = writeSampleRun(`${folder}/${name}`, run);
          return await readSource(path, VERSION) as MetaRun;
        }, folder)
      ),
  });
}

runTest("groupRuns() puts together what differs in the seed alone", async (read) => {
  const runs = [
    await read("a", { seed: 1 }),
    // neither workers nor the number of iterations decide the results
    await read("b", { seed: 2, settings: { workers: 7, n_itr: 99 } }),
    await read("c", { seed: 1, settings: { inner_lr: 0.5 } }),
    await read("d", { algorithm: "promp" }),
    await read("e", { environment: "Reacher3LinkEnv" }),
  ];
  const [point, reacher] = groupRuns(runs);
  assert.equal(reacher.environment, "Reacher3LinkEnv");
  assert.deepEqual(
    point.groups.map(({ label, color, runs }) => [label, color, runs.map(({ label }) => label)]),
    [
      ["mmaml", 0, ["mmaml, seed 1", "mmaml, seed 2"]],
      ["mmaml, inner_lr 0.5", 1, ["mmaml, inner_lr 0.5"]],
      ["promp", 2, ["promp"]],
    ],
  );
});

runTest("groupRuns() gives a second run of a seed a curve of its own", async (read) => {
  const runs = [
    await read("a", { seed: 1 }),
    await read("b", { seed: 2 }),
    await read("copy", { seed: 1 }),
    await read("c", { seed: 3 }),
  ];
  const [{ groups }] = groupRuns(runs);
  assert.deepEqual(
    groups.map(({ label, runs }) => [label, runs.map(({ run }) => run.seed)]),
    [["mmaml", [1, 2, 3]], ["mmaml (2)", [1]]],
  );
});

runTest("a key that a run's params.json lacks has its default", async (read, folder) => {
  const whole = await read("a");
  const path = `${folder}/b/params.json`;
  await read("b", { seed: 2 });
  const params = JSON.parse(Deno.readTextFileSync(path));
  delete params.config.terminate;
  Deno.writeTextFileSync(path, JSON.stringify(params));
  const older = await readSource(`${folder}/b`, VERSION) as MetaRun;
  assert.equal(groupRuns([whole, older])[0].groups.length, 1);
});

runTest("runs that differ in many settings are called by their folders", async (read) => {
  const settings = { inner_lr: 0.5, learning_rate: 0.5, discount: 0.5 };
  const [{ groups }] = groupRuns([await read("first"), await read("second", { settings })]);
  assert.deepEqual(groups.map(({ label }) => label), ["mmaml (first)", "mmaml (second)"]);
});

runTest("groupCurve() is the mean over the seeds with its interval", async (read) => {
  const seeds = [1, 2, 3, 4];
  const runs = [];
  for (const seed of seeds) runs.push(await read(`s${seed}`, { seed, iterations: 10 + seed }));
  const [{ groups: [group] }] = groupRuns(runs);
  const curve = groupCurve(group, ({ progress }) => columnOf(progress.rows, COLUMN), 1000);
  assert.deepEqual(curve.x, Array.from({ length: 14 }, (_, i) => i));
  for (const itr of [0, 7, 10]) {
    const cells = seeds.map((seed) => sampleCell(COLUMN, itr, seed));
    const middle = cells.reduce((sum, cell) => sum + cell) / 4;
    const squares = cells.reduce((sum, cell) => sum + (cell - middle) ** 2, 0);
    // 3.182: 95 % of Student's t with 3 degrees of freedom
    const half = 3.182 * Math.sqrt(squares / 3 / 4);
    const close = (a: number | null, b: number) =>
      assert(Math.abs(a! - b) < 1e-5 * Math.abs(b) + 1e-4, `${a} ${b}`);
    close(curve.y[itr], middle);
    close(curve.low![itr], middle - half);
    close(curve.high![itr], middle + half);
  }
  // the first run has ended: the mean of the others, without an interval
  const left = [2, 3, 4].map((seed) => sampleCell(COLUMN, 11, seed));
  assert(Math.abs(curve.y[11]! - left.reduce((sum, cell) => sum + cell) / 3) < 1e-3);
  assert.equal(curve.low![11], null);
});

runTest("groupCurve() thins a long curve, the same way for runs of any length", async (read) => {
  const runs = [
    await read("a", { iterations: 301 }),
    await read("b", { iterations: 200, settings: { inner_lr: 0.5 } }),
  ];
  const [{ groups }] = groupRuns(runs);
  const spiked = (run: MetaRun) => {
    const values = columnOf(run.progress.rows, COLUMN);
    values[101] = 5000;
    return values;
  };
  for (const group of groups) {
    const curve = groupCurve(group, spiked, 60);
    assert.equal(curve.y[curve.x.indexOf(101)], 5000);
    assert.equal(curve.x.at(-1), group.runs[0].run.progress.rows.length - 1);
    assert(curve.x.length <= 62);
    assert.equal(curve.low, undefined);
  }
});

Deno.test("meanBand() of two values goes from one to the other", () => {
  assert.deepEqual(meanBand([3, 1]), { mean: 2, low: 1, high: 3 });
  assert.deepEqual(meanBand([3]), { mean: 3, low: 3, high: 3 });
});

runTest("files of the published code are runs of their own", async (read, folder) => {
  await read("ours");
  const csv = `${folder}/theirs/progress.csv`;
  Deno.mkdirSync(`${folder}/theirs`);
  Deno.writeTextFileSync(csv, sampleCsv(["Step_0-AverageReturn", "Itr"], 4, 1));
  const ours = await readSource(`${folder}/ours`, VERSION) as MetaRun;
  const theirs = await readSource(csv, VERSION) as MetaRun;
  assert.deepEqual([theirs.algorithm, theirs.config, theirs.innerSteps], [null, null, 0]);
  const params = { seed: 5, env: { $class: "envs.MetaPointEnvMomentumModes" }, algo: "ProMP" };
  Deno.writeTextFileSync(`${folder}/theirs/params.json`, JSON.stringify(params));
  const named = await readSource(`${folder}/theirs`, VERSION) as MetaRun;
  assert.deepEqual([named.seed, named.environment], [5, "MetaPointEnvMomentumModes"]);
  const [{ groups }] = groupRuns([ours, named]);
  assert.deepEqual(groups.map(({ label }) => label), ["mmaml", "ProMP (theirs)"]);
});
