/** Charts of a report, drawn by Observable Plot. Colours are those of the page's style sheet. */
import * as Plot from "@observablehq/plot";
import type {
  BarsChart,
  Chart,
  HeatChart,
  LinesChart,
  LineSeries,
  LinesVariant,
  PathsChart,
  Reference,
  ScatterVariant,
} from "../model.ts";
import type { PageElement } from "./dom.ts";

/** Colours in the style sheet: --c0 .. */
const COLORS = 8;
/** Charts narrower than this are laid out for a phone, px. */
const NARROW = 480;
/** Of the widest of the fonts that the style sheet names, DejaVu Sans, px. */
const CHARACTER_WIDTH = 7.4;
const FAINT = 0.16;

/** What of a chart is shown. */
export interface View {
  /** Place of the chosen variant. */
  readonly variant: number;
  /** Names that the reader has switched off. */
  readonly hidden: ReadonlySet<string>;
}

/** An entry of a legend. */
export interface LegendEntry {
  readonly name: string;
  readonly color: string;
  readonly dashed: boolean;
}

/** Colour of a place in the palette. */
export function colorOf(place: number): string {
  return `var(--c${place % COLORS})`;
}

function isDashed({ color, look }: LineSeries): boolean {
  return (look === "dashed") !== (color >= COLORS);
}

/** Names of a chart in their order, each once. */
export function legendOf(chart: Chart, { variant }: View): LegendEntry[] {
  const entries = new Map<string, LegendEntry>();
  const add = (name: string, color: number, dashed = false) => {
    if (!entries.has(name)) entries.set(name, { name, color: colorOf(color), dashed });
  };
  switch (chart.kind) {
    case "lines":
      for (const each of chart.variants[variant].series) add(each.name, each.color, isDashed(each));
      break;
    case "scatter":
      for (const { name, color } of chart.variants[variant].groups) add(name, color);
      break;
    case "paths":
      for (const { name, color } of chart.panels.flatMap(({ paths }) => paths)) add(name, color);
      break;
    case "bars":
      for (const { name, color } of chart.bars.flatMap(({ parts }) => parts)) add(name, color);
      break;
    case "heat":
      break;
  }
  return [...entries.values()];
}

/** `-1,234.5`: up to six significant digits. */
function formatted(value: number): string {
  const digits = Math.abs(value) > 0 && Math.abs(value) < 1e-4;
  return digits
    ? value.toExponential(3)
    : value.toLocaleString("en-US", { maximumSignificantDigits: 6 });
}

function axisOptions(axis: { readonly label: string; readonly integer?: boolean }, width: number) {
  return { label: axis.label, labelArrow: "none" as const, ticks: width < NARROW ? 5 : undefined };
}

function size(width: number) {
  return {
    width,
    height: width < NARROW ? 270 : 360,
    marginLeft: 58,
    marginTop: 28,
    marginBottom: 38,
  };
}

/** Left margin for names of rows, and how many characters of them fit into it. */
function nameMargin(names: readonly string[], width: number) {
  const longest = Math.max(...names.map((name) => name.length));
  const marginLeft = Math.min(Math.ceil(longest * CHARACTER_WIDTH) + 16, Math.round(width * 0.4));
  const room = Math.floor((marginLeft - 16) / CHARACTER_WIDTH);
  const tickFormat = (name: string) =>
    name.length <= room ? name : `${name.slice(0, Math.max(1, room - 1))}…`;
  return { marginLeft, tickFormat };
}

/** Ticks at whole numbers, where there are few. */
function integerTicks(series: readonly LineSeries[]): number[] | undefined {
  const all = [...new Set(series.flatMap(({ x }) => x))].sort((a, b) => a - b);
  return all.length <= 12 ? all : undefined;
}

/** Of the labels of horizontal lines: em of a line of text, px of that, of their column. */
const LABEL = { width: 5, lineHeight: 12, column: 62 } as const;

/** A horizontal line with its label, which may be moved from it, px. */
interface PlacedReference extends Reference {
  readonly moved: number;
}

/**
 * Labels of horizontal lines, apart from each other where the lines are not.
 *
 * @param perUnit px of the vertical axis that a unit has
 */
function placeReferences(references: readonly Reference[], perUnit: number): PlacedReference[] {
  const heightOf = ({ label }: Reference) => LABEL.lineHeight * (label.length > 9 ? 2 : 1);
  const placed: (PlacedReference & { readonly bottom: number })[] = [];
  // from the lowest line on; y upwards, px
  for (const reference of references.toSorted((a, b) => a.y - b.y)) {
    const half = heightOf(reference) / 2;
    const wanted = reference.y * perUnit;
    const middle = Math.max(wanted, (placed.at(-1)?.bottom ?? -Infinity) + half);
    placed.push({ ...reference, moved: wanted - middle, bottom: middle + half });
  }
  return placed;
}

interface LinePoint {
  readonly x: number;
  readonly y: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly title: string;
}

