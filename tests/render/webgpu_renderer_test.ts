/** Tests of pictures drawn by WebGPU: they are those of the CPU. */
import assert from "node:assert/strict";
import { POSE_SIZE } from "../../src/envs/scene.ts";
import { camerasFor } from "../../src/render/camera.ts";
import { WebGpuRenderer } from "../../src/render/webgpu_renderer.ts";
import { gpuTest } from "../compute/webgpu_support.ts";
import { FLOOR, picture, shape, stageOf } from "./helpers.ts";

const WALL = shape("mesh", [0, 0, 0], {
  rgba: [0.7, 0.6, 0.5, 1],
  depth: 0,
  mesh: {
    vertices: Float32Array.of(-100, 2, -9, 100, 2, -9, 100, 2, 9, -100, 2, 9),
    triangles: Uint32Array.of(0, 1, 2, 0, 2, 3),
  },
});

const STAGE = stageOf(
  [
    FLOOR,
    shape("sphere", [0.25, 0, 0], { rgba: null }),
    shape("capsule", [0.08, 0.3, 0], { rgba: null, depth: 2 }),
    shape("box", [0.1, 0.2, 0.3]),
    shape("cylinder", [0.1, 0.2, 0], { rgba: [0.2, 0.6, 0.3, 1] }),
    shape("ellipsoid", [0.1, 0.2, 0.3], { rgba: [0.9, 0.8, 0.1, 1] }),
    // a wall without end, part of it behind the camera, and a ball that is half below the floor
    WALL,
    shape("sphere", [0.3, 0, 0], { rgba: [0.5, 0.1, 0.5, 1] }),
  ],
  [[0, 0, 0], [0, 0, 0.7], [0.4, 0, 0.6], [-0.5, 0.2, 0.3], [0.3, -0.5, 0.2], [-0.3, -0.5, 0.4], [
    0,
    0,
    0,
  ], [0.8, -0.4, 0]],
  { goal: [1, 1], heading: [1, 0.5] },
);

for (const shadows of [true, false]) {
  gpuTest(`WebGpuRenderer draws what CpuRenderer draws, shadows: ${shadows}`, async () => {
    const options = { width: 160, height: 120, shadows };
    const [[view]] = camerasFor(STAGE, 4 / 3, 0.02);
    const { data } = await picture(STAGE, view, options);
    const renderer = await WebGpuRenderer.create(STAGE, options);
    const out = new Uint8ClampedArray(data.length);
    try {
      await renderer.draw(view, STAGE.takes[0].poses.subarray(0), out);
      // a second picture is not drawn over the first one
      await renderer.draw(view, STAGE.takes[0].poses.subarray(0), out);
    } finally {
      renderer.close();
    }
    let sum = 0;
    let far = 0;
    out.forEach((value, i) => {
      const difference = Math.abs(value - data[i]);
      sum += difference;
      if (difference > 32) far++;
    });
    assert.equal(STAGE.takes[0].poses.length, STAGE.solids.length * POSE_SIZE);
    // Both compute in other orders and precisions: colours differ by a rounding here and there, and
    // one of nine samples of a pixel at an edge may fall to the other side of it.
    assert.ok(sum / out.length < 0.1, `mean difference ${sum / out.length} of 255`);
    assert.ok(far <= out.length / 1000, `${far} values are far off`);
    assert.ok(new Set(out).size > 50, "there is no picture");
  });
}
