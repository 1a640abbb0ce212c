/** Stages of a few shapes for tests, and what is read from pictures. */
import { POSE_SIZE, type Shape } from "../../src/envs/scene.ts";
import type { View } from "../../src/render/camera.ts";
import { CpuRenderer } from "../../src/render/cpu_renderer.ts";
import type { RenderOptions } from "../../src/render/renderer.ts";
import { buildStage, type Stage, type StageSpec } from "../../src/render/stage.ts";

/** A shape with a colour of its own, of a robot that moves. */
export function shape(
  kind: Shape["kind"],
  size: readonly [number, number, number],
  changes: Partial<Shape> = {},
): Shape {
  return {
    ...{ name: "", kind, size, rgba: [1, 0, 0, 1], depth: 1, motors: [], isMarker: false },
    ...changes,
  };
}

/** The floor z = 0. */
export const FLOOR: Shape = shape("plane", [0, 0, 1], { rgba: null, depth: 0 });

/** One frame's poses: shapes at these places, not turned. */
export function still(...places: readonly (readonly [number, number, number])[]): Float32Array {
  return Float32Array.from(places.flatMap((at) => [...at, 1, 0, 0, 0, 1, 0, 0, 0, 1]));
}

/** A stage of one frame. */
export function stageOf(
  shapes: readonly Shape[],
  places: readonly (readonly [number, number, number])[],
  spec: Partial<StageSpec> = {},
): Stage {
  return buildStage({ shapes, takes: [still(...places)], ...spec });
}

/** A picture. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** [height, width, 4] */
  readonly data: Uint8ClampedArray;
}

/** Draws the first frame of a stage on the CPU. */
export async function picture(stage: Stage, view: View, options: RenderOptions): Promise<Picture> {
  const { width, height } = options;
  const data = new Uint8ClampedArray(4 * width * height);
  const poses = stage.takes[0].poses.subarray(0, stage.solids.length * POSE_SIZE);
  await new CpuRenderer(stage, options).draw(view, poses, data);
  return { width, height, data };
}

/** Red, green, blue of a pixel. */
export function pixel({ width, data }: Picture, x: number, y: number): number[] {
  return [...data.subarray(4 * (y * width + x), 4 * (y * width + x) + 3)];
}

/** How much of each pixel is red rather than grey, 0 to 1: [height, width] */
export function redness({ width, height, data }: Picture): Float64Array {
  return Float64Array.from({ length: width * height }, (_, i) => {
    // nothing but the solid has a red part that is twice the green one
    return data[4 * i] > 2 * data[4 * i + 1] ? 1 : 0;
  });
}
