/** Tests of stages and cameras: what is shown, in which colours, and that all of it is seen. */
import assert from "node:assert/strict";
import { camerasFor, type View } from "../../src/render/camera.ts";
import { buildStage, type Stage } from "../../src/render/stage.ts";
import { linearColor, THEME } from "../../src/render/theme.ts";
import { POSE_SIZE } from "../../src/envs/scene.ts";
import { FLOOR, shape, stageOf, still } from "./helpers.ts";

const ASPECT = 4 / 3;

/** Largest |coordinate| in the picture of the vertices of solids, 1 at its edge. */
function farthest(stage: Stage, view: View, take: number, frame: number, solids: number[]): number {
  const { poses } = stage.takes[take];
  let most = 0;
  for (const s of solids) {
    const p = poses.subarray((frame * stage.solids.length + s) * POSE_SIZE);
    const { positions } = stage.solids[s].mesh;
    for (let v = 0; v < positions.length; v += 3) {
      const at = [0, 1, 2].map((i) =>
        p[i] - view.eye[i] +
        [0, 1, 2].reduce((sum, j) => sum + p[3 + 3 * i + j] * positions[v + j], 0)
      );
      const along = (axis: readonly number[]) => axis.reduce((sum, x, i) => sum + x * at[i], 0);
      const depth = along(view.forward);
      assert.ok(depth > 0);
      const across = Math.abs(along(view.right)) * view.focal / depth / ASPECT;
      most = Math.max(most, across, Math.abs(along(view.up)) * view.focal / depth);
    }
  }
  return most;
}

/** A ball that goes from one place to another in steps of 0.1 m, above the floor. */
function walk(to: number): Stage {
  const frames = Math.round(to / 0.1) + 1;
  const poses = Array.from({ length: frames }, (_, f) => still([0, 0, 0], [0.1 * f, 0, 0.3]));
  const take = Float32Array.from(poses.flatMap((pose) => [...pose]));
  return buildStage({ shapes: [FLOOR, shape("sphere", [0.3, 0, 0])], takes: [take] });
}

Deno.test("buildStage() takes the plane that looks up as the floor, or puts one below", () => {
  const ball = shape("sphere", [0.2, 0, 0]);
  const onPlane = stageOf([FLOOR, ball], [[0, 0, -0.5], [0, 0, 1]]);
  assert.equal(onPlane.floor.height, -0.5);
  assert.equal(onPlane.solids.length, 1);
  // the lowest point of a sphere of 32 corners, which has one at its pole
  const inSpace = stageOf([ball], [[0, 0, 1]]);
  assert.ok(Math.abs(inSpace.floor.height - 0.8) < 1e-6);
  // 1, 2 or 5 times a power of ten, at most 0.8 of the robot's reach
  assert.ok(Math.abs(onPlane.floor.tile - 0.1) < 1e-9);
  // a wall is no floor
  const wall = shape("plane", [1, 1, 1], { rgba: null, depth: 0 });
  const standing = Float32Array.of(0, 0, 0, 0, 0, 1, 0, 1, 0, -1, 0, 0, ...still([0, 0, 1]));
  const walled = buildStage({ shapes: [wall, ball], takes: [standing] });
  assert.equal(walled.solids.length, 2);
});

Deno.test("buildStage() colours what is damaged, the goal, the robot, what never moves", () => {
  const open = { rgba: null } as const;
  const shapes = [
    shape("box", [1, 1, 1], { ...open, depth: 0 }),
    shape("sphere", [0.2, 0, 0], { ...open, depth: 1, motors: [0] }),
    shape("sphere", [0.2, 0, 0], { ...open, depth: 2, motors: [1] }),
    shape("sphere", [0.2, 0, 0], { rgba: [0.9, 0.1, 0.1, 1], isMarker: true }),
    shape("sphere", [0.2, 0, 0], { rgba: [1, 1, 1, 1] }),
  ];
  const places = shapes.map((_, i) => [i, 0, 0] as const);
  const colors = (damagedMotors: number[]) =>
    stageOf(shapes, places, { damagedMotors }).solids.map(({ color }) => color);
  const { fixed, trunk, limbs, damage, goal } = THEME;
  assert.deepEqual(
    colors([]),
    [...[fixed, trunk, limbs[0], goal].map(linearColor), [1, 1, 1]],
  );
  assert.deepEqual(colors([1])[2], linearColor(damage));
  assert.deepEqual(colors([0])[1], linearColor(damage));
});

Deno.test("buildStage() marks the goal, and with a ball where the model has no marker", () => {
  const robot = shape("sphere", [0.5, 0, 0]);
  const marker = shape("sphere", [0.1, 0, 0], { depth: 0, isMarker: true });
  const bare = stageOf([FLOOR, robot], [[0, 0, 0], [0, 0, 0.5]], { goal: [2, -1, 0.4] });
  // robot, ring, ball
  assert.equal(bare.solids.length, 3);
  assert.deepEqual(bare.goal, [1, 2]);
  const at = (s: number) => [...bare.takes[0].poses.subarray(s * POSE_SIZE, s * POSE_SIZE + 3)];
  assert.deepEqual(at(1).slice(0, 2), [2, -1]);
  assert.ok(at(1)[2] > 0 && at(1)[2] < 0.01);
  assert.deepEqual(at(2), [2, -1, Math.fround(0.4)]);
  const marked = stageOf([FLOOR, robot, marker], [[0, 0, 0], [0, 0, 0.5], [2, -1, 0.4]], {
    goal: [2, -1],
  });
  assert.equal(marked.solids.length, 3);
});

