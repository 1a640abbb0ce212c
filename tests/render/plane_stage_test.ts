/** Tests of ways in the plane as scenes that can be turned. */
import assert from "node:assert/strict";
import { POSE_SIZE } from "../../src/envs/scene.ts";
import { camerasFor } from "../../src/render/camera.ts";
import { wallLine } from "../../src/render/plane.ts";
import { planeStage } from "../../src/render/plane_stage.ts";
import { dot, plus } from "../../src/render/vector.ts";

const TURN = [[0, 0], [1, 0], [2, 0], [2, 1]];

function pathOf(places: readonly (readonly number[])[], name = "") {
  return {
    ...{ name, returns: new Float64Array(places.length) },
    places: Float64Array.from(places.flat()),
  };
}

function show(count = 1) {
  return {
    ...{ title: "", goal: [2, 2] as const, walls: [] },
    paths: Array.from({ length: count }, () => pathOf(TURN)),
  };
}

Deno.test("planeStage() has a ball that goes the way and dots where it has been", () => {
  const { solids, takes: [{ frames, poses, places }], robot, goal, floor } = planeStage(show());
  assert.equal(frames, 4);
  // the ball, a dot for each step, ring and ball of the goal
  assert.deepEqual([solids.length, robot, goal], [1 + 3 + 2, [0], [4, 5]]);
  const at = (f: number, s: number) => {
    const pose = (f * solids.length + s) * POSE_SIZE;
    return [...poses.subarray(pose, pose + 2)];
  };
  TURN.forEach((place, f) => {
    assert.deepEqual(at(f, 0), place);
    assert.deepEqual([...places.subarray(3 * f, 3 * f + 2)], place);
    for (const dot of [0, 1, 2]) assert.deepEqual(at(f, 1 + dot), TURN[Math.min(dot, f)]);
  });
  // solids lie on the floor, from which the goal can be seen
  assert.ok(Math.abs(floor.height) < 1e-6);
  assert.ok(floor.tile > 0.05 && floor.tile < 1, `${floor.tile}`);
  const goalSize = solids[4].mesh.radius;
  assert.ok(goalSize > 0.03 && goalSize < 0.3, `${goalSize}`);
});

Deno.test("planeStage() thins the dots of long ways, and shows ways of two lengths", () => {
  const long = Array.from({ length: 1001 }, (_, i) => [i / 100, 0]);
  const { solids, takes } = planeStage({ ...show(), paths: [pathOf(long), pathOf(TURN)] });
  assert.equal(solids.length, 1 + 100 + 2);
  assert.deepEqual(takes.map(({ frames }) => frames), [1001, 4]);
  // the second dot is that of step 10
  const { poses } = takes[0];
  assert.ok(Math.abs(poses[(500 * solids.length + 2) * POSE_SIZE] - 0.1) < 1e-6);
});

Deno.test("planeStage() lets walls stand where the way is barred", () => {
  const wall = { radius: 3, gap: [3, 0] as const, gapRadius: 1 };
  const stage = planeStage({ ...show(), walls: [wall] });
  const { solids, takes: [{ poses }] } = stage;
  const s = 1 + 3;
  const [[view]] = camerasFor(stage, 1, 0.05);
  for (const [x, y] of wallLine(wall)) {
    const away = plus([x, y, 0], view.eye, -1);
    const depth = dot(view.forward, away);
    const [across, along] = [dot(view.right, away), dot(view.up, away)].map((at) =>
      Math.abs(at) * view.focal / depth
    );
    assert.ok(depth > 0 && across < 1 && along < 1, "the camera shows the walls");
  }
  const { positions, normals, triangles } = solids[s].mesh;
  assert.deepEqual([...poses.subarray(s * POSE_SIZE, s * POSE_SIZE + 3)], [0, 0, 0]);
  let [low, high] = [Infinity, -Infinity];
  for (let v = 0; v < positions.length; v += 3) {
    const [x, y, z] = positions.subarray(v, v + 3);
    assert.ok(Math.abs(Math.hypot(x, y) - 3) < 0.1);
    assert.ok(Math.hypot(x - 3, y) > 0.9, "the gap is open");
    [low, high] = [Math.min(low, z), Math.max(high, z)];
  }
  assert.ok(low === 0 && high > 0.1);
  // outwards: the surface encloses a positive volume, that of the line's length, width and height
  let volume = 0;
  for (let t = 0; t < triangles.length; t += 3) {
    const [a, b, c] = [0, 1, 2].map((i) =>
      positions.subarray(3 * triangles[t + i], 3 * triangles[t + i] + 3)
    );
    volume += (a[0] * (b[1] * c[2] - b[2] * c[1]) + a[1] * (b[2] * c[0] - b[0] * c[2]) +
      a[2] * (b[0] * c[1] - b[1] * c[0])) / 6;
  }
  const line = wallLine(wall);
  const length = line.slice(1).reduce(
    (sum, [x, y], i) => sum + Math.hypot(x - line[i][0], y - line[i][1]),
    0,
  );
  const width = Math.max(...positions.filter((_, i) => i % 3 === 0).map(Math.abs)) * 2 - 6;
  assert.ok(volume > 0 && Math.abs(volume / (length * high * width) - 1) < 0.2, `${volume}`);
  assert.equal(normals.length, positions.length);
});
