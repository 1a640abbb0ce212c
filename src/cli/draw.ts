/** Draws what `metarl render` shows, on what the machine has, and makes a file of it. */
import { probeAdapter } from "../compute/webgpu/adapter.ts";
import { contactSheet, type Film, moments } from "../render/film.ts";
import { planeFilm, planePicture, type PlaneShow } from "../render/plane.ts";
import type { Renderer, RenderOptions } from "../render/renderer.ts";
import { filmOf, type Pace, paceFor, type Show } from "../render/show.ts";
import type { Stage } from "../render/stage.ts";
import { UserError } from "../util/errors.ts";
import type { Output } from "./output.ts";
import type { Format, PictureOptions } from "./render_options.ts";

/** What is shown: bodies in space, or a place in the plane that has no unit of time. */
export type Shown =
  | { readonly kind: "bodies"; readonly show: Show }
  | { readonly kind: "plane"; readonly show: PlaneShow };

/** A file, and what is known of it. */
export interface Drawn {
  readonly bytes: Uint8Array;
  /** What drew it, and why that. */
  readonly device: string;
  /** What it is, e.g. `644 x 240, 126 frames, 5.0 s`. */
  readonly text: string;
  readonly width: number | null;
  readonly height: number | null;
  readonly frames: number | null;
  readonly fps: number | null;
  readonly speed: number | null;
}

/** A point makes so many steps a second. */
const PLANE_DT = 0.05;
/** Columns of a sheet of single pictures, and of pairs. */
const COLUMNS = { single: 3, pair: 2 } as const;

async function chooseRenderer(
  stage: Stage,
  device: PictureOptions["device"],
  options: RenderOptions,
): Promise<{ renderer: Renderer; why: string }> {
  const cpu = async (why: string) => {
    const { CpuRenderer } = await import("../render/cpu_renderer.ts");
    return { renderer: new CpuRenderer(stage, options), why };
  };
  if (device === "cpu") return await cpu("as asked");
  if (device === "auto") {
    const adapter = await probeAdapter();
    if (adapter === null) return await cpu("because there is no WebGPU adapter");
    if (adapter.isSoftware) {
      return await cpu(`because the adapter is software: ${adapter.description}`);
    }
  }
  const { WebGpuRenderer } = await import("../render/webgpu_renderer.ts");
  const renderer = await WebGpuRenderer.create(stage, options);
  return { renderer, why: device === "auto" ? "because there is a GPU" : "as asked" };
}

/** The sheet of a film's moments as PNG. */
async function toSheet(film: Film, count: number, isPair: boolean) {
  const { encode } = await import("fast-png");
  const shown = moments(film.frames, count);
  const columns = isPair ? COLUMNS.pair : COLUMNS.single;
  const sheet = await contactSheet(film, shown, columns);
  const bytes = encode({ ...sheet, channels: 4, depth: 8 });
  return { ...sheet, bytes, pictures: shown.length };
}

async function encodeFilm(
  film: Film,
  format: Format,
  output: Output,
): Promise<Uint8Array> {
  const onFrame = (done: number) => output.status(`${done}/${film.frames} frames`);
  try {
    if (format === "gif") return await (await import("../render/gif.ts")).toGif(film, onFrame);
    return await (await import("../render/mp4.ts")).toMp4(film, onFrame);
  } finally {
    output.status(null);
  }
}

async function drawFilm(
  film: Film,
  options: PictureOptions,
  { device, isPair, speed }: { device: string; isPair: boolean; speed: number },
  output: Output,
): Promise<Drawn> {
  if (options.format === "png") {
    const { bytes, width, height, pictures } = await toSheet(film, options.moments, isPair);
    const text = `${width} x ${height}, ${pictures} ${pictures === 1 ? "moment" : "moments"}`;
    return { bytes, device, text, width, height, frames: pictures, fps: null, speed: null };
  }
  const bytes = await encodeFilm(film, options.format, output);
  const { width, height, frames, fps } = film;
  const pace = speed === 1 ? "" : `, ${speed} x real time`;
  const text = `${width} x ${height}, ${frames} frames, ${(frames / fps).toFixed(1)} s${pace}`;
  return { bytes, device, text, width, height, frames, fps, speed };
}

