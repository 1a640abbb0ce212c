/**
 * Planar arms from above: the arm at several times (light to dark), the way of its tip and the
 * goal, one panel for each run of it, all at one scale that is the same in both directions.
 */
import * as Plot from "@observablehq/plot";
import { UserError } from "../util/errors.ts";
import {
  domainOf,
  frame,
  labelledChart,
  type LegendEntry,
  LINE_HEIGHT,
  PALETTE,
  plotIn,
  scaleOf,
  svgDocument,
  type SvgElement,
} from "./chart.ts";

const MARGIN = { top: 12, right: 16, bottom: 44, left: 52 };
/** Colours of the first snapshot and of the last one. */
const FIRST = [0xc4, 0xd3, 0xe0];
const LAST = [0x1c, 0x36, 0x4f];
const TIP_COLOR = PALETTE[4];
const GOAL_COLOR = PALETTE[2];
const DAMAGE_COLOR = PALETTE[1];
/** Flattest and steepest form of a panel's plot: its height in widths. */
const LEAST_FORM = 0.6;
const MOST_FORM = 1.5;

/** A place in the plane, in the unit of the picture. */
export type Place = readonly [x: number, y: number];

/** One panel: an arm that moved. Places that are not finite are gaps. */
export interface ArmPanel {
  readonly label: string;
  /** The arm at each time, earliest first: places of its joints, from the base to the tip. */
  readonly snapshots: readonly (readonly Place[])[];
  /** The way of the tip, where more of it is known than the snapshots show. */
  readonly tipPath?: readonly Place[];
  readonly goal?: { readonly at: Place; readonly radius?: number };
  /** Joints (0 is the base) that are marked as damaged. */
  readonly damagedJoints?: readonly number[];
}

/** What {@link armPicture} draws. */
export interface ArmPictureSpec {
  readonly title?: string;
  readonly panels: readonly ArmPanel[];
  /** Unit of all places, default `m`. */
  readonly unit?: string;
  /** Panels side by side, default all of them. */
  readonly columns?: number;
  /** Width in px, default 280 for each column; the height follows from the places. */
  readonly width?: number;
}

/**
 * Arms as SVG.
 * @throws UserError `plot-empty` where there is no panel, or one without any place to show.
 */
