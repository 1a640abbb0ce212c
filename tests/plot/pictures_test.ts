import assert from "node:assert/strict";
import { armPicture, intervalChart, lineChart, panels } from "../../src/plot/mod.ts";
import { UserError } from "../../src/util/errors.ts";
import { all, parseSvg, textsOf, ticksOf, translationOf } from "./parse.ts";
import { ablationRows, armPanels, rewardSpec, sineSpec } from "./samples.ts";

const isCode = (code: string) => (error: unknown) =>
  error instanceof UserError && error.code === code;

Deno.test("armPicture() draws every snapshot, the tip's path, goal and damaged joint", () => {
  const root = parseSvg(armPicture({ title: "Arm", panels: armPanels() }));
  const charts = all(root, "svg");
  assert.equal(charts.length, 3);
  charts.forEach((chart, p) => {
    // 6 snapshots and the path
    assert.equal(all(chart, '[aria-label="line"] path').length, 7);
    // the goal and 6 joints
    assert.equal(all(chart, '[aria-label="dot"] circle').length, 7);
    assert.equal(all(chart, '[aria-label="dot"][fill="#d55e00"] circle').length, p > 0 ? 1 : 0);
    const shades = all(chart, '[aria-label="line"]').slice(0, 6)
      .map((line) => parseInt(line.getAttribute("stroke")!.slice(1, 3), 16));
    assert.deepEqual(shades, shades.toSorted((a, b) => b - a), "later is darker");
    assert.equal(new Set(shades).size, 6);
  });
  const texts = textsOf(root);
  for (const { label } of armPanels()) assert.ok(texts.includes(label), label);
  assert.ok(texts.includes("x (m)") && texts.includes("y (m)"));
});

Deno.test("armPicture() has one scale for both directions, and the goal is of its size", () => {
  const perUnit = (root: ReturnType<typeof parseSvg>, axis: "x" | "y") => {
    const ticks = ticksOf(root, axis);
    const [from, to] = [ticks[0], ticks[ticks.length - 1]];
    return Math.abs((to.at - from.at) / (to.value - from.value));
  };
  const [arm] = armPanels();
  const flat = { ...arm, snapshots: [[[0, 0], [1, 0.001]] as const], goal: undefined };
  const tall = { ...arm, snapshots: [[[0, 0], [0.001, 1]] as const], goal: undefined };
  for (const panel of [arm, flat, tall]) {
    const [chart] = all(parseSvg(armPicture({ panels: [panel] })), "svg");
    const ratio = perUnit(chart, "x") / perUnit(chart, "y");
    // the height is a whole number of pixels, of at least 120
    assert.ok(Math.abs(ratio - 1) < 0.005, `${ratio}`);
  }
  const [chart] = all(parseSvg(armPicture({ panels: [arm] })), "svg");
  const radius = Number(all(chart, '[aria-label="dot"] circle')[0].getAttribute("r"));
  assert.ok(Math.abs(radius - 0.05 * perUnit(chart, "x")) < 1e-6);
});

Deno.test("armPicture() leaves gaps and refuses arms without a place", () => {
  const broken = [[0, 0], [NaN, 1], [1, 1], [1, 2]] as const;
  const svg = armPicture({ panels: [{ label: "a", snapshots: [broken] }] });
  assert.doesNotMatch(svg, /NaN/);
  assert.throws(() => armPicture({ panels: [] }), isCode("plot-empty"));
  const nowhere = { label: "a", snapshots: [[[NaN, NaN]] as const] };
  assert.throws(() => armPicture({ panels: [nowhere] }), isCode("plot-empty"));
});

Deno.test("intervalChart() draws a dot and an interval for each mean, in rows by category", () => {
  const rows = ablationRows();
  const root = parseSvg(intervalChart({
    categories: "embeddings",
    value: { label: "episodes", include: [0] },
    rows,
    references: [{ value: 3, label: "published" }, { value: 3.1, label: "measured" }],
  }));
  assert.equal(all(root, '[aria-label="dot"] circle').length, 10);
  assert.equal(all(root, '[aria-label="link"] path').length, 10);
  assert.equal(all(root, '[aria-label="rule"] line').length, 2);
  assert.deepEqual(ticksOf(root, "y").map(({ value }) => value), [1, 2, 4, 8, 11]);
  const texts = textsOf(root);
  const wanted = ["embeddings", "episodes", "published damage", "random damage", "published"];
  for (const text of wanted) assert.ok(texts.includes(text), text);
  // the two groups of a row are below each other, a dot of 9 px apart at least
  const [first, second] = all(root, '[aria-label="dot"]')
    .map((group) =>
      translationOf(group)[1] + Number(group.querySelector("circle")!.getAttribute("cy"))
    );
  assert.ok(second - first >= 9, `${second - first}`);
  // x of the first group's dots grows with the mean, at the axis' rate
  const ticks = ticksOf(root, "x");
  const rate = (ticks[1].at - ticks[0].at) / (ticks[1].value - ticks[0].value);
  const at = all(all(root, '[aria-label="dot"]')[0], "circle")
    .map((dot) => Number(dot.getAttribute("cx")));
  const means = rows.filter(({ group }) => group === "published damage").map(({ mean }) => mean);
  assert.ok(Math.abs((at[4] - at[0]) - rate * (means[4] - means[0])) < 1e-6);
});

Deno.test("intervalChart() leaves a row without a mean empty", () => {
  const spec = { categories: "method", value: { label: "return" } };
  const rows = [{ category: "a", mean: 1, low: 0, high: 2 }, { category: "b", mean: NaN }];
  const svg = intervalChart({ ...spec, rows });
  assert.doesNotMatch(svg, /NaN/);
  assert.equal(all(parseSvg(svg), '[aria-label="dot"] circle').length, 1);
  assert.ok(textsOf(parseSvg(svg)).includes("b"));
  assert.throws(() => intervalChart({ ...spec, rows: rows.slice(1) }), isCode("plot-empty"));
});

Deno.test("panels() puts charts side by side and below each other, in their sizes", () => {
  const chart = (width: number, height: number) => lineChart({ ...rewardSpec(), width, height });
  const root = parseSvg(
    panels([chart(500, 300), chart(400, 320), chart(520, 200)], { columns: 2, title: "All" }),
  );
  const [first, second, third] = all(root, "svg > svg").filter((svg) =>
    svg.getAttribute("viewBox") !== null && svg.querySelector("rect") !== null
  );
  const place = (svg: typeof first) => ["x", "y"].map((name) => Number(svg.getAttribute(name)));
  const [, top] = place(first);
  assert.ok(top > 0, "room for the title");
  assert.deepEqual(place(first), [0, top]);
  assert.deepEqual(place(second), [520, top]);
  assert.deepEqual(place(third), [0, top + 320]);
  assert.equal(root.getAttribute("width"), "920");
  assert.ok(textsOf(root).includes("All"));
  assert.throws(() => panels([]), isCode("plot-empty"));
  assert.throws(() => panels(["<p>no chart</p>"]), isCode("plot-svg"));
});

Deno.test("charts are the same bytes for the same input", () => {
  const draw = () => [
    lineChart(sineSpec()),
    lineChart(rewardSpec()),
    armPicture({ panels: armPanels() }),
    intervalChart({ categories: "n", value: { label: "episodes" }, rows: ablationRows() }),
  ];
  assert.deepEqual(draw(), draw());
});
