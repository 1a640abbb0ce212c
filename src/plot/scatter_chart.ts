/**
 * Points in the plane, coloured by group: maps of embeddings, several of the same points side by
 * side with one legend.
 */
import * as Plot from "@observablehq/plot";
import { UserError } from "../util/errors.ts";
import {
  type Axis,
  domainOf,
  frame,
  INSET,
  labelledChart,
  type LegendEntry,
  LINE_HEIGHT,
  MARK_SIZE,
  MARKED_RADIUS,
  PALETTE,
  plotIn,
  scaleOf,
  svgDocument,
  type SvgElement,
} from "./chart.ts";

const MARGIN = { top: 6, right: 18, bottom: 44, left: 58 };
/** Space between the outermost points and the frame, px. */
const EDGE = 10;
const RADIUS = 4;
const BACKGROUND = "#ffffff";
/** Colours of a quantity from low to high, evenly spaced in lightness (viridis, six steps). */
const RAMP: readonly string[] = [
  ...["#440154", "#414487", "#2a788e", "#22a884", "#7ad151", "#fde725"],
];

/** One map. */
export interface ScatterPanel {
  readonly label: string;
  readonly x: Axis;
  readonly y: Axis;
  /** [N] places; those that are not finite are left out. */
  readonly places: readonly (readonly [x: number, y: number])[];
  /** Whether the axes have no numbers, as those of t-SNE, which mean nothing. */
  readonly bare?: boolean;
}

/** What {@link scatterChart} draws. */
export interface ScatterSpec {
  readonly title?: string;
  /** Maps of the same points, side by side. */
  readonly panels: readonly ScatterPanel[];
  /** [N] group of each point, from 0; default: one group without an entry in the legend. */
  readonly groups?: ArrayLike<number>;
  /** Names of the groups, for the legend. */
  readonly groupNames?: readonly string[];
  /** Whether groups are steps of a quantity, from low to high: then their colours are, too. */
  readonly ordered?: boolean;
  /** [N] names of the points, which then have numbers; in the legend. Not with groups. */
  readonly names?: readonly string[];
  /** Width in px, default 400 for each panel; plots are square. */
  readonly width?: number;
}

/** Colour of a group, and whether its points are rings: from the seventh to the twelfth they are. */
function lookOf(group: number, count: number, ordered: boolean): { color: string; ring: boolean } {
  if (ordered) {
    const step = count === 1 ? 0 : Math.round(group * (RAMP.length - 1) / (count - 1));
    return { color: RAMP[step], ring: false };
  }
  const round = Math.floor(group / PALETTE.length);
  return { color: PALETTE[group % PALETTE.length], ring: round % 2 === 1 };
}

interface Point {
  readonly x: number;
  readonly y: number;
  readonly fill: string;
  readonly stroke: string;
  readonly mark: string;
}

/** Dots with a number on each; dot by dot, so that a number is not on another dot. */
function markedDots(points: readonly Point[]): Plot.Markish[] {
  const at = { x: "x", y: "y" } as const;
  return points.flatMap((point) => [
    Plot.dot([point], { ...at, r: MARKED_RADIUS, fill: point.fill, stroke: point.stroke }),
    Plot.text([point], { ...at, text: "mark", fill: "#ffffff", fontSize: MARK_SIZE }),
  ]);
}

function plainDots(points: readonly Point[]): Plot.Markish[] {
  const hasRings = points.some(({ fill }) => fill === BACKGROUND);
  return [
    Plot.dot(points, {
      ...{ x: "x", y: "y", r: RADIUS, fill: "fill", stroke: "stroke" },
      ...{ fillOpacity: 0.85, strokeWidth: hasRings ? 1.5 : 0.75 },
    }),
  ];
}

/**
 * Points as SVG. They are drawn in their order, so that no group covers the others.
 * @throws UserError `plot-empty` where there is no panel, or one without a point to show.
 * @throws RangeError where groups or names are not as many as the points.
 */
export function scatterChart(spec: ScatterSpec): string {
  const { title, panels, groups, groupNames = [], ordered = false, names } = spec;
  if (panels.length === 0) {
    throw new UserError("plot-empty", "Cannot draw points: there is no panel, wanted at least one");
  }
  for (const { label, places } of panels) {
    for (const given of [groups, names]) {
      if (given === undefined || given.length === places.length) continue;
      throw new RangeError(
        `Cannot draw "${label}": it has ${places.length} points, groups or names ${given.length}`,
      );
    }
    if (places.some((place) => place.every(Number.isFinite))) continue;
    throw new UserError(
      "plot-empty",
      `Cannot draw "${label}": none of its ${places.length} points has a finite place`,
    );
  }
  const width = spec.width ?? 400 * panels.length;
  const panelWidth = Math.floor((width - INSET) / panels.length);
  const inner = panelWidth - MARGIN.left - MARGIN.right;
  const document = svgDocument();

  const draw = (panel: ScatterPanel, left: number, top: number): SvgElement[] => {
    const points = panel.places.map(([x, y], n): Point => {
      const { color, ring } = lookOf(groups?.[n] ?? 0, groupNames.length, ordered);
      const [fill, stroke] = ring ? [BACKGROUND, color] : [color, BACKGROUND];
      return { x, y, fill, stroke, mark: `${n}` };
    }).filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y));
    const x = domainOf(panel.x, points.map((point) => point.x));
    const y = domainOf(panel.y, points.map((point) => point.y));
    const scale = (axis: Axis, domain: readonly [number, number]) => ({
      ...scaleOf(axis, domain),
      grid: !panel.bare,
      ticks: panel.bare ? [] : 5,
      inset: EDGE,
      labelAnchor: "center" as const,
    });
    const chart = plotIn(document, {
      width: panelWidth,
      height: inner + MARGIN.top + MARGIN.bottom,
      marginTop: MARGIN.top,
      marginRight: MARGIN.right,
      marginBottom: MARGIN.bottom,
      marginLeft: MARGIN.left,
      x: { ...scale(panel.x, x), labelOffset: 36 },
      y: { ...scale(panel.y, y), labelOffset: MARGIN.left - 8 },
      marks: [
        Plot.frame({ stroke: "#d0d0d0" }),
        ...(names === undefined ? plainDots(points) : markedDots(points)),
      ],
    });
    return labelledChart(document, {
      ...{ chart, label: panel.label, left, top },
      middle: left + MARGIN.left + inner / 2,
      room: inner + 2 * MARGIN.right - 4,
    });
  };

  return frame(document, {
    width,
    title,
    legend: [
      ...groupNames.map((text, group): LegendEntry => {
        const { color, ring } = lookOf(group, groupNames.length, ordered);
        return { text, color, kind: ring ? "ring" : "dot" };
      }),
      ...(names ?? []).map((text, n): LegendEntry => ({
        ...{ text, color: PALETTE[0], kind: "dot", mark: `${n}` },
      })),
    ],
    body: (headerHeight) => {
      const top = headerHeight + 6;
      return {
        elements: panels.flatMap((panel, i) => draw(panel, i * panelWidth, top)),
        height: top + LINE_HEIGHT + 4 + inner + MARGIN.top + MARGIN.bottom,
      };
    },
  });
}
