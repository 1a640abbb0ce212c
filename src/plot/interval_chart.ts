/**
 * Categories with a mean and its interval, one row each: ablations, methods side by side.
 */
import * as Plot from "@observablehq/plot";
import { UserError } from "../util/errors.ts";
import {
  type Axis,
  domainOf,
  frame,
  GRAY,
  INSET,
  LINE_HEIGHT,
  PALETTE,
  plotIn,
  scaleOf,
  shorten,
  shown,
  spread,
  svgDocument,
  textWidth,
} from "./chart.ts";

const MARGIN_TOP = 30;
/** Room for the labels of reference lines, px. */
const REFERENCES = LINE_HEIGHT + 4;
const MARGIN_BOTTOM = 44;
/** Height of a row, and of each further group in it, px. */
const ROW = 26;
const GROUP = 13;

/** One mean. */
export interface Interval {
  /** Its row; rows are in the order in which their names come first. */
  readonly category: string;
  /** Where a row has several means: which one; it has a colour and an entry in the legend. */
  readonly group?: string;
  /** A value that is not finite leaves the row empty. */
  readonly mean: number;
  /** Ends of the interval; both or neither. */
  readonly low?: number;
  readonly high?: number;
}

/** What {@link intervalChart} draws. */
export interface IntervalChartSpec {
  readonly title?: string;
  /** What the categories are, e.g. `embeddings`. */
  readonly categories: string;
  /** The axis of the means. */
  readonly value: Axis;
  readonly rows: readonly Interval[];
  /** Vertical lines for comparison. */
  readonly references?: readonly { readonly value: number; readonly label: string }[];
  /** Width in px, default 640; the height follows from the rows. */
  readonly width?: number;
}

/**
 * Means with intervals as SVG.
 * @throws UserError `plot-empty` where no row has a mean that the axis can show.
 */
export function intervalChart(spec: IntervalChartSpec): string {
  const { title, categories, value, rows, references = [], width = 640 } = spec;
  const means = rows.map(({ mean, low = NaN, high = NaN, category, group = "" }) => ({
    ...{ category: shorten(category, 0.4 * width), group },
    ...{ mean: shown(mean, value), low: shown(low, value), high: shown(high, value) },
  }));
  if (means.every(({ mean }) => Number.isNaN(mean))) {
    throw new UserError(
      "plot-empty",
      `Cannot draw a chart: none of its ${rows.length} rows has a mean that the axis can show`,
    );
  }
  const names = [...new Set(means.map(({ category }) => category))];
  const groups = [...new Set(means.map(({ group }) => group))];
  const lines = references.filter((line) => !Number.isNaN(shown(line.value, value)));
  const domain = domainOf(value, [
    ...means.flatMap(({ mean, low, high }) => [mean, low, high]),
    ...lines.map((line) => line.value),
  ]);
  const marginTop = MARGIN_TOP + (lines.length > 0 ? REFERENCES : 0);
  const height = marginTop + MARGIN_BOTTOM + names.length * (ROW + (groups.length - 1) * GROUP);
  const document = svgDocument();
  return frame(document, {
    width,
    title,
    legend: groups.length === 1
      ? []
      : groups.map((text, g) => ({ text, color: PALETTE[g % PALETTE.length], kind: "dot" })),
    body: (headerHeight) => {
      const chart = plotIn(document, {
        width: width - INSET,
        height,
        marginTop,
        marginBottom: MARGIN_BOTTOM,
        marginLeft: 28 +
          Math.ceil(Math.max(textWidth(categories), ...names.map((name) => textWidth(name)))),
        marginRight: 24,
        x: {
          ...scaleOf(value, domain),
          nice: true,
          grid: true,
          inset: 8,
          labelAnchor: "center",
          labelOffset: 36,
        },
        y: {
          type: "band",
          domain: names,
          label: categories,
          labelArrow: "none",
          labelAnchor: "top",
          tickSize: 0,
        },
        marks: [
          Plot.ruleX(lines, { x: "value", stroke: GRAY, strokeDasharray: "2,3", strokeWidth: 1.5 }),
          ...groups.flatMap((name, g) => groupMarks(means, name, g, groups.length)),
          referenceLabels(lines),
        ],
      });
      chart.setAttribute("x", `${INSET}`);
      chart.setAttribute("y", `${headerHeight}`);
      return { elements: [chart], height: headerHeight + height };
    },
  });
}

/** Intervals and means of one group, moved from the middle of the rows to the group's place. */
function groupMarks(
  means: readonly {
    readonly category: string;
    readonly group: string;
    readonly mean: number;
    readonly low: number;
    readonly high: number;
  }[],
  name: string,
  g: number,
  groups: number,
): Plot.Markish[] {
  const data = means.filter(({ group }) => group === name);
  const color = PALETTE[g % PALETTE.length];
  const dy = (g - (groups - 1) / 2) * GROUP;
  const at = { y: "category", dy };
  return [
    Plot.link(data.filter(({ low, high }) => !Number.isNaN(low + high)), {
      ...at,
      x1: "low",
      x2: "high",
      stroke: color,
      strokeWidth: 2,
      strokeLinecap: "round",
    }),
    Plot.dot(data, { ...at, x: "mean", r: 4.5, fill: color, stroke: "white" }),
  ];
}

/** Texts above the chart, over their lines, moved apart where they would overlap. */
function referenceLabels(
  lines: readonly { readonly value: number; readonly label: string }[],
): Plot.Markish {
  return Plot.text(lines, {
    x: "value",
    text: "label",
    fill: GRAY,
    frameAnchor: "top",
    lineAnchor: "bottom",
    dy: -5,
    render: (index, scales, values, dimensions, context, next) => {
      const wanted = index.map((i) => values.x![i] as number);
      const sizes = index.map((i) => textWidth(lines[i].label) + 12);
      const spaced = spread(wanted, sizes, dimensions.marginLeft, dimensions.width);
      const x: number[] = [];
      index.forEach((i, at) => x[i] = spaced[at]);
      return next!(index, scales, { ...values, x } as typeof values, dimensions, context);
    },
  });
}
