/**
 * Charts without a browser: SVG by Observable Plot, PNG by resvg, with one font of its own; the
 * same input gives the same bytes. Slow to load beside the rest of the program, so a command
 * imports it when it draws: `await import("../plot/mod.ts")`.
 *
 * Functions return SVG as text; {@link toPng} makes a PNG of it. Values that are not finite are
 * gaps; a series without a single value is an error, so that no name stands for nothing.
 */
export { type ArmPanel, armPicture, type ArmPictureSpec, type Place } from "./arm_picture.ts";
export { type Axis, GRAY, PALETTE } from "./chart.ts";
export { type Interval, intervalChart, type IntervalChartSpec } from "./interval_chart.ts";
export {
  lineChart,
  type LineChartSpec,
  type PointSet,
  type Reference,
  type Series,
} from "./line_chart.ts";
export { panels, type PanelsOptions } from "./panels.ts";
export { type PngOptions, toPng } from "./png.ts";
export { scatterChart, type ScatterPanel, type ScatterSpec } from "./scatter_chart.ts";