/** The pace: a GIF's frames last whole hundredths of a second, an MP4 has whole frames a second. */
async function paceOf(seconds: number, dt: number, options: PictureOptions): Promise<Pace> {
  const pace = paceFor(seconds, dt, options);
  if (options.format === "mp4") return { ...pace, fps: Math.max(1, Math.floor(pace.fps)) };
  if (options.format !== "gif") return pace;
  const { gifDelay } = await import("../render/gif.ts");
  return { ...pace, fps: 100 / gifDelay(pace.fps) };
}

/** Refuses what can't be drawn as this kind of file. @throws UserError `out-format` */
export function checkFormat(kind: Shown["kind"], format: Format): void {
  if (kind === "plane" || format !== "svg") return;
  throw new UserError(
    "out-format",
    "--out: .svg is for environments in the plane; take .png, .gif, .mp4 or .html",
  );
}

async function drawBodies(show: Show, options: PictureOptions, output: Output): Promise<Drawn> {
  const { stage, dt } = show;
  const seconds = (Math.max(...stage.takes.map(({ frames }) => frames)) - 1) * dt;
  const pace = await paceOf(seconds, dt, options);
  if (options.format === "html") {
    const { toHtml } = await import("../render/html.ts");
    const page = toHtml(show, { ...options, speed: pace.speed });
    return {
      bytes: new TextEncoder().encode(page),
      device: "drawn by the browser",
      text: `${stage.takes.length === 1 ? "one rollout" : "two rollouts"}, ${seconds.toFixed(1)} s`,
      ...{ width: null, height: null, frames: null, fps: null, speed: pace.speed },
    };
  }
  let device = "";
  const make = async (size: RenderOptions) => {
    const { renderer, why } = await chooseRenderer(stage, options.device, size);
    device = `drawn by ${renderer.description}, ${why}`;
    return renderer;
  };
  const film = await filmOf(show, make, { ...options, pace });
  try {
    const isPair = stage.takes.length > 1;
    return await drawFilm(film, options, { device, isPair, speed: pace.speed }, output);
  } finally {
    film.renderer.close();
  }
}

async function drawPlane(show: PlaneShow, options: PictureOptions, output: Output): Promise<Drawn> {
  const { width, height, format } = options;
  const device = "drawn by resvg";
  const isPair = show.paths.length > 1;
  if (format === "html") {
    const { planeStage } = await import("../render/plane_stage.ts");
    const { title, paths: labels } = show;
    const inSpace = { title, stage: planeStage(show), labels, dt: PLANE_DT, countsSteps: true };
    return await drawBodies(inSpace, { ...options, speed: options.speed ?? 1 }, output);
  }
  if (format === "svg") {
    const svg = planePicture(show, options);
    const bytes = new TextEncoder().encode(svg);
    const text = `${isPair ? "two paths" : "one path"}, with every step`;
    return { bytes, device, text, width, height, frames: 1, fps: null, speed: null };
  }
  const steps = Math.max(...show.paths.map(({ places }) => places.length / 2)) - 1;
  const pace = await paceOf(steps * PLANE_DT, PLANE_DT, { ...options, speed: options.speed ?? 1 });
  const film = planeFilm(show, { width, height }, PLANE_DT, pace);
  return await drawFilm(film, options, { device, isPair, speed: pace.speed }, output);
}

/** Draws it. @throws UserError `out-format` */
export async function draw(
  shown: Shown,
  options: PictureOptions,
  output: Output,
): Promise<Drawn> {
  checkFormat(shown.kind, options.format);
  return shown.kind === "bodies"
    ? await drawBodies(shown.show, options, output)
    : await drawPlane(shown.show, options, output);
}
