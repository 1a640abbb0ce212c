/**
 * `deno task plot OUT.svg TITLE NAME=progress.csv...`: learning curves of runs as one picture for
 * the docs: the return before adaptation (thin) and after it (thick), by iteration, as running
 * means of 5 iterations. `OUT.png` makes a PNG.
 */
import { lineChart, PALETTE, type Series, toPng } from "../src/plot/mod.ts";
import { readProgress } from "../src/run/log.ts";

const WINDOW = 5;

/** Mean over the last WINDOW iterations up to each one. */
function smooth(values: readonly number[]): number[] {
  return values.map((_, i) => {
    const part = values.slice(Math.max(0, i - WINDOW + 1), i + 1);
    return part.reduce((sum, x) => sum + x, 0) / part.length;
  });
}

/** The run's two curves, in one colour. */
function readCurves(run: string, path: string, color: string): Series[] {
  const { columns, rows } = readProgress(path);
  const returns = columns.filter((name) => /^Step_\d+-AverageReturn$/.test(name));
  const x = rows.map((row) => row["Itr"]!);
  const curve = (column: string) => smooth(rows.map((row) => row[column]!));
  return [
    { name: `${run}, before`, x, y: curve(returns[0]), color, faint: true },
    { name: `${run}, adapted`, x, y: curve(returns[returns.length - 1]), color, thick: true },
  ];
}

const [out, title, ...runs] = Deno.args;
if (runs.length === 0 || runs.some((run) => !run.includes("="))) {
  console.error("error: wanted OUT.svg TITLE NAME=progress.csv...; see the file's header");
  Deno.exit(2);
}
const svg = lineChart({
  x: { label: "iteration", integer: true },
  y: { label: title },
  names: "ends",
  width: 760,
  height: 400,
  series: runs.flatMap((run, i) => {
    const at = run.indexOf("=");
    return readCurves(run.slice(0, at), run.slice(at + 1), PALETTE[i % PALETTE.length]);
  }),
});
if (out.endsWith(".png")) await Deno.writeFile(out, await toPng(svg));
else await Deno.writeTextFile(out, svg);
