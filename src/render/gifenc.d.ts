/** What is used of gifenc, which has no types of its own. */

/** Red, green, blue, 0 to 255. */
type Color = [number, number, number];

interface FrameOptions {
  /** Needed for the first frame, which sets the palette of the file. */
  readonly palette?: readonly Color[];
  /** ms */
  readonly delay: number;
  readonly dispose: number;
  readonly transparent: boolean;
  readonly transparentIndex: number;
}

interface Encoder {
  writeFrame(indices: Uint8Array, width: number, height: number, options: FrameOptions): void;
  finish(): void;
  bytes(): Uint8Array;
}

export function GIFEncoder(): Encoder;
export function quantize(rgba: Uint8ClampedArray, colors: number): Color[];
export function applyPalette(
  rgba: Uint8ClampedArray,
  palette: readonly Color[],
): Uint8Array;