Deno.test("buildStage() lets the arrow of a direction go along with the robot", () => {
  const poses = [still([0, 0, 0], [0, 0, 1]), still([0, 0, 0], [3, 1, 1])];
  const stage = buildStage({
    shapes: [FLOOR, shape("sphere", [0.5, 0, 0])],
    takes: [Float32Array.from(poses.flatMap((pose) => [...pose]))],
    heading: [0, -2],
  });
  const arrow = (frame: number) => {
    const at = (2 * frame + 1) * POSE_SIZE;
    return [...stage.takes[0].poses.subarray(at, at + POSE_SIZE)];
  };
  assert.deepEqual(arrow(1).slice(0, 2), [3, 1]);
  // its x axis, the first column of its rotation, points along -y
  assert.deepEqual([3, 6, 9].map((i) => arrow(0)[i]), [0, -1, 0]);
  assert.deepEqual(stage.goal, []);
});

Deno.test("buildStage() refuses what has nothing to show", () => {
  assert.throws(() => buildStage({ shapes: [], takes: [new Float32Array(0)] }), RangeError);
  assert.throws(() => buildStage({ shapes: [FLOOR], takes: [new Float32Array(0)] }), RangeError);
});

Deno.test("camerasFor() stands still and shows robot and goal where there is a goal", () => {
  const poses = Array.from({ length: 30 }, (_, f) => still([0, 0, 0], [0.1 * f, 0.02 * f, 0.5]));
  const stage = buildStage({
    shapes: [FLOOR, shape("box", [0.3, 0.2, 0.1])],
    takes: [Float32Array.from(poses.flatMap((pose) => [...pose]))],
    goal: [-2, 3],
  });
  const [views] = camerasFor(stage, ASPECT, 0.02);
  assert.equal(new Set(views).size, 1);
  const seen = [0, 29].map((f) => farthest(stage, views[f], 0, f, [0, ...stage.goal]));
  const most = Math.max(...seen);
  assert.ok(most <= 0.9, `${most}`);
  assert.ok(most >= 0.6, `far too small: ${most}`);
});

Deno.test("camerasFor() takes rollouts of any length", () => {
  const frames = 150_000;
  const take = new Float32Array(12 * frames);
  for (let f = 0; f < frames; f++) take.set(still([f % 2, 0, 0.3]), 12 * f);
  const stage = buildStage({
    shapes: [shape("sphere", [0.2, 0, 0])],
    takes: [take],
    goal: [2, 0],
  });
  assert.equal(camerasFor(stage, 1, 0.05)[0].length, frames);
});

Deno.test("camerasFor() follows a robot that goes away, at one distance, keeping it in sight", () => {
  const stage = walk(12);
  const [views] = camerasFor(stage, ASPECT, 0.02);
  assert.ok(new Set(views).size > 100);
  const distance = ({ eye, focus }: View) => Math.hypot(...eye.map((x, i) => x - focus[i]));
  for (const [f, view] of views.entries()) {
    assert.ok(Math.abs(distance(view) - distance(views[0])) < 1e-9);
    assert.ok(farthest(stage, view, 0, f, [0]) < 0.9);
  }
  // one that stays is not followed, unless it is asked for
  const near = walk(0.3);
  assert.equal(new Set(camerasFor(near, ASPECT, 0.02)[0]).size, 1);
  assert.ok(new Set(camerasFor(near, ASPECT, 0.02, { camera: "follow" })[0]).size > 1);
  assert.equal(new Set(camerasFor(stage, ASPECT, 0.02, { camera: "whole" })[0]).size, 1);
});

Deno.test("camerasFor() looks from the side at what moves in a vertical plane, or as asked", () => {
  const elevation = ({ forward }: View) => Math.asin(-forward[2]) * 180 / Math.PI;
  const take = (...places: (readonly [number, number, number])[]) =>
    Float32Array.from(places.flatMap((at) => [...still([0, 0, 0], at)]));
  const viewOf = (poses: Float32Array, options = {}) =>
    camerasFor(
      buildStage({ shapes: [FLOOR, shape("sphere", [0.3, 0, 0])], takes: [poses] }),
      ASPECT,
      0.02,
      options,
    )[0][0];
  const side = elevation(viewOf(take([0, 0, 1], [0.5, 0, 0.8])));
  const space = elevation(viewOf(take([0, 0, 1], [0.5, 0.4, 0.8])));
  const above = elevation(viewOf(take([0, 0, 1], [0.5, 0.4, 1])));
  assert.ok(side < space && space < above, `${side} ${space} ${above}`);
  const asked = viewOf(take([0, 0, 1]), { elevation: 40, azimuth: 0 });
  assert.ok(Math.abs(elevation(asked) - 40) < 1e-9);
  assert.ok(asked.eye[0] > 0 && Math.abs(asked.eye[1]) < 1e-9);
  // the floor's shading relies on a camera that never rolls
  assert.equal(Math.abs(asked.right[2]), 0);
});