function linePoints(series: LineSeries, xLabel: string): LinePoint[] {
  return series.x.map((x, i) => {
    const y = series.y[i];
    const [low, high] = [series.low?.[i] ?? null, series.high?.[i] ?? null];
    const bounds = low === null || high === null ? "" : `\n${formatted(low)} to ${formatted(high)}`;
    const title = `${series.name}\n${xLabel} ${formatted(x)}\n${
      y === null ? "-" : formatted(y)
    }${bounds}`;
    return { x, y, low, high, title };
  });
}

function drawLines(
  { x: axis, marks = [] }: LinesChart,
  variant: LinesVariant,
  hidden: ReadonlySet<string>,
  width: number,
): PageElement {
  const shown = variant.series.filter(({ name }) => !hidden.has(name));
  const points = shown.map((series) => linePoints(series, axis.label));
  const { height, marginTop, marginBottom, ...across } = size(width);
  const all = variant.references ?? [];
  const heights = [
    ...points.flat().flatMap(({ y, low, high }) => [y, low, high]),
    ...all.map(({ y }) => y),
  ].filter((y) => y !== null);
  const span = heights.reduce((high, y) => Math.max(high, y), -Infinity) -
    heights.reduce((low, y) => Math.min(low, y), Infinity);
  const references = placeReferences(all, (height - marginTop - marginBottom) / (span || 1));
  const happened = marks.filter(({ name }) => !hidden.has(name))
    .map(({ name, color, x, text }) => ({
      x,
      color: colorOf(color),
      title: `${name}\n${axis.label} ${formatted(x)}\n${text}`,
    }));
  const ticks = axis.integer ? integerTicks(shown) : undefined;
  return Plot.plot({
    ...{ ...across, height, marginTop, marginBottom },
    marginRight: all.length === 0 ? undefined : LABEL.column + 8,
    x: {
      ...axisOptions(axis, width),
      ...ticks === undefined ? {} : { ticks, tickFormat: (x: number) => String(x) },
    },
    y: { ...axisOptions({ label: variant.label }, width), grid: true, nice: true },
    marks: [
      Plot.ruleY(references, { y: "y", stroke: "var(--muted)", strokeDasharray: "2,3" }),
      Plot.ruleX(happened, {
        x: "x",
        stroke: "color",
        strokeOpacity: 0.4,
        strokeDasharray: "2,3",
      }),
      ...points.map((rows, i) =>
        // a band that is not everywhere has gaps
        Plot.areaY(rows.some(({ low }) => low !== null) ? rows : [], {
          x: "x",
          y1: "low",
          y2: "high",
          fill: colorOf(shown[i].color),
          fillOpacity: FAINT,
        })
      ),
      ...points.map((rows, i) =>
        Plot.lineY(rows, {
          x: "x",
          y: "y",
          stroke: colorOf(shown[i].color),
          strokeWidth: isDashed(shown[i]) || rows.length > width ? 1.3 : 2,
          strokeDasharray: isDashed(shown[i]) ? "5,4" : undefined,
          ariaLabel: () => shown[i].name,
        })
      ),
      ...points.filter((_, i) => shown[i].dots === true).map((rows, i) =>
        Plot.dot(rows, {
          x: "x",
          y: "y",
          r: 3,
          fill: colorOf(shown.filter(({ dots }) => dots === true)[i].color),
        })
      ),
      Plot.dot(happened, {
        x: "x",
        frameAnchor: "bottom",
        symbol: "triangle",
        r: 4,
        fill: "color",
        title: "title",
        ariaLabel: "title",
      }),
      // beside the lines, where nothing else is drawn
      ...references.map((reference) =>
        Plot.text([reference], {
          y: "y",
          text: "label",
          frameAnchor: "right",
          textAnchor: "start",
          lineWidth: LABEL.width,
          lineHeight: LABEL.lineHeight / 10,
          dx: 6,
          dy: reference.moved,
          fill: "var(--muted)",
        })
      ),
      Plot.tip(
        points.flat().filter(({ y }) => y !== null),
        Plot.pointer({ x: "x", y: "y", title: "title", maxRadius: Infinity }),
      ),
    ],
  }) as unknown as PageElement;
}

function drawScatter(
  chart: ScatterVariant,
  hidden: ReadonlySet<string>,
  width: number,
): PageElement {
  const shown = chart.groups.filter(({ name }) => !hidden.has(name));
  const points = shown.flatMap(({ name, color, x, y }) =>
    x.map((value, i) => ({ x: value, y: y[i], color: colorOf(color), title: name }))
  );
  return Plot.plot({
    ...size(width),
    x: { ...axisOptions(chart.x, width), nice: true },
    y: { ...axisOptions(chart.y, width), nice: true },
    marks: [
      Plot.dot(points, {
        x: "x",
        y: "y",
        fill: "color",
        fillOpacity: 0.85,
        r: 3.5,
        title: "title",
        tip: true,
      }),
    ],
  }) as unknown as PageElement;
}

