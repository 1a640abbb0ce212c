import assert from "node:assert/strict";
import { DivergenceKind } from "../../src/trainer/divergence.ts";
import { buildReport } from "../../src/report/build.ts";
import { divergences } from "../../src/report/events.ts";
import { reportHtml } from "../../src/report/html.ts";
import { escapeHtml } from "../../src/util/html.ts";
import type { Report } from "../../src/report/model.ts";
import { readSource, type ReportSource } from "../../src/report/read_run.ts";
import { VERSION } from "../../src/cli/version.ts";
import { inTemporaryFolder } from "../cli/metarl_process.ts";
import { lacks } from "../permissions.ts";
import { ADAPT, PROVENANCE, writeSampleRun } from "./sample_runs.ts";

const COMPAT_TEXT = "mmaml-rl: as the published code, the task encoder sees 5 steps of a rollout";
const EVIL = `</script><script>alert(1)</script><img src=x onerror=alert(2)> & "quotes" 'single'`;

function fileTest(name: string, body: (folder: string) => Promise<void>): void {
  Deno.test({ name, ignore: lacks("read", "write"), fn: () => inTemporaryFolder(body) });
}

async function pageOf(paths: readonly string[]): Promise<{ report: Report; html: string }> {
  const sources: ReportSource[] = [];
  for (const path of paths) sources.push(await readSource(path, VERSION));
  const report = buildReport({ sources, evaluations: new Map(), notices: [] });
  return { report, html: await reportHtml(report, VERSION) };
}

Deno.test("escapeHtml() leaves nothing that HTML would obey", () => {
  assert.equal(escapeHtml(`<a href="x">'&'`), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;");
  assert.equal(escapeHtml("a\u0000b\u001bc\ud800"), "a\ufffdb\ufffdc\ufffd");
});

fileTest("reportHtml() lets only its own script run, whatever names a run has", async (folder) => {
  const run = writeSampleRun(`${folder}/a & "b" <i>`, {
    environment: EVIL,
    provenance: { ...PROVENANCE, sources: { inner_lr: EVIL } },
    log: `${EVIL}\n`,
  });
  const csv = Deno.readTextFileSync(`${run}/progress.csv`).trimEnd().split("\n");
  const wider = csv.map((line, i) => `${line},${i === 0 ? EVIL : i}\n`);
  Deno.writeTextFileSync(`${run}/progress.csv`, wider.join(""));
  const { html } = await pageOf([run]);
  const scripts = [...html.matchAll(/<script([^>]*)>([\s\S]*?)<\/script>/g)];
  assert.deepEqual(scripts.map(([, attributes]) => attributes), [
    ' type="application/json" id="charts"',
    "",
  ]);
  const { columns } = JSON.parse(scripts[0][2]);
  assert.equal(columns.variants.at(-1).label, EVIL);
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(scripts[1][2]));
  const hash = btoa(String.fromCharCode(...new Uint8Array(digest)));
  const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html)![1];
  assert(policy.startsWith(`default-src 'none'; script-src 'sha256-${hash}';`), policy);
  assert(
    !/<(img|link|iframe|base)|<[a-z]+[^<>]*\s(src=|on\w+=|href="(?!#))/.test(
      html.replace(scripts[1][2], ""),
    ),
  );
  assert(html.includes("&lt;img src=x onerror=alert(2)&gt;"), "the name is shown as it is");
});

fileTest("a report says what was set, on which machine and what happened", async (folder) => {
  const first = writeSampleRun(`${folder}/first`, {
    settings: { inner_lr: 0.25, compat: "mmaml-rl" },
    provenance: PROVENANCE,
    log: "iteration 3: 2 rollouts were cut\n",
  });
  const csv = Deno.readTextFileSync(`${first}/progress.csv`).split("\n");
  const marked = csv.map((line, i) =>
    line === "" ? line : `${line},${i === 0 ? "Divergence" : i === 6 ? 2 : 0}`
  );
  Deno.writeTextFileSync(`${first}/progress.csv`, marked.join("\n"));
  const second = writeSampleRun(`${folder}/second`, { seed: 2 });
  const { report, html } = await pageOf([first, second]);
  assert.equal(report.title, "mmaml on MetaPointEnvMomentumModes");
  assert.deepEqual(
    report.sections.map(({ id }) => id),
    ["overview", "learning", "settings", "time", "machine", "log"],
  );
  const row = (...cells: string[]) => {
    const [head, ...others] = cells;
    const text = `<th scope="row">${head}</th>${others.map((cell) => `<td>${cell}</td>`).join("")}`;
    assert(html.replaceAll(' class="long"', "").includes(text), text);
  };
  row("inner_lr", "0.25", "0.1", "--set");
  // where the two differ
  row("compat", "mmaml-rl", "none");
  row("processor", "Test CPU", "-");
  row("SHA-256 of the settings", PROVENANCE.configSha256, "-");
  row("mmaml, compat mmaml-rl, inner_lr 0.25", COMPAT_TEXT);
  row("mmaml", "none: follows the paper");
  // where it is known, and for the other run that it is not
  assert(html.includes("<h3>What was set: mmaml, compat mmaml-rl, inner_lr 0.25</h3>"));
  assert(html.includes("By what settings were given was not recorded of these runs: mmaml."));
  const diverged = "diverged: a number of an inner step is not finite";
  assert(html.includes(`<li>iteration 5: ${diverged}</li>`));
  const charts = report.sections[1].blocks.filter((block) => block.kind === "chart");
  assert.equal(charts.length, 2);
  for (const { caption, chart } of charts) {
    assert(
      chart.kind === "lines" &&
        caption.endsWith(" Triangles: iterations that diverged or left rollouts out, 1 in all."),
    );
    const name = "mmaml, compat mmaml-rl, inner_lr 0.25";
    assert.deepEqual(chart.marks, [{ name, color: 0, x: 5, text: diverged }]);
  }
  assert(html.includes("<li>iteration 3: 2 rollouts were cut</li>"));
});

