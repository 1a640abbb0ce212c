/** The page in a browser: what its charts show is what the files have. */
import assert from "node:assert/strict";
import { VERSION } from "../../src/cli/version.ts";
import { buildReport } from "../../src/report/build.ts";
import { reportHtml } from "../../src/report/html.ts";
import { readSource, type ReportSource } from "../../src/report/read_run.ts";
import { inTemporaryFolder } from "../cli/metarl_process.ts";
import { lacks } from "../permissions.ts";
import { Browser, findChromium } from "./browser.ts";
import { ADAPT, sampleCell, writeSampleRun } from "./sample_runs.ts";

const NEEDS_FILES = lacks("read", "write", "run", "env");
const CHROMIUM = NEEDS_FILES ? null : findChromium();
const REQUIRED = !NEEDS_FILES && Deno.env.get("METARL_REQUIRE_CHROMIUM") === "1";

/** Runs in the page: the points of a line, by the ticks of its axes; [x, y] in data units. */
function readLine(chart: string, name: string): [number, number][] {
  interface Element {
    readonly textContent: string;
    getAttribute(name: string): string;
    querySelector(selector: string): Element;
    querySelectorAll(selector: string): Iterable<Element>;
  }
  const page = (globalThis as unknown as { document: Element }).document;
  const svg = page.querySelector(`figure[data-chart="${chart}"] .plot svg`);
  const scale = (axis: "x" | "y") => {
    const ticks = [...svg.querySelectorAll(`[aria-label="${axis}-axis tick label"] text`)]
      .map((tick) => {
        const [x, y] = /\(([^)]*)\)/.exec(tick.getAttribute("transform"))![1].split(",");
        const value = Number(tick.textContent.replace("−", "-").replaceAll(",", ""));
        return { at: Number(axis === "x" ? x : y), value };
      });
    const [first, last] = [ticks[0], ticks.at(-1)!];
    const perPixel = (last.value - first.value) / (last.at - first.at);
    return (at: number) => first.value + (at - first.at) * perPixel;
  };
  const [x, y] = [scale("x"), scale("y")];
  const line = [...svg.querySelectorAll('[aria-label="line"] path')]
    .find((path) => path.getAttribute("aria-label") === name)!;
  return line.getAttribute("d").slice(1).split("L").map((point) => {
    const [px, py] = point.split(",").map(Number);
    return [x(px), y(py)];
  });
}

async function writePage(paths: readonly string[], file: string): Promise<void> {
  const sources: ReportSource[] = [];
  for (const path of paths) sources.push(await readSource(path, VERSION));
  const report = buildReport({ sources, evaluations: new Map(), notices: [] });
  await Deno.writeTextFile(file, await reportHtml(report, VERSION));
}

