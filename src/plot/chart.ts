/**
 * What all charts share: a document without a browser (linkedom), Observable Plot's scales, axes
 * and marks in one style, the frame with title and legend, and labels that don't overlap. A chart
 * is a string of SVG that is the same bytes for the same input: no generated ids, no clock.
 *
 * Left out: interaction and clipping (Plot numbers its clip paths by a counter of the process).
 */
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom/worker";
import { TEXT_SIZE, textWidth } from "./text_width.ts";

export { TEXT_SIZE, textWidth };

/** The font that PNGs are drawn with (png.ts), and what a viewer of the SVG may take instead. */
export const FONT_FAMILY = "DejaVu Sans, Verdana, sans-serif";
/** Colours that stay apart for colour-blind readers (Okabe and Ito 2008, without the yellow). */
export const PALETTE: readonly string[] = [
  ...["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"],
];
/** Colour of what is there for comparison: context, reference lines. */
export const GRAY = "#737373";
/** Colour of axes and text. */
const INK = "#222222";

const TITLE_SIZE = 16;
/** Height of a line of a legend or of a label, px. */
export const LINE_HEIGHT = 17;
/** Space around the picture's content, px. */
const PADDING = 14;
/** How far a chart stands in, so that its axis title (3 px from its edge) is below the title. */
export const INSET = PADDING - 3;
const SWATCH = 24;

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";
/** What XML 1.0 does not allow in a document, escaped or not. */
// deno-lint-ignore no-control-regex
const NOT_XML = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g;

/** An axis: what it shows, in which unit. */
export interface Axis {
  /** What is shown, e.g. `reward per episode`. */
  readonly label: string;
  /** Its unit, e.g. `m`; shown in brackets. */
  readonly unit?: string;
  /** `log` makes values that are not positive gaps; default `linear`. */
  readonly scale?: "linear" | "log";
  /** Values that the axis has to show, whatever the data, e.g. `[0]`. */
  readonly include?: readonly number[];
  /** True for counts: no ticks between integers. */
  readonly integer?: boolean;
}

/** The part of an element that charts use. */
export interface SvgElement {
  /** The element and what is in it, as text. */
  readonly outerHTML: string;
  /** Its text without tags. */
  textContent: string;
  getAttribute(name: string): string | null;
  setAttribute(name: string, value: string): void;
  append(...children: SvgElement[]): void;
  querySelectorAll(selector: string): Iterable<SvgElement>;
  remove(): void;
}

/** The part of a document that charts use. */
export interface SvgDocument {
  createElementNS(namespace: string, name: string): SvgElement;
}

/** A document to draw in: its own for each picture, so that nothing carries over. */
export function svgDocument(): SvgDocument {
  return (parseHTML("<html><body></body></html>") as unknown as { document: SvgDocument })
    .document;
}

/** An element of SVG with attributes and either text or other elements in it. */
export function svgElement(
  document: SvgDocument,
  name: string,
  attributes: Readonly<Record<string, string | number>>,
  content: string | readonly SvgElement[] = [],
): SvgElement {
  const element = document.createElementNS(SVG_NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, `${value}`);
  if (typeof content === "string") element.textContent = content;
  else element.append(...content);
  return element;
}

/** The text, or as much of its beginning as fits into `width` px, with an ellipsis. */
export function shorten(text: string, width: number, size: number = TEXT_SIZE): string {
  if (textWidth(text, size) <= width) return text;
  let kept = [...text];
  while (kept.length > 0 && textWidth(`${kept.join("")}…`, size) > width) kept = kept.slice(0, -1);
  return `${kept.join("").trimEnd()}…`;
}

