/**
 * `deno task plot OUT.svg TITLE NAME=progress.csv... [NAME=NUMBER]...`: learning curves of runs as
 * one picture for the docs: the return before adaptation (thin) and after it (thick), by iteration,
 * as running means of 5 iterations; a number is a horizontal line. `OUT.png` makes a PNG.
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

const [out, title, ...named] = Deno.args;
if (named.length === 0 || named.some((part) => !part.includes("="))) {
  console.error("error: wanted OUT.svg TITLE NAME=progress.csv...; see the file's header");
  Deno.exit(2);
}
const parts = named.map((part) => {
  const at = part.indexOf("=");
  return { name: part.slice(0, at), value: part.slice(at + 1) };
});
const isNumber = ({ value }: { value: string }) => Number.isFinite(Number(value));
const runs = parts.filter((part) => !isNumber(part));
const svg = lineChart({
  x: { label: "iteration", integer: true },
  y: { label: title },
  names: "ends",
  width: 760,
  height: 400,
  series: runs.flatMap(({ name, value }, i) =>
    readCurves(name, value, PALETTE[i % PALETTE.length])
  ),
  references: parts.filter(isNumber).map(({ name, value }) => ({ label: name, y: Number(value) })),
});
if (out.endsWith(".png")) await Deno.writeFile(out, await toPng(svg));
else await Deno.writeTextFile(out, svg);
