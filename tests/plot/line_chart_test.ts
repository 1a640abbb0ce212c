import assert from "node:assert/strict";
import { lineChart, type LineChartSpec } from "../../src/plot/mod.ts";
import { UserError } from "../../src/util/errors.ts";
import { all, parseSvg, textsOf, ticksOf, translationOf } from "./parse.ts";
import { rewardSpec, sineSpec } from "./samples.ts";

const lines = '[aria-label="line"] path';

function chartOf(y: number[], more: Partial<LineChartSpec> = {}): LineChartSpec {
  const series = [{ name: "run", x: y.map((_, i) => i), y }];
  return { x: { label: "episode" }, y: { label: "reward" }, series, ...more };
}

Deno.test("lineChart() draws the sinusoids: every line, the points, one legend entry a name", () => {
  const root = parseSvg(lineChart(sineSpec()));
  assert.equal(root.getAttribute("width"), "720");
  assert.equal(root.getAttribute("height"), "420");
  assert.equal(all(root, lines).length, 13);
  assert.equal(all(root, '[aria-label="line"][stroke-dasharray]').length, 1);
  assert.equal(all(root, '[aria-label="line"][stroke-opacity]').length, 10);
  assert.equal(all(root, '[aria-label="dot"] circle').length, 3);
  const texts = textsOf(root);
  const names = ["training tasks", "truth", "before adaptation", "after adaptation"];
  for (const name of [...names, "given points", "A new sinusoid from 3 points"]) {
    assert.equal(texts.filter((text) => text === name).length, 1, name);
  }
  const font = root.getAttribute("font-family");
  assert.match(font!, /^DejaVu Sans,.*sans-serif$/);
  for (const svg of all(root, "svg")) assert.equal(svg.getAttribute("font-family"), font);
});

Deno.test("lineChart() draws bands, a reference line and labels that don't overlap", () => {
  const root = parseSvg(lineChart(rewardSpec()));
  assert.equal(all(root, lines).length, 4);
  assert.equal(all(root, '[aria-label="area"] path').length, 4);
  assert.equal(all(root, '[aria-label="rule"] line').length, 1);
  const labels = all(root, '[aria-label="text"] text');
  assert.deepEqual(
    labels.map(({ textContent }) => textContent).sort(),
    ["90 % of healthy", "FAMLE", "from scratch (MBRL)", "healthy arm", "one embedding (MAML)"],
  );
  const heights = labels.map((label) => translationOf(label)[1]).sort((a, b) => a - b);
  heights.reduce((before, at) => {
    assert.ok(at - before >= 16.9, `labels ${at - before} px apart, wanted a line of text`);
    return at;
  });
});

Deno.test("lineChart() puts values where the axes say", () => {
  const root = parseSvg(lineChart(chartOf([-4, 2, 5])));
  const [x, y] = [ticksOf(root, "x"), ticksOf(root, "y")];
  const place = (ticks: typeof x, value: number) => {
    const [from, to] = [ticks[0], ticks[ticks.length - 1]];
    return from.at + (value - from.value) / (to.value - from.value) * (to.at - from.at);
  };
  const numbers = all(root, lines)[0].getAttribute("d")!.match(/-?[\d.]+/g)!.map(Number);
  // paths are written with 3 decimals
  [[0, -4], [1, 2], [2, 5]].flatMap(([a, b]) => [place(x, a), place(y, b)])
    .forEach((wanted, i) => assert.ok(Math.abs(numbers[i] - wanted) < 1e-3));
});

Deno.test("lineChart() leaves gaps for values that are not finite", () => {
  const svg = lineChart(chartOf([1, 2, NaN, 3, Infinity, 2, 1]));
  assert.equal(all(parseSvg(svg), lines)[0].getAttribute("d")!.match(/M/g)!.length, 3);
  assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
  const band = lineChart({
    ...chartOf([]),
    series: [{ name: "a", x: [0, 1, 2], y: [1, 2, 3], low: [0, NaN, 2], high: [2, 3, 4] }],
  });
  assert.doesNotMatch(band, /NaN/);
  assert.equal(
    all(parseSvg(band), '[aria-label="area"] path')[0].getAttribute("d")!.match(/M/g)!.length,
    2,
  );
});

