/**
 * Films as GIF: one palette for all frames, so that colours don't flicker; of each frame only the
 * pixels that changed. No dithering: surfaces stay smooth and files small.
 */
// @ts-types="./gifenc.d.ts"
import * as gifencModule from "gifenc";
import { exportsOf } from "./exports_of.ts";
import { type Film, moments } from "./film.ts";

const gifenc = exportsOf(gifencModule, "quantize");

/** Colours; one more index means "as before". */
const COLORS = 255;
const UNCHANGED = COLORS;
/** Frames that the palette is made from. */
const PALETTE_FRAMES = 8;

/** Hundredths of a second that a frame is shown, at least 2: viewers take less for a mistake. */
export function gifDelay(fps: number): number {
  return Math.max(2, Math.round(100 / fps));
}

/** The film as a GIF that runs for ever. @param onFrame told the number of frames done */
export async function toGif(film: Film, onFrame?: (done: number) => void): Promise<Uint8Array> {
  const { width, height, frames, fps } = film;
  const size = 4 * width * height;
  const shown = moments(frames, PALETTE_FRAMES);
  const samples = new Uint8ClampedArray(size * shown.length);
  for (const [i, frame] of shown.entries()) {
    await film.draw(frame, samples.subarray(i * size, (i + 1) * size));
  }
  const palette = gifenc.quantize(samples, COLORS);
  // the table has a power of two of entries
  while (palette.length < COLORS + 1) palette.push([0, 0, 0]);
  const encoder = gifenc.GIFEncoder();
  const delay = 10 * gifDelay(fps);
  const colors = palette.slice(0, COLORS);
  const pixels = new Uint8ClampedArray(size);
  let before: Uint8Array | null = null;
  for (let frame = 0; frame < frames; frame++) {
    await film.draw(frame, pixels);
    const indices = gifenc.applyPalette(pixels, colors);
    const drawn = before === null ? indices : changes(before, indices);
    encoder.writeFrame(drawn, width, height, {
      ...(before === null && { palette }),
      delay,
      dispose: 1, // what is there stays
      transparent: before !== null,
      transparentIndex: UNCHANGED,
    });
    before = indices;
    onFrame?.(frame + 1);
  }
  encoder.finish();
  return encoder.bytes();
}

/** Indices where they differ from those before. */
function changes(before: Uint8Array, now: Uint8Array): Uint8Array {
  const out = new Uint8Array(now.length);
  for (let i = 0; i < now.length; i++) out[i] = now[i] === before[i] ? UNCHANGED : now[i];
  return out;
}
