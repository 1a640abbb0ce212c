/** Moving pictures: what writers of GIF, MP4 and PNG are given, and pictures put together. */

/** A moving picture whose frames are drawn when asked for. */
export interface Film {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Number of frames. */
  readonly frames: number;
  /** Frames a second. */
  readonly fps: number;
  /**
   * Draws a frame.
   * @param out [height, width, 4]
   */
  draw(frame: number, out: Uint8ClampedArray): Promise<void>;
}

/** Copies a picture into a larger one, its left upper corner at (x, y). */
export function paste(
  from: Uint8ClampedArray,
  fromWidth: number,
  to: Uint8ClampedArray,
  toWidth: number,
  x: number,
  y: number,
): void {
  const rows = from.length / (4 * fromWidth);
  for (let row = 0; row < rows; row++) {
    to.set(
      from.subarray(4 * row * fromWidth, 4 * (row + 1) * fromWidth),
      4 * ((y + row) * toWidth + x),
    );
  }
}

/** `count` of the frames, evenly spread, first and last among them. */
export function moments(frames: number, count: number): number[] {
  if (count === 1) return [frames - 1];
  const shown = Math.min(count, frames);
  return Array.from({ length: shown }, (_, i) => Math.round(i * (frames - 1) / (shown - 1 || 1)));
}

/** White between pictures, px. */
const GAP = 4;

/** Frames of a film, side by side and in rows, as one picture. */
export async function contactSheet(
  film: Film,
  shown: readonly number[],
  columns: number,
): Promise<{ width: number; height: number; data: Uint8ClampedArray }> {
  const rows = Math.ceil(shown.length / columns);
  const across = Math.min(columns, shown.length);
  const width = across * film.width + (across - 1) * GAP;
  const height = rows * film.height + (rows - 1) * GAP;
  const data = new Uint8ClampedArray(4 * width * height).fill(255);
  const frame = new Uint8ClampedArray(4 * film.width * film.height);
  for (const [i, index] of shown.entries()) {
    await film.draw(index, frame);
    const [column, row] = [i % columns, Math.floor(i / columns)];
    const [x, y] = [column * (film.width + GAP), row * (film.height + GAP)];
    paste(frame, film.width, data, width, x, y);
  }
  return { width, height, data };
}