fileTest(
  "runs on different environments are told apart where they stand together",
  async (folder) => {
    const point = writeSampleRun(`${folder}/point`);
    const reacher = writeSampleRun(`${folder}/reacher`, { environment: "Reacher3LinkEnv" });
    const { report } = await pageOf([point, reacher]);
    assert.deepEqual(
      report.sections.map(({ title }) => title).slice(0, 3),
      ["Overview", "Learning: MetaPointEnvMomentumModes", "Learning: Reacher3LinkEnv"],
    );
    const time = report.sections.find(({ id }) => id === "time")!.blocks[0];
    assert(time.kind === "chart" && time.chart.kind === "bars");
    assert.deepEqual(
      time.chart.bars.map(({ name }) => name),
      ["mmaml, MetaPointEnvMomentumModes", "mmaml, Reacher3LinkEnv"],
    );
  },
);

fileTest("a report of famle adapt has rewards, likelihoods and damage", async (folder) => {
  Deno.writeTextFileSync(`${folder}/adapt.json`, JSON.stringify(ADAPT));
  const { report, html } = await pageOf([folder]);
  const charts = report.sections.flatMap(({ blocks }) => blocks)
    .filter((block) => block.kind === "chart");
  const [rewards, likelihoods, ...rest] = charts.map(({ chart }) => chart);
  assert(rewards.kind === "lines" && likelihoods.kind === "heat" && rest.length === 0);
  const [famle] = rewards.variants[0].series;
  assert.deepEqual([famle.name, famle.x, famle.y], ["FAMLE", [1, 2], [3, 13]]);
  // deviations 2, 1, 3: 4.303 (Student's t, 2 degrees of freedom) * sqrt(14 / 2 / 3)
  assert(Math.abs(famle.high![0]! - (3 + 4.303 * Math.sqrt(7 / 3))) < 1e-4);
  assert.deepEqual(rewards.variants[0].references, [{ y: 27, label: "90 % of healthy" }]);
  assert.deepEqual(likelihoods.rows, ["healthy", "joint 0 dead"]);
  assert.deepEqual(likelihoods.values, [[0.6, 0.1], [0.4, 0.9]]);
  assert(html.includes("p = 0.031"));
  assert(html.includes("a note with &lt;b&gt; &amp; &quot;quotes&quot;"));
});

fileTest("twenty runs of a thousand iterations stay below 3 MB", async (folder) => {
  const paths = Array.from({ length: 20 }, (_, i) =>
    writeSampleRun(`${folder}/${i}`, {
      iterations: 1000,
      settings: { inner_lr: 0.001 * (i + 1) },
    }));
  const { html } = await pageOf(paths);
  assert(html.length < 3e6, `${html.length} characters`);
});

Deno.test("divergences() has words for everything that a trainer calls divergence", () => {
  const rows = [0, null, ...Object.values(DivergenceKind), 99].map((number, i) => ({
    Itr: i,
    Divergence: number,
  }));
  const found = divergences(rows);
  const count = Object.values(DivergenceKind).length;
  assert.deepEqual(
    found.map(({ iteration }) => iteration),
    [...Array(count + 1).keys()].map((i) => i + 2),
  );
  const unknown = found.pop()!;
  assert.equal(unknown.text, "diverged: event 99");
  for (const { text } of found) assert.doesNotMatch(text, /event/);
  assert.equal(found.at(-1)!.text, "rollouts were cut: numbers of the environment are not finite");
  assert.equal(new Set(found.map(({ text }) => text)).size, count);
  assert.deepEqual(divergences([{ Itr: 0 }]), [], "runs of others have no such column");
});
