import assert from "node:assert/strict";
import { PALETTE, scatterChart, type ScatterPanel } from "../../src/plot/mod.ts";
import { UserError } from "../../src/util/errors.ts";
import { all, parseSvg, textsOf, ticksOf } from "./parse.ts";

const PLACES = [[0, 0], [2, 1], [4, 8], [NaN, 1]] as const;
const PANEL: ScatterPanel = {
  label: "PCA",
  x: { label: "first axis" },
  y: { label: "second axis", unit: "m" },
  places: PLACES,
};

const circlesOf = (svg: string) => all(parseSvg(svg), '[aria-label="dot"] circle');

Deno.test("scatterChart() puts points where they are, and leaves gaps", () => {
  const svg = scatterChart({ title: "Map", panels: [PANEL] });
  assert.doesNotMatch(svg, /NaN/);
  const circles = circlesOf(svg);
  assert.equal(circles.length, 3);
  for (const axis of ["x", "y"] as const) {
    const [first, second] = ticksOf(parseSvg(svg), axis);
    const rate = (second.at - first.at) / (second.value - first.value);
    const at = circles.map((circle) => Number(circle.getAttribute(`c${axis}`)));
    const value = (n: number) => PLACES[n][axis === "x" ? 0 : 1];
    for (const n of [1, 2]) {
      assert.ok(Math.abs(at[n] - at[0] - rate * (value(n) - value(0))) < 1e-6, `${axis} of ${n}`);
    }
  }
  const texts = textsOf(parseSvg(svg));
  for (const text of ["Map", "PCA", "first axis", "second axis (m)"]) {
    assert.ok(texts.includes(text), text);
  }
});

Deno.test("scatterChart() colours groups as the legend says, the seventh as rings", () => {
  const groupNames = Array.from({ length: 7 }, (_, i) => `mode ${i}`);
  const svg = scatterChart({ panels: [PANEL], groups: [1, 6, 0, 2], groupNames });
  const shown = circlesOf(svg).map((circle) =>
    ["fill", "stroke"].map((name) => circle.getAttribute(name))
  );
  assert.deepEqual(shown, [
    [PALETTE[1], "#ffffff"],
    ["#ffffff", PALETTE[0]],
    [PALETTE[0], "#ffffff"],
  ]);
  const legend = all(parseSvg(svg), "svg > circle");
  assert.equal(legend.length, 7);
  assert.equal(legend[1].getAttribute("fill"), PALETTE[1]);
  assert.equal(legend[6].getAttribute("stroke"), PALETTE[0]);
  for (const name of groupNames) assert.ok(textsOf(parseSvg(svg)).includes(name), name);
});

Deno.test("scatterChart() gives steps of a quantity colours from dark to light", () => {
  const groups = [0, 1, 2, 0];
  const spec = { panels: [PANEL], groups, groupNames: ["a", "b", "c"], ordered: true };
  const light = circlesOf(scatterChart(spec)).map((circle) => {
    const hex = circle.getAttribute("fill")!;
    return [1, 3, 5].reduce((sum, at) => sum + parseInt(hex.slice(at, at + 2), 16), 0);
  });
  assert.ok(light[0] < light[1] && light[1] < light[2], `${light}`);
});

Deno.test("scatterChart() numbers points that have names", () => {
  const names = ["healthy", "joint 0 dead", "joint 1 dead", "nowhere"];
  // no ticks, which are numbers as well
  const bare = { ...PANEL, bare: true };
  const texts = textsOf(parseSvg(scatterChart({ panels: [bare, bare], names })));
  for (const name of names) assert.equal(texts.filter((text) => text === name).length, 1, name);
  // once in the legend, once in each panel
  assert.equal(texts.filter((text) => text === "1").length, 3);
  assert.equal(texts.filter((text) => text === "3").length, 1);
});

Deno.test("scatterChart() draws panels side by side; a bare one has no numbers", () => {
  const bare = { ...PANEL, label: "t-SNE", bare: true };
  const root = parseSvg(scatterChart({ panels: [PANEL, bare] }));
  const [left, right] = all(root, "svg > svg").map((svg) => Number(svg.getAttribute("x")));
  assert.ok(right - left > 300, `${left} ${right}`);
  assert.equal(ticksOf(parseSvg(scatterChart({ panels: [bare] })), "x").length, 0);
  assert.ok(ticksOf(parseSvg(scatterChart({ panels: [PANEL] })), "x").length > 1);
});

Deno.test("scatterChart() refuses nothing to show and lists of other lengths", () => {
  const isEmpty = (error: unknown) => error instanceof UserError && error.code === "plot-empty";
  assert.throws(() => scatterChart({ panels: [] }), isEmpty);
  assert.throws(() => scatterChart({ panels: [{ ...PANEL, places: [[NaN, 0]] }] }), isEmpty);
  assert.throws(() => scatterChart({ panels: [PANEL], groups: [0] }), RangeError);
  assert.throws(() => scatterChart({ panels: [PANEL], names: ["a"] }), RangeError);
});

Deno.test("scatterChart() is the same bytes for the same input", () => {
  const draw = () =>
    scatterChart({ panels: [PANEL], groups: [0, 1, 0, 1], groupNames: ["a", "b"] });
  assert.equal(draw(), draw());
});
