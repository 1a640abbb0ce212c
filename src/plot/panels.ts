/** Several charts in one picture. */
import { UserError } from "../util/errors.ts";
import { frame, svgDocument } from "./chart.ts";

/** How {@link panels} arranges charts. */
export interface PanelsOptions {
  /** Title over all of them. */
  readonly title?: string;
  /** Charts side by side, default all of them. */
  readonly columns?: number;
}

interface Panel {
  readonly svg: string;
  readonly width: number;
  readonly height: number;
}

/**
 * Charts side by side, in rows, as one SVG: each in its own size, columns as wide as their widest.
 * @throws UserError `plot-empty` without charts, `plot-svg` where one is no SVG with a size in px.
 */
export function panels(charts: readonly string[], options: PanelsOptions = {}): string {
  if (charts.length === 0) {
    throw new UserError("plot-empty", "Cannot arrange charts: there is none, wanted at least one");
  }
  const { title, columns = charts.length } = options;
  const parts = charts.map(panelOf);
  const rows = Array.from(
    { length: Math.ceil(parts.length / columns) },
    (_, row) => parts.slice(row * columns, (row + 1) * columns),
  );
  const widths = rows[0].map((_, c) => Math.max(...rows.map((row) => row[c]?.width ?? 0)));
  const placed: string[] = [];
  const outer = frame(svgDocument(), {
    width: sum(widths),
    title,
    body: (headerHeight) => {
      let top = headerHeight;
      for (const row of rows) {
        row.forEach(({ svg }, c) => {
          placed.push(svg.replace("<svg", `<svg x="${sum(widths.slice(0, c))}" y="${top}"`));
        });
        top += Math.max(...row.map(({ height }) => height));
      }
      return { elements: [], height: top };
    },
  });
  const end = outer.lastIndexOf("</svg>");
  return `${outer.slice(0, end)}${placed.join("")}${outer.slice(end)}`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function panelOf(chart: string, i: number): Panel {
  const svg = chart.trim();
  const tag = /^<svg\b[^>]*>/.exec(svg)?.[0] ?? "";
  const [width, height] = ["width", "height"].map((name) =>
    Number(new RegExp(`\\s${name}="([\\d.]+)"`).exec(tag)?.[1] ?? NaN)
  );
  if (Number.isNaN(width + height)) {
    throw new UserError(
      "plot-svg",
      `Cannot arrange charts: number ${i + 1} is no SVG with a width and a height in px`,
    );
  }
  return { svg, width, height };
}