export function armPicture(spec: ArmPictureSpec): string {
  const { title, panels, unit = "m" } = spec;
  if (panels.length === 0) {
    throw new UserError("plot-empty", "Cannot draw arms: there is no panel, wanted at least one");
  }
  for (const { label, snapshots } of panels) {
    if (!snapshots.flat().some(isFinitePlace)) {
      throw new UserError(
        "plot-empty",
        `Cannot draw arm "${label}": its ${snapshots.length} snapshots have no finite place`,
      );
    }
  }
  const columns = spec.columns ?? panels.length;
  const width = spec.width ?? 280 * columns;
  const panelWidth = Math.floor(width / columns);
  const inner = panelWidth - MARGIN.left - MARGIN.right;
  const { x, y, form } = commonDomain(panels);
  const plotHeight = Math.round(inner * form);
  const perUnit = inner / (x[1] - x[0]);
  const document = svgDocument();

  const draw = (panel: ArmPanel, left: number, top: number): SvgElement[] => {
    const arms = panel.snapshots;
    const chart = plotIn(document, {
      width: panelWidth,
      height: plotHeight + MARGIN.top + MARGIN.bottom,
      marginTop: MARGIN.top,
      marginRight: MARGIN.right,
      marginBottom: MARGIN.bottom,
      marginLeft: MARGIN.left,
      x: {
        ...scaleOf({ label: "x", unit }, x),
        grid: true,
        ticks: 5,
        labelAnchor: "center",
        labelOffset: 36,
      },
      y: { ...scaleOf({ label: "y", unit }, y), grid: true, ticks: 5, labelAnchor: "center" },
      marks: [
        ...(panel.goal === undefined ? [] : [goalMark(panel.goal, perUnit)]),
        ...arms.map((joints, i) => {
          const color = shade(i, arms.length);
          return lineMark(joints, color, i === arms.length - 1 ? 3.5 : 2.5);
        }),
        lineMark(panel.tipPath ?? arms.flatMap((joints) => joints.slice(-1)), TIP_COLOR, 1.75),
        ...jointMarks(arms[arms.length - 1], panel.damagedJoints ?? []),
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
      ...legendOfArm(panels),
      ...(panels.some(({ goal }) => goal !== undefined)
        ? [{ text: "goal", color: GOAL_COLOR, kind: "ring" } as const]
        : []),
      ...(panels.some(({ damagedJoints = [] }) => damagedJoints.length > 0)
        ? [{ text: "damaged joint", color: DAMAGE_COLOR, kind: "dot" } as const]
        : []),
    ],
    body: (headerHeight) => {
      const panelHeight = plotHeight + MARGIN.top + MARGIN.bottom + LINE_HEIGHT + 4;
      const top = headerHeight + 6;
      return {
        elements: panels.flatMap((panel, i) =>
          draw(panel, (i % columns) * panelWidth, top + Math.floor(i / columns) * panelHeight)
        ),
        height: top + Math.ceil(panels.length / columns) * panelHeight,
      };
    },
  });
}

function legendOfArm(panels: readonly ArmPanel[]): LegendEntry[] {
  const last: LegendEntry = { text: "arm, last", color: shade(1, 2), kind: "line", width: 3.5 };
  const moved = panels.some(({ snapshots, tipPath = [] }) => snapshots.length + tipPath.length > 1);
  if (!moved) return [{ ...last, text: "arm" }];
  return [
    { text: "arm, first", color: shade(0, 2), kind: "line", width: 3 },
    last,
    { text: "path of the tip", color: TIP_COLOR, kind: "line", width: 1.75 },
  ];
}

function isFinitePlace([x, y]: Place): boolean {
  return Number.isFinite(x) && Number.isFinite(y);
}

/** Ranges that hold every place of all panels, and the height of their plots in widths. */
function commonDomain(
  panels: readonly ArmPanel[],
): { x: [number, number]; y: [number, number]; form: number } {
  const places = panels.flatMap(({ snapshots, tipPath = [], goal }) => [
    ...snapshots.flat(),
    ...tipPath,
    ...(goal === undefined ? [] : [-1, 1].map((side): Place => {
      const { at, radius = 0 } = goal;
      return [at[0] + side * radius, at[1] + side * radius];
    })),
  ]).filter(isFinitePlace);
  const grown = (values: number[]): [number, number] => {
    const [low, high] = domainOf({ label: "" }, values);
    const margin = 0.06 * (high - low);
    return [low - margin, high + margin];
  };
  const x = grown(places.map((place) => place[0]));
  const y = grown(places.map((place) => place[1]));
  const form = (y[1] - y[0]) / (x[1] - x[0]);
  if (form < LEAST_FORM) return { x, y: widened(y, LEAST_FORM / form), form: LEAST_FORM };
  if (form > MOST_FORM) return { x: widened(x, form / MOST_FORM), y, form: MOST_FORM };
  return { x, y, form };
}

function widened([low, high]: readonly [number, number], factor: number): [number, number] {
  const [middle, half] = [(low + high) / 2, factor * (high - low) / 2];
  return [middle - half, middle + half];
}

function shade(i: number, count: number): string {
  const share = count === 1 ? 1 : i / (count - 1);
  const hex = FIRST.map((from, c) =>
    Math.round(from + share * (LAST[c] - from)).toString(16).padStart(2, "0")
  );
  return `#${hex.join("")}`;
}

function columnsOf(places: readonly Place[]): { x: number[]; y: number[] } {
  const gaps = places.map((place) => isFinitePlace(place) ? place : [NaN, NaN]);
  return { x: gaps.map(([x]) => x), y: gaps.map(([, y]) => y) };
}

function lineMark(places: readonly Place[], stroke: string, strokeWidth: number): Plot.Markish {
  const { x, y } = columnsOf(places);
  return Plot.line(x, { x, y, stroke, strokeWidth, strokeLinejoin: "round" });
}

/** The goal's disc, of its radius to scale. */
function goalMark(goal: NonNullable<ArmPanel["goal"]>, perUnit: number): Plot.Markish {
  const { x, y } = columnsOf([goal.at]);
  const r = Math.max(4, (goal.radius ?? 0) * perUnit);
  const style = { fill: GOAL_COLOR, fillOpacity: 0.2, stroke: GOAL_COLOR, strokeWidth: 2 };
  return Plot.dot(x, { x, y, r, ...style });
}

/** Joints of an arm; the damaged ones larger and in their colour. */
function jointMarks(joints: readonly Place[], damaged: readonly number[]): Plot.Markish[] {
  const dots = (isDamaged: boolean, r: number, fill: string) => {
    const { x, y } = columnsOf(joints.filter((_, i) => damaged.includes(i) === isDamaged));
    return Plot.dot(x, { x, y, r, fill, stroke: "white" });
  };
  return [dots(false, 3.5, shade(1, 2)), dots(true, 5.5, DAMAGE_COLOR)];
}