Deno.test("lineChart() takes what is not positive for a gap on a logarithmic axis", () => {
  const svg = lineChart(chartOf([10, 0, 100, 1000], { y: { label: "loss", scale: "log" } }));
  assert.doesNotMatch(svg, /NaN|Infinity/);
  const root = parseSvg(svg);
  assert.equal(all(root, lines)[0].getAttribute("d")!.match(/M/g)!.length, 2);
  const ticks = ticksOf(root, "y");
  assert.deepEqual(ticks.map(({ value }) => value), [10, 20, 50, 100, 200, 500, 1000]);
  // equal factors are equal ways
  assert.ok(Math.abs(ticks[0].at - 2 * ticks[3].at + ticks[6].at) < 1e-6);
  const small = lineChart(chartOf([2e-7, 0.3], { y: { label: "loss", scale: "log" } }));
  assert.deepEqual(
    ticksOf(parseSvg(small), "y").map(({ value }) => value),
    [1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1],
  );
});

Deno.test("lineChart() counts in integers where asked to", () => {
  const ticks = (integer: boolean) =>
    all(
      parseSvg(lineChart(chartOf([1, 2, 3], { x: { label: "episode", integer } }))),
      '[aria-label="x-axis tick label"] text',
    ).map(({ textContent }) => textContent);
  assert.deepEqual(ticks(true), ["0", "1", "2"]);
  assert.ok(ticks(false).includes("0.4"));
});

Deno.test("lineChart() escapes texts and replaces what XML can't hold", () => {
  const title = `<b> & "q" 'a' ]]>`;
  const svg = lineChart(chartOf([1, 2], { title: `${title} \u0000\ud800`, names: "ends" }));
  assert.doesNotMatch(svg, /<b>/);
  const root = parseSvg(svg);
  assert.ok(textsOf(root).includes(`${title} \ufffd\ufffd`), textsOf(root)[0]);
});

Deno.test("lineChart() moves names above the chart where the right side is too short", () => {
  const series = Array.from({ length: 30 }, (_, i) => ({ name: `run ${i}`, x: [0, 1], y: [i, i] }));
  const root = parseSvg(lineChart(chartOf([], { series, names: "ends" })));
  assert.equal(all(root, '[aria-label="text"] text').length, 0);
  assert.ok(series.every(({ name }) => textsOf(root).includes(name)));
});

Deno.test("lineChart() gives 18 names looks of their own, and one look to a name", () => {
  const series = Array.from({ length: 18 }, (_, i) => ({ name: `${i}`, x: [0, 1], y: [i, 1] }));
  const looks = (data: typeof series) =>
    all(parseSvg(lineChart(chartOf([], { series: data }))), '[aria-label="line"]').map((line) =>
      `${line.getAttribute("stroke")} ${line.getAttribute("stroke-dasharray")}`
    );
  assert.equal(new Set(looks(series)).size, 18);
  assert.equal(new Set(looks(series.map((line) => ({ ...line, name: "same" })))).size, 1);
});

Deno.test("lineChart() refuses what has nothing to show", () => {
  const isEmpty = (error: unknown) => error instanceof UserError && error.code === "plot-empty";
  assert.throws(() => lineChart(chartOf([], { series: [] })), isEmpty);
  assert.throws(() => lineChart(chartOf([])), isEmpty);
  assert.throws(() => lineChart(chartOf([NaN, Infinity])), isEmpty);
  assert.throws(() => lineChart(chartOf([-1, 0], { y: { label: "", scale: "log" } })), isEmpty);
});

Deno.test("lineChart() refuses columns of different lengths", () => {
  const of = (more: object) =>
    chartOf([], { series: [{ name: "a", x: [0, 1], y: [1, 2], ...more }] });
  assert.throws(() => lineChart(of({ y: [1] })), RangeError);
  assert.throws(() => lineChart(of({ low: [1, 2] })), RangeError);
  assert.throws(() => lineChart(of({ low: [1], high: [2, 3] })), RangeError);
});
