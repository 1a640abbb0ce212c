import assert from "node:assert/strict";
import { readSource } from "../../src/report/read_run.ts";
import { VERSION } from "../../src/cli/version.ts";
import { UserError } from "../../src/util/errors.ts";
import { inTemporaryFolder } from "../cli/metarl_process.ts";
import { lacks } from "../permissions.ts";
import { ADAPT, writeSampleRun } from "./sample_runs.ts";

function fileTest(name: string, body: (folder: string) => Promise<void>): void {
  Deno.test({ name, ignore: lacks("read", "write"), fn: () => inTemporaryFolder(body) });
}

async function refused(path: string, code: string, message: RegExp): Promise<void> {
  await assert.rejects(readSource(path, VERSION), (error) => {
    assert(error instanceof UserError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert(!error.message.includes("\n"));
    return true;
  });
}

fileTest("readSource() refuses what is no run", async (folder) => {
  Deno.mkdirSync(`${folder}/empty`);
  await refused(`${folder}/empty`, "run-not-found", /neither a run folder nor a result/);
  await refused(`${folder}/gone`, "run-not-found", /there is no such file or folder$/);
  Deno.writeTextFileSync(`${folder}/table.csv`, "a,b\n1,2\n");
  await refused(`${folder}/table.csv`, "progress-columns", /no column "Itr"/);
});

fileTest("readSource() refuses runs without rows, and of later versions", async (folder) => {
  const run = writeSampleRun(`${folder}/run`, { iterations: 0 });
  await refused(run, "run-empty", /progress\.csv has no rows yet; wait for the first iteration$/);
  Deno.writeTextFileSync(`${run}/progress.csv`, "");
  await refused(run, "run-empty", /has no rows yet/);
  Deno.removeSync(`${run}/progress.csv`);
  await refused(run, "run-empty", /is not there yet/);
  const later = writeSampleRun(`${folder}/later`, { version: "9.0.0" });
  await refused(later, "run-version", /made by metarl 9\.0\.0/);
});

fileTest("readSource() refuses damaged files of metarl", async (folder) => {
  const run = writeSampleRun(`${folder}/run`);
  Deno.writeTextFileSync(`${run}/params.json`, '{"metarl_version": "0.1.0", "seed": "one"}');
  await refused(run, "params-damaged", /was not written by metarl/);
  Deno.writeTextFileSync(`${run}/params.json`, "{");
  await refused(run, "json-syntax", /is not valid JSON/);
  Deno.mkdirSync(`${folder}/adapt`);
  Deno.writeTextFileSync(`${folder}/adapt/adapt.json`, JSON.stringify({ ...ADAPT, methods: [] }));
  await refused(`${folder}/adapt`, "adapt-damaged", /famle adapt, or was changed: methods: /);
});

fileTest("readSource() reads runs, their files, and results of adapt", async (folder) => {
  const log = "said\niteration 0: returns -1 -> 2, 1 s\n----\n| Itr | 0 |\n";
  const run = writeSampleRun(`${folder}/run`, { log });
  for (const path of [run, `${run}/`, `${run}/progress.csv`]) {
    const source = await readSource(path, VERSION);
    assert(source.kind === "meta");
    assert.deepEqual(
      [source.path, source.algorithm, source.innerSteps, source.log, source.progress.rows.length],
      [run, "mmaml", 2, ["said"], 20],
    );
  }
  Deno.mkdirSync(`${folder}/adapt`);
  const { likelihoods: _, ...older } = ADAPT.methods[0];
  const text = JSON.stringify({ ...ADAPT, methods: [older, ADAPT.methods[1]] });
  Deno.writeTextFileSync(`${folder}/adapt/adapt.json`, text);
  const source = await readSource(`${folder}/adapt/adapt.json`, VERSION);
  assert(source.kind === "famle-adapt");
  assert.deepEqual(source.result.methods[0].likelihoods, [], "files of earlier versions have none");
  assert.equal(source.result.methods[1].non_finite_sequences, 4);
});