function drawPaths(chart: PathsChart, hidden: ReadonlySet<string>, width: number): PageElement[] {
  const across = width < 560 ? 1 : chart.panels.length;
  const panelWidth = Math.floor(Math.min((width - 16 * (across - 1)) / across, 520));
  const [left, right, bottom, top] = chart.bounds;
  return chart.panels.map(({ title, paths }) => {
    const shown = paths.filter(({ name }) => !hidden.has(name));
    const points = shown.flatMap((path, p) =>
      path.x.map((x, t) => ({
        x,
        y: path.y[t],
        path: p,
        color: colorOf(path.color),
        title: `${path.name}\nstep ${Math.min(t * path.every, path.last)}\n` +
          `${formatted(x)}, ${formatted(path.y[t])}`,
      }))
    );
    const ends = shown.map((path) => ({
      x: path.x.at(-1)!,
      y: path.y.at(-1)!,
      goalX: path.goal[0],
      goalY: path.goal[1],
      color: colorOf(path.color),
    }));
    return Plot.plot({
      width: panelWidth,
      // the plot itself is square: margins are 44 + 20 across, 20 + 40 along
      height: panelWidth - 4,
      marginLeft: 44,
      marginBottom: 40,
      title,
      x: { ...axisOptions(chart.x, panelWidth), domain: [left, right], grid: true },
      y: { ...axisOptions(chart.y, panelWidth), domain: [bottom, top], grid: true },
      marks: [
        Plot.line(points, {
          x: "x",
          y: "y",
          z: "path",
          stroke: "color",
          strokeWidth: 1.4,
          strokeOpacity: 0.85,
        }),
        Plot.dot(ends, { x: "x", y: "y", fill: "color", r: 3 }),
        Plot.dot(ends, {
          x: "goalX",
          y: "goalY",
          stroke: "color",
          symbol: "times",
          r: 6,
          strokeWidth: 2.5,
        }),
        Plot.tip(points, Plot.pointer({ x: "x", y: "y", title: "title" })),
      ],
    }) as unknown as PageElement;
  });
}

function drawBars(chart: BarsChart, hidden: ReadonlySet<string>, width: number): PageElement {
  const parts = chart.bars.flatMap(({ name: bar, parts }) =>
    parts.filter(({ name }) => !hidden.has(name)).map(({ name, color, value }) => ({
      bar,
      value,
      color: colorOf(color),
      title: `${bar}\n${name}: ${formatted(value)}`,
    }))
  );
  const names = chart.bars.map(({ name }) => name);
  const { marginLeft, tickFormat } = nameMargin(names, width);
  return Plot.plot({
    width,
    marginLeft,
    marginBottom: 38,
    height: 60 + 34 * names.length,
    x: { ...axisOptions(chart.x, width), grid: true },
    y: { domain: names, label: null, tickFormat, tickSize: 0 },
    marks: [
      Plot.barX(parts, {
        x: "value",
        y: "bar",
        fill: "color",
        order: null,
        title: "title",
        tip: true,
      }),
      Plot.ruleX([0], { stroke: "var(--muted)" }),
    ],
  }) as unknown as PageElement;
}

function drawHeat(chart: HeatChart, width: number): PageElement {
  const { marginLeft, tickFormat } = nameMargin(chart.rows, width);
  const cells = chart.rows.flatMap((row, r) =>
    chart.columns.map((column, c) => ({ row, column, value: chart.values[r][c] }))
      .filter(({ value }) => value !== null)
      .map((cell) => ({
        ...cell,
        title: `${row}\n${chart.x.label} ${cell.column}\n${chart.value} ${formatted(cell.value!)}`,
      }))
  );
  const every = Math.ceil(chart.columns.length / Math.max(4, (width - marginLeft) / 34));
  return Plot.plot({
    width,
    marginLeft,
    marginBottom: 38,
    height: 66 + 20 * chart.rows.length,
    x: {
      ...axisOptions(chart.x, width),
      type: "band",
      padding: 0,
      domain: [...chart.columns],
      ticks: chart.columns.filter((_, c) => c % every === 0),
      tickSize: 0,
    },
    y: { domain: [...chart.rows], padding: 0, label: null, tickFormat, tickSize: 0 },
    marks: [
      Plot.cell(cells, {
        x: "column",
        y: "row",
        fill: "var(--c0)",
        fillOpacity: { value: "value", scale: null },
        stroke: "var(--line)",
        inset: 1,
        title: "title",
        tip: true,
      }),
    ],
  }) as unknown as PageElement;
}

/** The chart as elements of the page. @param width px */
export function draw(chart: Chart, { variant, hidden }: View, width: number): PageElement[] {
  switch (chart.kind) {
    case "lines":
      return [drawLines(chart, chart.variants[variant], hidden, width)];
    case "scatter":
      return [drawScatter(chart.variants[variant], hidden, width)];
    case "paths":
      return drawPaths(chart, hidden, width);
    case "bars":
      return [drawBars(chart, hidden, width)];
    case "heat":
      return [drawHeat(chart, width)];
  }
}
