/**
 * `deno task plot OUT.svg TITLE NAME=progress.csv...`: learning curves of runs as one picture for
 * the docs: the return before adaptation (thin) and after it (thick), by iteration, as running
 * means of 5 iterations.
 */
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { readProgress } from "../src/run/log.ts";

const WINDOW = 5;
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
const lastOf = (adapted: boolean) =>
  series.map((s) => s.filter((point) => point.adapted === adapted).at(-1)!);
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
    ...[true, false].map((adapted) =>
      Plot.text(lastOf(adapted), {
        x: "iteration",
        y: "value",
        text: (point: Point) => `${point.run}, ${adapted ? "adapted" : "before"}`,
        fill: "run",
        textAnchor: "start",
        dx: 6,
        fontWeight: adapted ? "bold" : "normal",
      })
    ),
  ],
});
svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
await Deno.writeTextFile(out, `${svg.outerHTML}\n`);