function wrap(text: string, width: number, size: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/).filter((word) => word !== "")) {
    const longer = lines.length === 0 ? word : `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && textWidth(longer, size) <= width) lines[lines.length - 1] = longer;
    else lines.push(shorten(word, width, size));
  }
  return lines;
}

/**
 * Centres of boxes on a line, as near as possible (in the sense of least squares) to the wanted
 * ones, in their order, without overlap and between `low` and `high` where there is room.
 */
export function spread(
  wanted: readonly number[],
  sizes: readonly number[],
  low: number,
  high: number,
): number[] {
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a] - wanted[b] || a - b);
  // Boxes that touch are one group; `first` is the wanted start of the group's first box.
  const groups: { members: number[]; size: number; first: number }[] = [];
  const start = ({ first, size }: { first: number; size: number }) =>
    Math.max(low, Math.min(first, high - size));
  for (const i of order) {
    let group = { members: [i], size: sizes[i], first: wanted[i] - sizes[i] / 2 };
    for (let before = groups.at(-1); before !== undefined; before = groups.at(-1)) {
      if (start(before) + before.size <= start(group)) break;
      const [m, n] = [before.members.length, group.members.length];
      group = {
        members: [...before.members, ...group.members],
        size: before.size + group.size,
        first: (m * before.first + n * (group.first - before.size)) / (m + n),
      };
      groups.pop();
    }
    groups.push(group);
  }
  const centres = new Array<number>(wanted.length);
  for (const group of groups) {
    let at = start(group);
    for (const i of group.members) {
      centres[i] = at + sizes[i] / 2;
      at += sizes[i];
    }
  }
  return centres;
}

/** The value, or NaN (a gap) where an axis can't show it. */
export function shown(value: number, axis: Axis): number {
  return Number.isFinite(value) && (axis.scale !== "log" || value > 0) ? value : NaN;
}

/** Smallest and largest of the values that the axis can show, made wider where they are equal. */
export function domainOf(axis: Axis, values: Iterable<number>): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  const add = (value: number) => {
    if (Number.isNaN(shown(value, axis))) return;
    low = Math.min(low, value);
    high = Math.max(high, value);
  };
  for (const value of values) add(value);
  axis.include?.forEach(add);
  if (low < high) return [low, high];
  if (axis.scale === "log") return [low / 2, high * 2];
  const margin = axis.integer || low === 0 ? 1 : Math.abs(low) / 10;
  return [low - margin, high + margin];
}

/** Plot's options of an axis. */
export function scaleOf(axis: Axis, domain: readonly [number, number]): Plot.ScaleOptions {
  const { label, unit, scale = "linear", integer = false } = axis;
  const few = integer && scale === "linear" && domain[1] - domain[0] <= 10;
  return {
    type: scale,
    domain: [...domain],
    label: unit === undefined ? label : `${label} (${unit})`,
    labelArrow: "none",
    ...(few && { ticks: integersOf(domain), tickFormat: Plot.formatNumber("en-US") }),
    // by default Plot writes 0.01 as 10m
    ...(scale === "log" && { ticks: powersOf(domain), tickFormat: formatPower }),
  };
}

function integersOf([low, high]: readonly [number, number]): number[] {
  const first = Math.ceil(low);
  return Array.from({ length: Math.floor(high) - first + 1 }, (_, i) => first + i);
}

/** Ticks of a logarithmic axis: powers of ten, and 2 and 5 times them where there are few. */
function powersOf([low, high]: readonly [number, number]): number[] {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const step = Math.ceil((last - first) / 8);
  const factors = last - first <= 2 ? [1, 2, 5] : [1];
  const ticks: number[] = [];
  for (let power = first; power <= last; power += step) {
    ticks.push(...factors.map((factor) => Number(`${factor}e${power}`)));
  }
  return ticks.filter((tick) => tick <= Number(`1e${last}`));
}

function formatPower(value: number): string {
  const isPlain = value >= 1e-3 && value < 1e6;
  return isPlain ? Plot.formatNumber("en-US")(value) : value.toExponential().replace("e+", "e");
}

/** Plot's picture in the style of the charts, with as much room at the left as its ticks need. */
export function plotIn(document: SvgDocument, options: Plot.PlotOptions): SvgElement {
  const draw = (marginLeft: number) =>
    Plot.plot({
      ...options,
      marginLeft,
      document: document as unknown as NonNullable<Plot.PlotOptions["document"]>,
    }) as unknown as SvgElement;
  let svg = draw(options.marginLeft ?? 60);
  if (options.marginLeft === undefined) {
    const labels = [...svg.querySelectorAll('[aria-label="y-axis tick label"] text')];
    svg = draw(
      Math.ceil(Math.max(...labels.map(({ textContent }) => textWidth(textContent)), 0)) + 16,
    );
  }
  // Plot's style sheet is for pages; resvg reads none of it and viewers need none of it.
  for (const style of svg.querySelectorAll("style")) style.remove();
  svg.setAttribute("font-family", FONT_FAMILY);
  svg.setAttribute("font-size", `${TEXT_SIZE}`);
  svg.setAttribute("color", INK);
  return svg;
}

/** One entry of a legend. */
export interface LegendEntry {
  readonly text: string;
  readonly color: string;
  /** Line, dot, or a ring. */
  readonly kind: "line" | "dot" | "ring";
  /** A number or a letter on the dot. */
  readonly mark?: string;
  readonly width?: number;
  readonly opacity?: number;
  /** Lengths of dashes and gaps, px; default: none, a solid line. */
  readonly dashes?: string;
}

/** Radius of a dot that has a mark, and size of the mark, px. */
export const MARKED_RADIUS = 8;
export const MARK_SIZE = 9;

/** How the series of a name look. */
export interface NameStyle {
  readonly color: string;
  readonly dashes?: string;
}

/** Dashes of lines that are dashed. */
export const DASHES = "6,4";
/** Dashes of the names for which the palette starts again. */
const ROUNDS = [undefined, DASHES, "2,3"];

/** A look for each name, in their order; different for the first 18. */
export function namedStyles(names: Iterable<string>): Map<string, NameStyle> {
  return new Map(
    [...new Set(names)].map((name, i) => [name, {
      color: PALETTE[i % PALETTE.length],
      dashes: ROUNDS[Math.floor(i / PALETTE.length) % ROUNDS.length],
    }]),
  );
}

function swatch(document: SvgDocument, entry: LegendEntry, x: number, y: number): SvgElement {
  const { kind, color, width = 2, opacity = 1, dashes } = entry;
  if (kind === "line") {
    return svgElement(document, "line", {
      ...{ x1: x, x2: x + SWATCH, y1: y, y2: y, stroke: color },
      ...{ "stroke-width": width, "stroke-opacity": opacity },
      ...(dashes !== undefined && { "stroke-dasharray": dashes }),
    });
  }
  if (entry.mark !== undefined) {
    const [cx, middle] = [x + SWATCH / 2, { "text-anchor": "middle", "font-size": MARK_SIZE }];
    return svgElement(document, "g", {}, [
      svgElement(document, "circle", { cx, cy: y, r: MARKED_RADIUS, fill: color }),
      svgElement(document, "text", { x: cx, y: y + 3, fill: "#ffffff", ...middle }, entry.mark),
    ]);
  }
  return svgElement(document, "circle", {
    ...{ cx: x + SWATCH / 2, cy: y, r: 4.5 },
    ...(kind === "dot" ? { fill: color } : { fill: "none", stroke: color, "stroke-width": 2 }),
  });
}

/** Title and legend, one below the other, as elements and the height that they take. */
function header(
  document: SvgDocument,
  width: number,
  title: string | undefined,
  legend: readonly LegendEntry[],
): { elements: SvgElement[]; height: number } {
  const elements: SvgElement[] = [];
  const room = width - 2 * PADDING;
  let height = PADDING;
  for (const line of wrap(title ?? "", room, TITLE_SIZE)) {
    const at = { x: PADDING, y: height + TITLE_SIZE - 3, "font-size": TITLE_SIZE };
    elements.push(svgElement(document, "text", at, line));
    height += TITLE_SIZE + 6;
  }
  let x = PADDING;
  for (const entry of legend) {
    const text = shorten(entry.text, room - SWATCH - 6);
    const wide = SWATCH + 6 + textWidth(text);
    if (x > PADDING && x + wide > PADDING + room) {
      x = PADDING;
      height += LINE_HEIGHT;
    }
    elements.push(swatch(document, entry, x, height + LINE_HEIGHT / 2));
    const at = { x: x + SWATCH + 6, y: height + LINE_HEIGHT / 2 + 4 };
    elements.push(svgElement(document, "text", at, text));
    x += wide + 18;
  }
  if (legend.length > 0) height += LINE_HEIGHT + 2;
  return { elements, height };
}

/** A picture: white ground, title and legend, and below them what `body` draws. */
export interface FrameSpec {
  readonly width: number;
  readonly title?: string;
  readonly legend?: readonly LegendEntry[];
  /** Draws below the header, whose height it gets; tells elements and the picture's height. */
  readonly body: (headerHeight: number) => { elements: readonly SvgElement[]; height: number };
}

/** A chart of a row of charts: the chart itself below its label. */
export interface LabelledChart {
  readonly chart: SvgElement;
  readonly label: string;
  /** Upper left corner. */
  readonly left: number;
  readonly top: number;
  /** Middle of the label along x, and the room that it has. */
  readonly middle: number;
  readonly room: number;
}

/** Places a chart below its label; gives both. */
export function labelledChart(document: SvgDocument, place: LabelledChart): SvgElement[] {
  const { chart, label, left, top, middle, room } = place;
  chart.setAttribute("x", `${left}`);
  chart.setAttribute("y", `${top + LINE_HEIGHT + 4}`);
  const at = { x: middle, y: top + TEXT_SIZE + 1, "text-anchor": "middle" };
  return [svgElement(document, "text", at, shorten(label, room)), chart];
}

/** The picture as SVG. */
export function frame(document: SvgDocument, spec: FrameSpec): string {
  const { width, title, legend = [], body } = spec;
  const head = header(document, width, title, legend);
  const { elements, height } = body(head.height);
  const svg = svgElement(document, "svg", {
    ...{ xmlns: SVG_NAMESPACE, viewBox: `0 0 ${width} ${height}`, width, height },
    ...{ "font-family": FONT_FAMILY, "font-size": TEXT_SIZE, fill: INK },
  }, [
    svgElement(document, "rect", { width, height, fill: "#ffffff" }),
    ...head.elements,
    ...elements,
  ]);
  return `${svg.outerHTML.replace(NOT_XML, "\ufffd").toWellFormed()}\n`;
}
