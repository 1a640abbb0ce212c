import assert from "node:assert/strict";
import { textWidth } from "../../src/plot/chart.ts";
import { armPicture, intervalChart, lineChart, panels, toPng } from "../../src/plot/mod.ts";
import { UserError } from "../../src/util/errors.ts";
import { parseSvg, pngSize } from "./parse.ts";
import { ablationRows, armPanels, rewardSpec, sineSpec } from "./samples.ts";

Deno.test("toPng() draws every chart in the size asked for, the same bytes each time", async () => {
  // resvg's XML parser is strict, so this also tells that the charts are well-formed
  const charts = [
    lineChart({ ...sineSpec(), title: `<&>"' → θ` }),
    lineChart(rewardSpec()),
    armPicture({ panels: armPanels() }),
    intervalChart({ categories: "n", value: { label: "episodes" }, rows: ablationRows() }),
    panels([lineChart(sineSpec()), lineChart(rewardSpec())]),
  ];
  for (const svg of charts) {
    const root = parseSvg(svg);
    const [width, height] = ["width", "height"].map((name) => Number(root.getAttribute(name)));
    const png = await toPng(svg, { scale: 1 });
    assert.deepEqual(pngSize(png), { signature: "PNGIHDR", width, height });
    assert.deepEqual(await toPng(svg, { scale: 1 }), png);
  }
  const double = pngSize(await toPng(charts[0]));
  assert.deepEqual([double.width, double.height], [1440, 840]);
});

Deno.test("toPng() draws text", async () => {
  const svg = lineChart(rewardSpec());
  const without = svg.replace(/<text\b[^>]*>[^<]*<\/text>/g, "");
  assert.notEqual(without, svg);
  const [png, bare] = [await toPng(svg, { scale: 1 }), await toPng(without, { scale: 1 })];
  // some hundred letters of grey edges: far more than a byte of difference
  assert.ok(png.length > 1.2 * bare.length, `${png.length} bytes, ${bare.length} without text`);
});

Deno.test("textWidth() is not less than what is drawn", async () => {
  await toPng(lineChart(sineSpec()), { scale: 1 }); // loads resvg
  const { Resvg } = await import("@resvg/resvg-wasm");
  const { font } = await import("../../src/plot/png_assets.ts");
  const drawn = (text: string) =>
    new Resvg(
      `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text font-size="100" ` +
        `font-family="DejaVu Sans">${text}</text></svg>`,
      { font: { fontBuffers: [font] } },
    ).getBBox()!.width;
  const texts = ["reward per episode", "90 % of healthy (MAML)", "WWW iii lll", "0123456789"];
  for (const text of [...texts, "AaBbCcDdEeFfGgHhIiJjKkLlMmNnOoPpQqRrSsTtUuVvWwXxYyZz", "→ θ ±"]) {
    const [wanted, got] = [drawn(text), textWidth(text, 100)];
    assert.ok(got >= wanted, `${text}: ${got} px, drawn ${wanted}`);
    // side bearings and rounding are a few px a text; characters out of ASCII count as wide
    if (/^[ -~]*$/.test(text)) assert.ok(got < 1.04 * wanted + 20, `${text}: ${got}, ${wanted}`);
  }
});

Deno.test("toPng() refuses what is no SVG and goes on working", async () => {
  for (const text of ["", "no svg", "<svg"]) {
    await assert.rejects(
      toPng(text),
      (error) => error instanceof UserError && error.code === "plot-svg",
    );
  }
  assert.ok((await toPng(lineChart(rewardSpec()))).length > 0);
});
