/** What draws pictures of a stage. */
import type { View } from "./camera.ts";

/** Size and quality of a renderer's pictures. */
export interface RenderOptions {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Default true. */
  readonly shadows?: boolean;
  /** Samples along each side of a pixel; default {@link DEFAULT_SAMPLES}. */
  readonly samples?: number;
}

/** Nine samples a pixel: edges have ten shades. */
export const DEFAULT_SAMPLES = 3;

/** Draws pictures of one stage. */
export interface Renderer {
  /** What it runs on, for people. */
  readonly description: string;
  /**
   * Draws one picture.
   * @param poses [S, 12] of the stage's solids
   * @param out [height, width, 4] red, green, blue, 255
   */
  draw(view: View, poses: Float32Array, out: Uint8ClampedArray): Promise<void>;
  /** Frees what it holds. */
  close(): void;
}
