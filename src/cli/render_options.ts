/** What `metarl render` is asked for, checked. */
import { extname } from "node:path";
import type { CameraOptions } from "../render/camera.ts";
import { UserError } from "../util/errors.ts";
import { wholeOption } from "./options.ts";
import { outFile } from "./out_file.ts";

/** What the user typed. */
export interface RenderRunOptions {
  readonly out: string;
  readonly task?: string;
  readonly mode?: string;
  readonly adapted?: true;
  readonly before?: true;
  readonly sideBySide?: true;
  readonly steps?: string;
  readonly checkpoint?: string;
  readonly seed?: string;
  readonly rollout?: string;
  readonly size?: string;
  readonly fps?: string;
  readonly speed?: string;
  readonly moments?: string;
  readonly camera?: "follow" | "whole";
  readonly azimuth?: string;
  readonly elevation?: string;
  readonly shadows: boolean;
  readonly device?: "auto" | "webgpu" | "cpu";
  readonly method?: string;
  readonly episode?: string;
  readonly force?: true;
  readonly json?: true;
}

const FORMATS = ["gif", "mp4", "png", "html", "svg"] as const;

/** A kind of file. */
export type Format = typeof FORMATS[number];

/** The picture that is asked for. */
export interface PictureOptions extends CameraOptions {
  readonly folder: string;
  readonly name: string;
  readonly format: Format;
  readonly width: number;
  readonly height: number;
  /** Frames per second, at most. */
  readonly fps: number;
  /** `null`: chosen by how long it lasts. */
  readonly speed: number | null;
  /** Pictures on a sheet. */
  readonly moments: number;
  readonly shadows: boolean;
  readonly device: "auto" | "webgpu" | "cpu";
}

const DEFAULT_FPS = 25;
const DEFAULT_MOMENTS = 6;
const LEAST_SIDE = 64;
/** Three samples along a pixel's side stay within the 8192 texels that every GPU has. */
const MOST_SIDE = 2560;
/** Of a sheet: 0.4 GB while it is made. */
const MOST_PIXELS = 1e8;

function formatOf(path: string): Format {
  const extension = extname(path).slice(1);
  const found = FORMATS.find((format) => format === extension.toLowerCase());
  if (found !== undefined) return found;
  const known = FORMATS.map((format) => `.${format}`);
  const got = extension === "" ? "none" : `".${extension}"`;
  throw new UserError(
    "out-format",
    `--out ${path}: the file's extension must be one of ${known.join(", ")}; got ${got}`,
  );
}

function sizeOption(text: string | undefined, format: Format): [number, number] {
  if (text === undefined) return format === "mp4" ? [640, 480] : [320, 240];
  const match = /^(\d+)x(\d+)$/.exec(text);
  const sides = [Number(match?.[1]), Number(match?.[2])] as [number, number];
  if (!sides.every((side) => side >= LEAST_SIDE && side <= MOST_SIDE)) {
    throw new UserError(
      "option-value",
      `--size must be WIDTHxHEIGHT in px, each from ${LEAST_SIDE} to ${MOST_SIDE}; got ${text}`,
    );
  }
  if (format === "mp4" && sides.some((side) => side % 2 !== 0)) {
    throw new UserError("option-value", `--size must be even numbers for .mp4; got ${text}`);
  }
  return sides;
}

/** Refuses a sheet that would not fit into memory. */
function checkSheet(
  { sideBySide }: RenderRunOptions,
  moments: number,
  [width, height]: readonly [number, number],
): void {
  const pixels = moments * width * height * (sideBySide ? 2 : 1);
  if (pixels <= MOST_PIXELS) return;
  throw new UserError(
    "option-value",
    `--moments ${moments} of ${width}x${height} are ${Math.ceil(pixels / 1e6)} million pixels; ` +
      `take fewer or a smaller --size, up to ${MOST_PIXELS / 1e6} million in all`,
  );
}

function numberOption(
  option: string,
  text: string | undefined,
  low: number,
  high: number,
): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() !== "" && value >= low && value <= high) return value;
  throw new UserError(
    "option-value",
    `${option} must be a number from ${low} to ${high}; got ${text}`,
  );
}

/** The picture that the options ask for. @throws UserError `option-value`, `out-...` */
export function pictureOptions(options: RenderRunOptions): PictureOptions {
  const format = formatOf(options.out);
  const [width, height] = sizeOption(options.size, format);
  const moments = wholeOption("--moments", options.moments, DEFAULT_MOMENTS, 1, 100);
  if (format === "png") checkSheet(options, moments, [width, height]);
  return {
    format,
    width,
    height,
    fps: numberOption("--fps", options.fps, 1, 100) ?? DEFAULT_FPS,
    speed: numberOption("--speed", options.speed, 0.01, 100) ?? null,
    moments,
    camera: options.camera,
    azimuth: numberOption("--azimuth", options.azimuth, -360, 360),
    // straight down there is no up
    elevation: numberOption("--elevation", options.elevation, 0, 89),
    shadows: options.shadows,
    device: options.device ?? "auto",
    // last: a wrong value is told before anything is touched
    ...outFile(options.out, options.force === true),
  };
}

/** Whether a take is shown, before and after the inner steps. @throws UserError `usage` */
export function takesOption(
  { adapted, before, sideBySide }: RenderRunOptions,
  format: Format,
): { before: boolean; after: boolean } {
  const given = Object.entries({ adapted, before, "side-by-side": sideBySide })
    .filter(([, value]) => value === true)
    .map(([name]) => `--${name}`);
  if (given.length > 1) {
    throw new UserError("usage", `${given.join(" and ")} can't be combined; give one of them`);
  }
  const both = sideBySide === true || (given.length === 0 && format === "html");
  return { before: both || before === true, after: both || before !== true };
}
