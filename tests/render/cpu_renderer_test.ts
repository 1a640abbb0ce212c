/** Tests of pictures drawn on the CPU: where things are seen, how they are lit, what hides what. */
import assert from "node:assert/strict";
import { viewFrom } from "../../src/render/camera.ts";
import { AMBIENT, fromLinear, HIGHLIGHT, SUN, THEME, toLinear } from "../../src/render/theme.ts";
import { buildStage } from "../../src/render/stage.ts";
import { FLOOR, picture, pixel, redness, shape, stageOf, still } from "./helpers.ts";

const SIZE = { width: 160, height: 120 };
/** Half the vertical angle of view is 20 degrees. */
const ZOOM = SIZE.height / 2 / Math.tan(20 * Math.PI / 180);

/** Columns (or rows) that hold red, as the edges of what is seen. */
function extent(found: Float64Array, width: number, axis: "x" | "y"): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  found.forEach((red, i) => {
    if (red === 0) return;
    const at = axis === "x" ? i % width : Math.floor(i / width);
    low = Math.min(low, at);
    high = Math.max(high, at + 1);
  });
  return [low, high];
}

Deno.test("CpuRenderer shows a sphere where perspective puts it", async () => {
  // From -y, horizontally, at a distance of 4 m. A sphere of radius r at distance d, at the angle a
  // from the axis, is seen between the angles a - asin(r / d) and a + asin(r / d).
  const view = viewFrom([0, 0, 0], 4, -90, 0, 2);
  const radius = 0.4;
  for (const [x, z] of [[0, 0], [0.9, 0], [-0.6, 0.5]] as const) {
    const stage = stageOf([shape("sphere", [radius, 0, 0])], [[x, 0, z]]);
    const found = redness(await picture(stage, view, SIZE));
    // The planes through the camera's vertical that touch the sphere: what happens in height is
    // without influence.
    const edges = (offset: number): [number, number] => {
      const angle = Math.atan2(offset, 4);
      const half = Math.asin(radius / Math.hypot(offset, 4));
      return [ZOOM * Math.tan(angle - half), ZOOM * Math.tan(angle + half)];
    };
    const [left, right] = edges(x);
    const [bottom, top] = edges(z);
    const close = (a: number, b: number, what: string) =>
      // an edge lies within a pixel, of which half or more has to be red; the sphere has 32 corners
      assert.ok(Math.abs(a - b) <= 1, `${what} of (${x}, ${z}): ${a}, wanted ${b}`);
    const columns = extent(found, SIZE.width, "x");
    const rows = extent(found, SIZE.width, "y");
    close(columns[0], SIZE.width / 2 + left, "left");
    close(columns[1], SIZE.width / 2 + right, "right");
    close(rows[0], SIZE.height / 2 - top, "top");
    close(rows[1], SIZE.height / 2 - bottom, "bottom");
  }
});

Deno.test("CpuRenderer's sphere covers the area of its disc", async () => {
  const view = viewFrom([0, 0, 0], 4, -90, 0, 2);
  const stage = stageOf([shape("sphere", [0.4, 0, 0])], [[0, 0, 0]]);
  const area = redness(await picture(stage, view, SIZE)).reduce((sum, red) => sum + red, 0);
  const radius = ZOOM * Math.tan(Math.asin(0.4 / 4));
  // a pixel at the edge counts where most of it is covered: half a pixel less all around
  const [least, most] = [radius - 0.75, radius].map((r) => Math.PI * r * r);
  assert.ok(area > least && area <= most, `${area}, wanted ${least} to ${most}`);
});

Deno.test("CpuRenderer lights a face as its normal and the sun say", async () => {
  // the top of a box, seen from above at 60 degrees; the sun's direction is the view's
  const view = viewFrom([0, 0, 0], 5, -90, 60, 2);
  const rgb = [0.8, 0.4, 0.2] as const;
  const box = shape("box", [0.5, 0.5, 0.5], { rgba: [...rgb, 1] });
  const stage = stageOf([box], [[0, 0, -0.5]]);
  const found = pixel(await picture(stage, view, { ...SIZE, shadows: false }), 80, 60);
  const up = [0, 0, 1];
  const toEye = [0, -Math.cos(Math.PI / 3), Math.sin(Math.PI / 3)];
  const half = view.sun.map((x, i) => x + toEye[i]);
  const cosine = half[2] / Math.hypot(...half);
  const wanted = rgb.map((value, i) => {
    const facing = up.reduce((sum, x, axis) => sum + x * view.sun[axis], 0);
    const light = toLinear(value) * (AMBIENT.sky[i] + facing * SUN[i]) + HIGHLIGHT * cosine ** 32;
    return 255 * fromLinear(light);
  });
  // rounding, and 4096 tones of light
  found.forEach((value, i) => assert.ok(Math.abs(value - wanted[i]) <= 1, `${found} ${wanted}`));
});

Deno.test("CpuRenderer hides what is behind, in whatever order it is drawn", async () => {
  const view = viewFrom([0, 0, 0], 4, -90, 0, 2);
  const red = shape("sphere", [0.3, 0, 0]);
  const blue = shape("sphere", [0.3, 0, 0], { rgba: [0, 0, 1, 1] });
  const front: [number, number, number] = [0, -0.5, 0];
  const back: [number, number, number] = [0, 0.5, 0];
  const middle = async (shapes: typeof red[], places: typeof front[]) => {
    const [r, , b] = pixel(await picture(stageOf(shapes, places), view, SIZE), 80, 60);
    return r > b ? "red" : "blue";
  };
  assert.equal(await middle([red, blue], [front, back]), "red");
  assert.equal(await middle([blue, red], [back, front]), "red");
  assert.equal(await middle([red, blue], [back, front]), "blue");
});

