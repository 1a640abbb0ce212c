/**
 * `deno task plot OUT.svg TITLE NAME=progress.csv...`: learning curves of runs as one picture for
 * the docs: the return before adaptation (thin) and after it (thick), by iteration, as running
 * means of 5 iterations.
 */
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { readProgress } from "../src/run/log.ts";

const WINDOW = 5;
/** Labels closer than this share of the range would overlap. */
const CLOSE = 0.05;
const COLORS = ["#1668b3", "#d95f02", "#1b9e77", "#7b3294"];

interface Point {
  readonly run: string;
  readonly iteration: number;
  readonly adapted: boolean;
  readonly value: number;
}

/** Mean over the last WINDOW iterations up to each one. */
function smooth(values: readonly number[]): number[] {
  return values.map((_, i) => {
    const part = values.slice(Math.max(0, i - WINDOW + 1), i + 1);
    return part.reduce((sum, x) => sum + x, 0) / part.length;
  });
}

function readPoints(run: string, path: string): Point[] {
  const { columns, rows } = readProgress(path);
  const returns = columns.filter((name) => /^Step_\d+-AverageReturn$/.test(name));
  return [returns[0], returns[returns.length - 1]].flatMap((column, which) =>
    smooth(rows.map((row) => row[column]!)).map((value, at) => ({
      run,
      iteration: rows[at]["Itr"]!,
      adapted: which === 1,
      value,
    }))
  );
}

const [out, title, ...runs] = Deno.args;
if (runs.length === 0 || runs.some((run) => !run.includes("="))) {
  console.error("error: wanted OUT.svg TITLE NAME=progress.csv...; see the file's header");
  Deno.exit(2);
}
const series = runs.map((run) => {
  const at = run.indexOf("=");
  return readPoints(run.slice(0, at), run.slice(at + 1));
});
const points = series.flat();
const names = series.map(([{ run }]) => run);
const { document } = parseHTML("<html><body></body></html>") as unknown as {
  document: NonNullable<Plot.PlotOptions["document"]>;
};
/** Labels at the ends of the lines; one for both lines of a run where they end together. */
const values = points.map(({ value }) => value);
const span = Math.max(...values) - Math.min(...values);
const labels = series.flatMap((line) => {
  const [before, adapted] = [false, true].map((which) =>
    line.filter((point) => point.adapted === which).at(-1)!
  );
  if (Math.abs(before.value - adapted.value) < CLOSE * span) {
    return [{ ...adapted, text: `${adapted.run}, both` }];
  }
  return [
    { ...before, text: `${before.run}, before` },
    { ...adapted, text: `${adapted.run}, adapted` },
  ];
});
const svg = Plot.plot({
  document,
  width: 760,
  height: 400,
  marginLeft: 60,
  marginRight: 150,
  style: { background: "white", color: "#222", fontSize: "13px", fontFamily: "sans-serif" },
  x: { label: "iteration", grid: false },
  y: { label: title, grid: true },
  color: { domain: names, range: COLORS.slice(0, names.length) },
  marks: [
    Plot.line(points.filter(({ adapted }) => !adapted), {
      x: "iteration",
      y: "value",
      stroke: "run",
      strokeWidth: 1,
      strokeOpacity: 0.5,
    }),
    Plot.line(points.filter(({ adapted }) => adapted), {
      x: "iteration",
      y: "value",
      stroke: "run",
      strokeWidth: 2.5,
    }),
    Plot.text(labels, {
      x: "iteration",
      y: "value",
      text: "text",
      fill: "run",
      textAnchor: "start",
      dx: 6,
    }),
  ],
});
svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
await Deno.writeTextFile(out, `${svg.outerHTML}\n`);
