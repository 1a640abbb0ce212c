/**
 * What a report says, as plain data: sections of texts, tables and charts. `html.ts` makes a page
 * of it; the script of the page (`page/`) draws the charts.
 *
 * Numbers of charts are rounded for the file ({@link rounded}); `null` is a gap.
 */

/** A page. */
export interface Report {
  readonly title: string;
  /** A line below it. */
  readonly subtitle: string;
  readonly sections: readonly Section[];
}

/** One part of a page, with an entry in its list of contents. */
export interface Section {
  /** Anchor: letters, digits and hyphens. */
  readonly id: string;
  readonly title: string;
  readonly blocks: readonly Block[];
}

/** What a section consists of. */
export type Block =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "heading"; readonly text: string }
  | { readonly kind: "list"; readonly items: readonly string[] }
  | TableBlock
  | ChartBlock;

/** A table; its first column is the head of each row. */
export interface TableBlock {
  readonly kind: "table";
  readonly caption?: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Folded away behind this line. */
  readonly folded?: string;
}

/** A chart with the words below it. */
export interface ChartBlock {
  readonly kind: "chart";
  /** Name in the page, e.g. `returns-1`; given once in a page. */
  readonly id: string;
  readonly caption: string;
  readonly chart: Chart;
}

/** All kinds of charts. */
export type Chart = LinesChart | ScatterChart | PathsChart | BarsChart | HeatChart;

/** An axis. */
export interface ChartAxis {
  readonly label: string;
  /** No ticks between whole numbers. */
  readonly integer?: boolean;
}

/** One line, with a band around it where it has bounds. */
export interface LineSeries {
  readonly name: string;
  /** Place in the palette; beyond its end it starts again, with dashes. */
  readonly color: number;
  readonly look?: "solid" | "dashed";
  /** Every point is marked as well. */
  readonly dots?: boolean;
  readonly x: readonly number[];
  readonly y: readonly (number | null)[];
  readonly low?: readonly (number | null)[];
  readonly high?: readonly (number | null)[];
}

/** A horizontal line to compare with. */
export interface Reference {
  readonly y: number;
  readonly label: string;
}

/** The lines of one choice. */
export interface LinesVariant {
  readonly label: string;
  readonly series: readonly LineSeries[];
  readonly references?: readonly Reference[];
}

/** Something that happened at a point of the horizontal axis. */
export interface ChartMark {
  /** The series that it belongs to. */
  readonly name: string;
  /** As of {@link LineSeries}. */
  readonly color: number;
  readonly x: number;
  readonly text: string;
}

/** Lines over a common axis; of several variants the reader chooses one. */
export interface LinesChart {
  readonly kind: "lines";
  readonly x: ChartAxis;
  readonly variants: readonly LinesVariant[];
  readonly marks?: readonly ChartMark[];
}

/** Points of one name. */
export interface PointGroup {
  readonly name: string;
  readonly color: number;
  readonly x: readonly number[];
  readonly y: readonly number[];
}

/** Points of one choice. */
export interface ScatterVariant {
  readonly label: string;
  readonly x: ChartAxis;
  readonly y: ChartAxis;
  readonly groups: readonly PointGroup[];
}

/** Points in the plane; of several variants the reader chooses one. */
export interface ScatterChart {
  readonly kind: "scatter";
  readonly variants: readonly ScatterVariant[];
}

/** A way through the plane and where it should have led. */
export interface PlanePath {
  readonly name: string;
  readonly color: number;
  readonly goal: readonly [number, number];
  /** Steps between two of its points; the last one is at the step `last`. */
  readonly every: number;
  readonly last: number;
  readonly x: readonly number[];
  readonly y: readonly number[];
}

/** Panels with the same square section of the plane. */
export interface PathsChart {
  readonly kind: "paths";
  readonly x: ChartAxis;
  readonly y: ChartAxis;
  /** Smallest and largest x, smallest and largest y. */
  readonly bounds: readonly [number, number, number, number];
  readonly panels: readonly { readonly title: string; readonly paths: readonly PlanePath[] }[];
}

/** One bar made of parts. */
export interface Bar {
  readonly name: string;
  readonly parts: readonly {
    readonly name: string;
    readonly color: number;
    readonly value: number;
  }[];
}

/** Bars, one below the other. */
export interface BarsChart {
  readonly kind: "bars";
  readonly x: ChartAxis;
  readonly bars: readonly Bar[];
}

/** A value from 0 to 1 for every row and column. */
export interface HeatChart {
  readonly kind: "heat";
  readonly x: ChartAxis;
  readonly rows: readonly string[];
  readonly columns: readonly number[];
  /** What a value is called. */
  readonly value: string;
  /** [rows][columns] */
  readonly values: readonly (readonly (number | null)[])[];
}

/** The number with so many significant digits; `null` where it is not finite. */
export function rounded(value: number | null | undefined, digits = 6): number | null {
  return value === null || value === undefined || !Number.isFinite(value)
    ? null
    : Number(value.toPrecision(digits));
}

/** Name of the section or chart number `at`, from 0, of its kind: `returns`, `returns-2`. */
export function numbered(name: string, at: number): string {
  return at === 0 ? name : `${name}-${at + 1}`;
}