Deno.test("CpuRenderer's floor hides what is below it", async () => {
  const view = viewFrom([0, 0, 0], 4, -90, 40, 2);
  const at = async (z: number) => {
    const stage = stageOf([FLOOR, shape("sphere", [0.3, 0, 0])], [[0, 0, 0], [0, 0, z]]);
    return redness(await picture(stage, view, SIZE)).reduce((sum, red) => sum + red, 0);
  };
  assert.equal(await at(-0.31), 0);
  // more than half of a sphere whose upper half is above the floor is seen from above
  const [half, whole] = [await at(0), await at(0.3)];
  assert.ok(half > 0.5 * whole && half < 0.9 * whole, `${half} of ${whole}`);
});

Deno.test("CpuRenderer cuts off what is behind the camera", async () => {
  // the wall x = 0.5, 200 m long, goes past the camera on its right
  const wall = shape("plane", [0, 0, 1], { rgba: [1, 0, 0, 1], depth: 0 });
  const facing = Float32Array.of(0.5, 0, 0, 0, 0, -1, 0, 1, 0, 1, 0, 0);
  const stage = buildStage({
    shapes: [shape("sphere", [0.1, 0, 0], { rgba: [0, 0, 1, 1] }), wall],
    takes: [Float32Array.of(...still([0, 0, 0]), ...facing)],
  });
  const view = viewFrom([0, 0, 0], 4, -90, 0, 2);
  const found = redness(await picture(stage, view, { ...SIZE, shadows: false }));
  // The wall goes from the edge of the picture to the vanishing point in its middle; at the depth
  // of 4 m it is at ZOOM 0.5 / 4 right of the middle. Above the horizon nothing is before it.
  const row = SIZE.width * Math.round(SIZE.height / 3);
  const first = found.subarray(row, row + SIZE.width).indexOf(1);
  assert.ok(first > SIZE.width / 2, `${first}`);
  assert.ok(first < SIZE.width / 2 + ZOOM * 0.5 / 4, `${first}`);
  assert.ok(found.subarray(row + first, row + SIZE.width).every((red) => red === 1));
});

Deno.test("CpuRenderer gives tiles in full light their colours, by turns", async () => {
  // straight above the middles of the tiles [0, 1) x [0, 1) and [1, 2) x [0, 1) of a reach of 1.3 m
  const tile = 1;
  const stage = stageOf([FLOOR, shape("sphere", [1.3, 0, 0])], [[0, 0, 0], [40, 0, 2]]);
  assert.equal(stage.floor.tile, tile);
  const hex = (text: string) => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
  const seen = async (x: number, y: number) => {
    const view = viewFrom([x, y, 0], 3, -90, 80, 4);
    return pixel(await picture(stage, view, { ...SIZE, shadows: false }), 80, 60);
  };
  const close = (found: number[], wanted: number[]) =>
    found.forEach((v, i) => assert.ok(Math.abs(v - wanted[i]) <= 1, `${found}, ${wanted}`));
  close(await seen(0.5, 0.5), hex(THEME.tileDark));
  close(await seen(1.5, 0.5), hex(THEME.tileLight));
  close(await seen(1.5, 1.5), hex(THEME.tileDark));
  close(await seen(-0.5, 0.5), hex(THEME.tileLight));
});

Deno.test("CpuRenderer casts a shadow away from the sun, and none where it is told so", async () => {
  const height = 1;
  const view = viewFrom([0, 0, 0.5], 6, -90, 50, 2.5);
  const stage = stageOf([FLOOR, shape("sphere", [0.3, 0, 0])], [[0, 0, 0], [0, 0, height]]);
  const lit = await picture(stage, view, { ...SIZE, shadows: false });
  const shaded = await picture(stage, view, SIZE);
  // where the line from the sun through the sphere's middle meets the floor
  const at = [0, 1].map((i) => -height * view.sun[i] / view.sun[2]);
  const away = [at[0] - view.eye[0], at[1] - view.eye[1], -view.eye[2]];
  const along = (axis: readonly number[]) => axis.reduce((sum, x, i) => sum + x * away[i], 0);
  const depth = along(view.forward);
  const x = Math.round(SIZE.width / 2 + ZOOM * along(view.right) / depth);
  const y = Math.round(SIZE.height / 2 - ZOOM * along(view.up) / depth);
  assert.ok(pixel(shaded, x, y)[0] < 0.75 * pixel(lit, x, y)[0], `${pixel(shaded, x, y)}`);
  // on the other side of the sphere there is light
  const mirrored = SIZE.width - x;
  assert.deepEqual(pixel(shaded, mirrored, y), pixel(lit, mirrored, y));
  assert.notEqual(x, mirrored);
});

Deno.test("CpuRenderer's edges are smooth: a pixel that is half covered is between both", async () => {
  // a box whose right side is seen edge-on through the middle of column 80
  const view = viewFrom([0, 0, 0], 4, -90, 0, 2);
  const right = 0.5 / ZOOM * 3.5;
  const box = shape("box", [0.5, 0.5, 0.5], { rgba: [0, 0, 0, 1] });
  const stage = stageOf([box], [[right - 0.5, 0, 0]]);
  const found = await picture(stage, view, { ...SIZE, shadows: false });
  const [inside, edge, outside] = [79, 80, 81].map((x) => pixel(found, x, 60)[1]);
  assert.ok(inside < edge && edge < outside, `${[inside, edge, outside]}`);
});
