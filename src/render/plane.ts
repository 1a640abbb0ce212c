/**
 * Rollouts in the plane from above: the way of whatever has to reach the goal, the goal, walls. A
 * picture is SVG; a film is drawn of such pictures, frame by frame.
 *
 * Axis letter: F places of a path, one for each control step and one for the start.
 */
import type { RoundWall } from "../envs/env.ts";
import { toPixels } from "../plot/png.ts";
import { textWidth } from "../plot/text_width.ts";
import { escapeHtml } from "../util/html.ts";
import { captionSize, earnedText, shortened } from "./caption.ts";
import type { Film } from "./film.ts";
import { filmSteps, type Labels, type Pace } from "./show.ts";
import { THEME } from "./theme.ts";

/** A way in the plane. */
export interface PlanePath extends Labels {
  /** [F, 2] x, y in m */
  readonly places: Float64Array;
}

/** What to show. */
export interface PlaneShow {
  /** Environment and task, one line. */
  readonly title: string;
  readonly paths: readonly PlanePath[];
  /** x, y in m; `null` where the task is no place */
  readonly goal: readonly [x: number, y: number, z?: number] | null;
  readonly walls: readonly RoundWall[];
}

/** Size of a picture of one path, px. */
export interface PlaneSize {
  readonly width: number;
  readonly height: number;
}

const FONT = "DejaVu Sans, Verdana, sans-serif";
const INK = "#222222";
const FAINT = "#737373";
/** Space around what is shown, in shares of its extent. */
const MARGIN = 0.08;
/** Lines of the grid across the wider side, about. */
const GRID_LINES = 9;
const GAP = 4;

/** 1, 2 or 5 times a power of ten, near `value`. */
function roundStep(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 5].find((factor) => factor * power >= value) ?? 10);
}

/** Middle and half width of a square that holds everything, m. */
export function squareOf(
  { paths, goal, walls }: PlaneShow,
): { x: number; y: number; half: number } {
  const bounds = [0, 1].map((axis) => {
    let low = Infinity;
    let high = -Infinity;
    const add = (value: number) => {
      low = Math.min(low, value);
      high = Math.max(high, value);
    };
    if (goal !== null) add(goal[axis]!);
    for (const { places } of paths) {
      for (let at = axis; at < places.length; at += 2) add(places[at]);
    }
    for (const { radius } of walls) {
      add(radius);
      add(-radius);
    }
    return [low, high];
  });
  const [[left, right], [bottom, top]] = bounds;
  const half = Math.max(right - left, top - bottom, 1e-3) * (0.5 + MARGIN);
  return { x: (left + right) / 2, y: (bottom + top) / 2, half };
}

/** The open wall as a line, counterclockwise, in m. */
export function wallLine({ radius, gap, gapRadius }: RoundWall): (readonly [number, number])[] {
  const middle = Math.atan2(gap[1], gap[0]);
  // a chord of gapRadius is seen from the middle at this angle
  const open = 2 * Math.asin(Math.min(gapRadius / (2 * radius), 1));
  const count = 96;
  return Array.from({ length: count + 1 }, (_, i) => {
    const angle = middle + open + (2 * Math.PI - 2 * open) * i / count;
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  });
}

/**
 * The picture as SVG.
 * @param steps of each path the last place that is shown; default: all
 */
