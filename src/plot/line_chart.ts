/**
 * Lines over a common axis, with bands for intervals, points and reference lines: learning curves,
 * reward per episode, functions and their predictions.
 */
import * as Plot from "@observablehq/plot";
import { UserError } from "../util/errors.ts";
import {
  type Axis,
  DASHES,
  domainOf,
  frame,
  GRAY,
  INSET,
  type LegendEntry,
  LINE_HEIGHT,
  namedStyles,
  type NameStyle,
  plotIn,
  scaleOf,
  shorten,
  shown,
  spread,
  svgDocument,
  textWidth,
} from "./chart.ts";

/** Least height of the part below title and legend, px. */
const LEAST_BODY = 140;
const MARGIN_TOP = 30;
const MARGIN_BOTTOM = 44;

/** A line, with a band around it where `low` and `high` are given. [N] each. */
export interface Series {
  /** Series of one name share the colour and the entry in the legend. */
  readonly name: string;
  readonly x: ArrayLike<number>;
  /** Values that are not finite are gaps. */
  readonly y: ArrayLike<number>;
  /** Lower and upper end of the interval; both or neither. */
  readonly low?: ArrayLike<number>;
  readonly high?: ArrayLike<number>;
  /** Colour of CSS; default: the next one of the palette for each name. */
  readonly color?: string;
  /** Thin and light, for context. */
  readonly faint?: boolean;
  readonly dashed?: boolean;
  readonly thick?: boolean;
}

/** Dots without a line. [N] each. */
export interface PointSet {
  readonly name: string;
  readonly x: ArrayLike<number>;
  readonly y: ArrayLike<number>;
  readonly color?: string;
}

/** A horizontal line with a label at its right end. */
export interface Reference {
  readonly y: number;
  readonly label: string;
}

/** What {@link lineChart} draws. */
export interface LineChartSpec {
  readonly title?: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  readonly points?: readonly PointSet[];
  readonly references?: readonly Reference[];
  /**
   * Where names are: above the chart, or at the right ends of the lines (one for each series; above
   * all the same where there are too many for the height). Default: above, if there are several.
   */
  readonly names?: "legend" | "ends" | "none";
  /** Size in px; default 720 x 420. More height is taken where title and legend leave too little. */
  readonly width?: number;
  readonly height?: number;
}

/** Columns of a series or of points with gaps as NaN; `low`, `high` are NaN without a band. */
interface Columns {
  readonly x: number[];
  readonly y: number[];
  readonly low: number[];
  readonly high: number[];
}

/**
 * A line chart as SVG.
 * @throws UserError `plot-empty` where there is no series, or one without any value to show.
 * @throws RangeError where columns of one series differ in length.
 */
export function lineChart(spec: LineChartSpec): string {
  const { title, x, y, series, points = [], references = [], width = 720, height = 420 } = spec;
  if (series.length + points.length === 0) {
    throw new UserError("plot-empty", "Cannot draw a chart: it has no series, wanted at least one");
  }
  const lines = series.map((line) => columnsOf(line, x, y));
  const dots = points.map((set) => columnsOf(set, x, y));
  const all = [...lines, ...dots];
  const xScale = scaleOf(x, domainOf(x, all.flatMap((columns) => columns.x)));
  const yDomain = domainOf(y, [
    ...all.flatMap((columns) => [...columns.y, ...columns.low, ...columns.high]),
    ...references.map((reference) => reference.y),
  ]);
  const unstyled = [...series, ...points].filter(({ color }) => color === undefined);
  const styles = namedStyles(unstyled.map(({ name }) => name));
  const [looks, dotLooks] = [looksOf(series, styles), looksOf(points, styles)];
  const names = new Set([...series, ...points].map(({ name }) => name));

  const enough = height - 120 >= LINE_HEIGHT * (series.length + references.length);
  const wanted = spec.names ?? (names.size > 1 ? "legend" : "none");
  const place = wanted === "ends" && !enough ? "legend" : wanted;
  const label = (text: string, level: number, color: string): EndLabel => ({
    text: shorten(text, 0.4 * width),
    y: level,
    color,
  });
  const levelLabels = references.filter((reference) => !Number.isNaN(shown(reference.y, y)))
    .map((reference) => label(reference.label, reference.y, GRAY));
  const nameLabels = (place === "ends" ? series : []).map((line, i) =>
    label(line.name, lines[i].y.findLast((value) => !Number.isNaN(value))!, looks[i].color)
  );
  const labels = [...nameLabels, ...levelLabels];

  const document = svgDocument();
  return frame(document, {
    width,
    title,
    legend: place === "none" ? [] : legendOf(
      place === "legend" ? series : [],
      looks,
      points,
      dotLooks,
    ),
    body: (headerHeight) => {
      const total = headerHeight + Math.max(LEAST_BODY, height - headerHeight);
      const chart = plotIn(document, {
        width: width - INSET,
        height: total - headerHeight,
        marginTop: MARGIN_TOP,
        marginBottom: MARGIN_BOTTOM,
        marginRight: 20 + Math.ceil(Math.max(0, ...labels.map(({ text }) => textWidth(text)))),
        x: { ...xScale, labelAnchor: "center", labelOffset: 36 },
        y: { ...scaleOf(y, yDomain), nice: true, grid: true },
        marks: [
          Plot.ruleY(levelLabels, {
            y: "y",
            stroke: GRAY,
            strokeDasharray: "2,3",
            strokeWidth: 1.5,
          }),
          ...lines.flatMap((columns, i) => bandMarks(columns, looks[i].color)),
          ...lines.flatMap((columns, i) => series[i].faint ? [lineMark(columns, looks[i])] : []),
          ...lines.flatMap((columns, i) => series[i].faint ? [] : [lineMark(columns, looks[i])]),
          ...dots.map(({ x, y }, i) =>
            Plot.dot(x, { x, y, r: 4.5, fill: dotLooks[i].color, stroke: "white" })
          ),
          endLabels(labels),
        ],
      });
      chart.setAttribute("x", `${INSET}`);
      chart.setAttribute("y", `${headerHeight}`);
      return { elements: [chart], height: total };
    },
  });
}