/** Contrast of two colours, 1 to 21 (WCAG 2, relative luminance). */
function contrast(first: string, second: string): number {
  const luminance = (color: string) => {
    const [r, g, b] = color.match(/[\d.]+/g)!.map(Number).map((value) => {
      const share = value / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [light, dark] = [luminance(first), luminance(second)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

const COLORS = `(() => {
  const style = getComputedStyle(document.querySelector("section"));
  const muted = getComputedStyle(document.querySelector("figcaption"));
  return [style.backgroundColor, style.color, muted.color];
})()`;

async function checkColors(browser: Browser, isDark: boolean): Promise<void> {
  const [ground, ink, muted] = await browser.evaluate<string[]>(COLORS);
  assert.equal(contrast(ground, "rgb(0, 0, 0)") < contrast(ground, "rgb(255, 255, 255)"), isDark);
  // WCAG's level AA for text
  assert(contrast(ground, ink) >= 7 && contrast(ground, muted) >= 4.5, `${ground} ${ink} ${muted}`);
}

async function checkPage(browser: Browser, folder: string): Promise<void> {
  const seeds = [1, 2, 3];
  const runs = seeds.map((seed) => writeSampleRun(`${folder}/mmaml-${seed}`, { seed }));
  const promp = writeSampleRun(`${folder}/promp`, { algorithm: "promp", seed: 4 });
  runs.push(promp);
  const csv = Deno.readTextFileSync(`${promp}/progress.csv`).trimEnd().split("\n");
  const divergence = (line: number) => line === 0 ? "Divergence" : line === 8 ? 7 : 0;
  Deno.writeTextFileSync(
    `${promp}/progress.csv`,
    csv.map((line, i) => `${line},${divergence(i)}\n`).join(""),
  );
  const page = `${folder}/report.html`;
  await writePage(runs, page);
  await browser.setScreen(1000, 900, "light");
  await browser.open(page);

  const line = (chart: string, name: string) =>
    browser.evaluate<[number, number][]>(
      `(${readLine})(${JSON.stringify(chart)}, ${JSON.stringify(name)})`,
    );
  const check = async (chart: string, name: string, column: string, of: readonly number[]) => {
    const points = await line(chart, name);
    assert.equal(points.length, 20);
    const wanted = points.map((_, itr) =>
      of.reduce((sum, seed) => sum + sampleCell(column, itr, seed), 0) / of.length
    );
    const range = Math.max(...wanted) - Math.min(...wanted);
    points.forEach(([x, y], itr) => {
      assert(Math.abs(x - itr) < 0.01, `${name} ${x}`);
      // paths have three digits after the point, in px
      assert(Math.abs(y - wanted[itr]) < 1e-4 * range, `${chart} ${name} ${itr}: ${y}`);
    });
  };
  await check("returns", "promp", "Step_2-AverageReturn", [4]);
  await check("returns", "mmaml", "Step_2-AverageReturn", seeds);
  await check("returns", "mmaml, before adaptation", "Step_0-AverageReturn", seeds);
  await check("columns", "mmaml", "LossAfter", seeds);

  // a triangle where it diverged
  const marks = await browser.evaluate<string[]>(
    `[...document.querySelectorAll('figure[data-chart="returns"] [aria-label="dot"] path')]
      .map((mark) => mark.textContent)`,
  );
  assert.deepEqual(marks, ["promp\niteration 7\ndiverged: the outer KL is above max_outer_kl"]);

  // another column
  await browser.evaluate(`(() => {
    const select = document.querySelector('figure[data-chart="columns"] select');
    select.selectedIndex = [...select.options].findIndex(({ text }) => text === "KLInner");
    select.dispatchEvent(new Event("change"));
  })()`);
  await check("columns", "promp", "KLInner", [4]);

  // the place of a point under the mouse, and what is said there
  const [left, top] = await browser.evaluate<number[]>(`(() => {
    const svg = document.querySelector('figure[data-chart="returns"] .plot svg');
    const path = [...svg.querySelectorAll('[aria-label="line"] path')]
      .find((each) => each.getAttribute("aria-label") === "promp");
    const [x, y] = path.getAttribute("d").slice(1).split("L")[12].split(",").map(Number);
    const box = svg.getBoundingClientRect();
    return [box.left + x, box.top + y];
  })()`);
  await browser.moveMouse(left, top);
  const tip = await browser.evaluate<string>(
    `document.querySelector('figure[data-chart="returns"] [aria-label="tip"]').textContent`,
  );
  const value = sampleCell("Step_2-AverageReturn", 12, 4)
    .toLocaleString("en-US", { maximumSignificantDigits: 6 });
  // Plot puts lines together with spaces of no width
  assert.equal(tip.replaceAll("\u200b", "|"), `|promp|iteration 12|${value}`);

  // a name is a switch
  const lines = () =>
    browser.evaluate<number>(
      `document.querySelectorAll('figure[data-chart="returns"] [aria-label="line"] path').length`,
    );
  assert.equal(await lines(), 4);
  await browser.evaluate(
    `document.querySelector('figure[data-chart="returns"] .legend button').click()`,
  );
  assert.equal(await lines(), 3);

  await checkColors(browser, false);
  await browser.evaluate(`document.getElementById("theme").click()`);
  await checkColors(browser, true);
}

/** A band is not drawn across what it does not know. */
async function checkGap(browser: Browser, folder: string): Promise<void> {
  const runs = [1, 2].map((seed) => writeSampleRun(`${folder}/gap-${seed}`, { seed }));
  const lines = Deno.readTextFileSync(`${runs[0]}/progress.csv`).split("\n");
  const column = lines[0].split(",").indexOf("LossAfter");
  const cells = lines[8].split(",");
  lines[8] = cells.with(column, "").join(",");
  Deno.writeTextFileSync(`${runs[0]}/progress.csv`, lines.join("\n"));
  await writePage(runs, `${folder}/gap.html`);
  await browser.open(`${folder}/gap.html`);
  const parts = await browser.evaluate<number[]>(
    `["area", "line"].map((name) => document
      .querySelector('figure[data-chart="columns"] [aria-label="' + name + '"] path')
      .getAttribute("d").split("M").length - 1)`,
  );
  assert.deepEqual(parts, [2, 2]);
}

async function checkPhone(browser: Browser, folder: string): Promise<void> {
  await browser.setScreen(375, 700, "dark");
  Deno.writeTextFileSync(`${folder}/adapt.json`, JSON.stringify(ADAPT));
  await writePage([`${folder}/adapt.json`, `${folder}/promp`], `${folder}/phone.html`);
  await browser.open(`${folder}/phone.html`);
  const width = await browser.evaluate<number>("document.documentElement.scrollWidth");
  assert(width <= 375, `the page is ${width} px wide`);
  await checkColors(browser, true);
  const cells = await browser.evaluate<string[]>(
    `[...document.querySelectorAll('[aria-label="cell"] rect')]
      .map((each) => Number(each.getAttribute("fill-opacity")).toFixed(3))`,
  );
  assert.deepEqual(cells, ["0.600", "0.100", "0.400", "0.900"]);
  // the label of a horizontal line stands beside all that is drawn, within the page
  const [drawn, left, right] = await browser.evaluate<number[]>(`(() => {
    const box = (each) => each.getBoundingClientRect();
    const chart = document.querySelector('figure[data-chart="rewards"] svg');
    const label = [...chart.querySelectorAll('[aria-label="text"] text')]
      .find((each) => each.textContent.startsWith("90 % of"));
    const dots = [...chart.querySelectorAll('[aria-label="dot"] circle')];
    return [Math.max(...dots.map((each) => box(each).right)), box(label).left, box(label).right];
  })()`);
  assert(drawn <= left && right <= 375, `${drawn} ${left} ${right}`);
  const bars = await browser.evaluate<number>(
    `document.querySelectorAll('figure[data-chart="time"] [aria-label="bar"] rect').length`,
  );
  assert(bars > 0);
}

Deno.test({
  name: "the page's charts show what progress.csv has, in light and dark, on a phone",
  ignore: CHROMIUM === null && !REQUIRED,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      assert(CHROMIUM !== null, "there is no Chromium");
      const browser = await Browser.start(CHROMIUM);
      try {
        await checkPage(browser, folder);
        await checkGap(browser, folder);
        await checkPhone(browser, folder);
        assert.deepEqual(browser.complaints, []);
      } finally {
        await browser.close();
      }
    }),
});