export function planePicture(
  show: PlaneShow,
  { width, height }: PlaneSize,
  steps: readonly number[] = show.paths.map(({ places }) => places.length / 2 - 1),
): string {
  const size = captionSize(width, height);
  const widthOf = (text: string) => textWidth(text, size);
  const line = Math.ceil(1.35 * size);
  const edge = Math.round(0.4 * size);
  const header = 2 * line + edge;
  const whole = show.paths.length * (width + GAP) - GAP;
  const scene = height - header;
  const square = squareOf(show);
  const scale = Math.min(width, scene) / (2 * square.half);
  const step = roundStep(2 * square.half * Math.max(width / scene, 1) / GRID_LINES);
  const number = (value: number) => value.toFixed(2);
  const text = (x: number, y: number, anchor: string, content: string, fill = INK) =>
    `<text x="${number(x)}" y="${number(y)}" text-anchor="${anchor}" fill="${fill}">${
      escapeHtml(content)
    }</text>`;

  const panel = ({ name, places, returns }: PlanePath, last: number, left: number) => {
    const x = (value: number) => left + width / 2 + (value - square.x) * scale;
    const y = (value: number) => header + scene / 2 - (value - square.y) * scale;
    const polyline = (points: readonly (readonly [number, number])[], style: string) =>
      `<polyline fill="none" ${style} points="${
        points.map(([a, b]) => `${number(x(a))},${number(y(b))}`).join(" ")
      }"/>`;
    const [halfX, halfY] = [width / 2 / scale, scene / 2 / scale];
    const ticks = (middle: number, half: number) => {
      const first = Math.ceil((middle - half) / step);
      const count = Math.floor((middle + half) / step) - first + 1;
      return Array.from({ length: count }, (_, i) => (first + i) * step);
    };
    const label = (value: number) => String(Number(value.toPrecision(6))).replace("-", "−");
    const grid = [
      ...ticks(square.x, halfX).map((value) => {
        const at = number(x(value));
        return `<path d="M${at} ${header}V${height}"/>`;
      }),
      ...ticks(square.y, halfY).map((value) => {
        const at = number(y(value));
        return `<path d="M${left} ${at}H${left + width}"/>`;
      }),
    ];
    // labels at the edge, but in the corner, where both would be; the last of each has the unit
    const across = ticks(square.x, halfX).filter((value) => {
      const at = x(value) - left;
      return at > 3 * size && at < width - 1.5 * size;
    });
    const along = ticks(square.y, halfY)
      .filter((value) => height - y(value) > 2 * size && y(value) - header > size);
    const withUnit = (values: readonly number[], i: number) =>
      label(values[i]) + (i === values.length - 1 ? " m" : "");
    const labels = [
      ...across.map((value, i) =>
        text(x(value), height - edge, "middle", withUnit(across, i), FAINT)
      ),
      ...along.map((value, i) =>
        text(left + edge, y(value) - 0.3 * size, "start", withUnit(along, i), FAINT)
      ),
    ];
    const shown = Array.from({ length: last + 1 }, (_, f): [number, number] => {
      return [places[2 * f], places[2 * f + 1]];
    });
    const dot = (f: number, r: number, fill: string) =>
      `<circle cx="${number(x(places[2 * f]))}" cy="${number(y(places[2 * f + 1]))}" r="${
        number(r)
      }" fill="${fill}" stroke="#ffffff"/>`;
    const earned = earnedText(returns[last], width - 2 * edge, widthOf);
    const nameRoom = width - 3 * edge - widthOf(earned);
    const goalAt = show.goal === null
      ? null
      : `cx="${number(x(show.goal[0]))}" cy="${number(y(show.goal[1]))}"`;
    return [
      `<rect x="${left}" y="${header}" width="${width}" height="${scene}" fill="#f6f8fa"/>`,
      `<g stroke="${THEME.tileLight}">${grid.join("")}</g>`,
      `<g font-size="${number(0.85 * size)}">${labels.join("")}</g>`,
      ...show.walls.map((wall) =>
        polyline(wallLine(wall), `stroke="${THEME.fixed}" stroke-width="${number(0.35 * size)}"`)
      ),
      goalAt === null
        ? ""
        : `<circle ${goalAt} r="${number(0.75 * size)}" fill="${THEME.goal}" fill-opacity="0.25" ` +
          `stroke="${THEME.goal}" stroke-width="${number(0.16 * size)}"/>` +
          `<circle ${goalAt} r="${number(0.18 * size)}" fill="${THEME.goal}"/>`,
      polyline(
        shown,
        `stroke="${THEME.limbs[1]}" stroke-width="${number(0.16 * size)}" stroke-linejoin="round"`,
      ),
      dot(0, 0.28 * size, THEME.fixed),
      dot(last, 0.42 * size, THEME.trunk),
      text(left + edge, 2 * line - 0.3 * size, "start", shortened(name, nameRoom, widthOf)),
      text(left + width - edge, 2 * line - 0.3 * size, "end", earned),
    ].join("");
  };
  const stepText = `step ${Math.max(...steps)}`;
  const panels = show.paths.map((path, p) =>
    `<svg x="0" y="0" width="${whole}" height="${height}" viewBox="0 0 ${whole} ${height}">` +
    `${panel(path, steps[p], p * (width + GAP))}</svg>`
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${whole}" height="${height}" ` +
    `viewBox="0 0 ${whole} ${height}" font-family="${FONT}" font-size="${size}">` +
    `<rect width="${whole}" height="${height}" fill="#ffffff"/>` +
    text(
      edge,
      line - 0.2 * size,
      "start",
      shortened(show.title, whole - 2 * edge - widthOf(stepText) - size, widthOf),
    ) +
    text(whole - edge, line - 0.2 * size, "end", stepText) +
    `${panels.join("")}</svg>\n`;
}

/** The film of a show: its paths side by side, growing. @param dt time of a control step, s */
export function planeFilm(show: PlaneShow, size: PlaneSize, dt: number, pace: Pace): Film {
  const steps = filmSteps(show.paths.map(({ places }) => places.length / 2), dt, pace);
  return {
    width: show.paths.length * (size.width + GAP) - GAP,
    height: size.height,
    frames: steps.length,
    fps: pace.fps,
    async draw(frame, out) {
      out.set((await toPixels(planePicture(show, size, steps[frame]), { scale: 1 })).data);
    },
  };
}