function columnsOf(data: Series | PointSet, xAxis: Axis, yAxis: Axis): Columns {
  const { name, x, y } = data;
  const { low = [], high = [] } = "low" in data || "high" in data ? data : {};
  const given = [x, y, ...(low.length + high.length > 0 ? [low, high] : [])];
  if (given.some(({ length }) => length !== x.length)) {
    throw new RangeError(
      `Cannot draw "${name}": its columns have lengths ${
        given.map(({ length }) => length).join(", ")
      }, wanted equal ones`,
    );
  }
  const xs = Array.from(x, (value) => shown(value, xAxis));
  const column = (values: ArrayLike<number>) =>
    xs.map((at, i) => Number.isNaN(at) || values.length === 0 ? NaN : shown(values[i], yAxis));
  const columns = { x: xs, y: column(y), low: column(low), high: column(high) };
  if (columns.y.every(Number.isNaN)) {
    throw new UserError(
      "plot-empty",
      `Cannot draw "${name}": it has ${x.length} points, none of them with values that the axes ` +
        "can show; leave it out",
    );
  }
  return columns;
}

/** How a series or points look. */
interface Look extends NameStyle {
  readonly width: number;
  readonly opacity: number;
}

/** The look of each of the data: what it states itself, otherwise the next one of the palette. */
function looksOf<T extends Series | PointSet>(
  data: readonly T[],
  styles: ReadonlyMap<string, NameStyle>,
): Look[] {
  return data.map((each) => {
    const style = each.color === undefined ? styles.get(each.name)! : { color: each.color };
    const { faint = false, thick = false, dashed = false }: Partial<Series> = each;
    return {
      color: style.color,
      dashes: dashed ? DASHES : style.dashes,
      width: faint ? 1.25 : thick ? 3 : 2,
      opacity: faint ? 0.4 : 1,
    };
  });
}

function lineMark({ x, y }: Columns, { color, dashes, width, opacity }: Look): Plot.Markish {
  return Plot.line(x, {
    x,
    y,
    stroke: color,
    strokeWidth: width,
    strokeOpacity: opacity,
    strokeDasharray: dashes,
  });
}

function bandMarks({ x, low, high }: Columns, color: string): Plot.Markish[] {
  if (low.every(Number.isNaN)) return [];
  return [Plot.areaY(x, { x, y1: low, y2: high, fill: color, fillOpacity: 0.18 })];
}

interface EndLabel {
  readonly text: string;
  readonly y: number;
  readonly color: string;
}

/** Texts right of the chart at the height of their values, moved apart where they would overlap. */
function endLabels(labels: readonly EndLabel[]): Plot.Markish {
  return Plot.text(labels, {
    y: "y",
    text: "text",
    fill: "color",
    frameAnchor: "right",
    textAnchor: "start",
    dx: 8,
    render: (index, scales, values, dimensions, context, next) => {
      const wanted = index.map((i) => values.y![i] as number);
      const { height, marginBottom } = dimensions;
      const sizes = index.map(() => LINE_HEIGHT);
      const spaced = spread(wanted, sizes, MARGIN_TOP / 2, height - marginBottom / 2);
      const y: number[] = [];
      index.forEach((i, at) => y[i] = spaced[at]);
      return next!(index, scales, { ...values, y } as typeof values, dimensions, context);
    },
  });
}

/** One entry for each name; a line comes before a dot of the same name. */
function legendOf(
  series: readonly Series[],
  looks: readonly Look[],
  points: readonly PointSet[],
  pointLooks: readonly Look[],
): LegendEntry[] {
  const entries: LegendEntry[] = [
    ...series.map(({ name }, i) => ({ text: name, kind: "line" as const, ...looks[i] })),
    ...points.map(({ name }, i) => ({ text: name, kind: "dot" as const, ...pointLooks[i] })),
  ];
  return entries.filter(({ text }, i) => i === entries.findIndex((entry) => entry.text === text));
}
