/** Tests of pictures of the plane. */
import assert from "node:assert/strict";
import { loadEnv } from "../../src/envs/registry.ts";
import { planeFilm, planePicture, type PlaneShow } from "../../src/render/plane.ts";
import { KeyedRandom } from "../../src/util/prng.ts";

const SIZE = { width: 320, height: 240 };

function show(changes: Partial<PlaneShow> = {}): PlaneShow {
  return {
    title: "A point & its <goal>",
    goal: [2, 1],
    walls: [],
    paths: [{
      name: "before",
      returns: Float64Array.of(0, -1, -3.5),
      places: Float64Array.of(0, 0, 1, 0, 2, 0),
    }],
    ...changes,
  };
}

/** Points of the polylines of a picture. */
function lines(svg: string): number[][][] {
  return [...svg.matchAll(/points="([^"]*)"/g)].map(([, text]) =>
    text.split(" ").map((pair) => pair.split(",").map(Number))
  );
}

Deno.test("planePicture() draws ways and goal at one scale in both directions", () => {
  const svg = planePicture(show(), SIZE);
  assert.equal(svg, planePicture(show(), SIZE));
  const [[a, b, c]] = lines(svg);
  const step = b[0] - a[0];
  assert.ok(step > 20);
  assert.ok(Math.abs(c[0] - b[0] - step) < 0.02 && a[1] === b[1] && b[1] === c[1]);
  const goal = /<circle cx="([\d.]+)" cy="([\d.]+)" r="[\d.]+" fill="#009e73"\/>/.exec(svg)!.slice(
    1,
  ).map(Number);
  assert.ok(Math.abs(goal[0] - c[0]) < 0.02);
  // y grows upwards
  assert.ok(Math.abs(goal[1] - (c[1] - step)) < 0.02);
  // each axis has its unit, once
  assert.equal([...svg.matchAll(/>[\d.]+ m</g)].length, 2);
  assert.ok(svg.includes("A point &amp; its &lt;goal&gt;") && svg.includes("return −3.50"));
});

Deno.test("planePicture() shows a way up to a step", () => {
  const svg = planePicture(show(), SIZE, [1]);
  assert.equal(lines(svg)[0].length, 2);
  assert.ok(svg.includes("return −1.00") && svg.includes("step 1<"));
});

Deno.test("planePicture() draws the walls of MetaPointEnvWalls open where the point may pass", async () => {
  const factory = await loadEnv("MetaPointEnvWalls");
  const { rows } = factory.sampleTasks(new KeyedRandom(2), 0, 1);
  const walls = factory.wallsOf!(rows);
  assert.deepEqual(walls.map(({ radius }) => radius), [1, 2]);
  const goal = factory.goalOf!(rows);
  const svg = planePicture(show({ walls, goal }), SIZE);
  const [inner, outer, way] = lines(svg);
  // a unit in px, from the way, whose places are 1 m apart
  const unit = way[1][0] - way[0][0];
  const origin = way[0];
  for (const [i, line] of [inner, outer].entries()) {
    const { radius, gap, gapRadius } = walls[i];
    for (const [x, y] of line) {
      const place = [(x - origin[0]) / unit, (origin[1] - y) / unit];
      assert.ok(Math.abs(Math.hypot(...place) - radius) < 0.01);
      // the wall ends where the gap begins
      assert.ok(Math.hypot(place[0] - gap[0], place[1] - gap[1]) > gapRadius - 0.01);
    }
    const [first, last] = [line[0], line.at(-1)!].map(([x, y]) => {
      return Math.hypot((x - origin[0]) / unit - gap[0], (origin[1] - y) / unit - gap[1]);
    });
    assert.ok(Math.abs(first - gapRadius) < 0.01 && Math.abs(last - gapRadius) < 0.01);
  }
});

Deno.test("planeFilm() draws a frame for each step, panels side by side", async () => {
  const { paths } = show();
  const both = show({ paths: [...paths, { ...paths[0], name: "after" }] });
  const film = planeFilm(both, SIZE, 0.1, { fps: 10, speed: 1 });
  assert.deepEqual([film.width, film.height, film.frames], [644, 240, 3]);
  const frames = await Promise.all([0, 2].map(async (frame) => {
    const out = new Uint8ClampedArray(4 * film.width * film.height);
    await film.draw(frame, out);
    return out;
  }));
  assert.notDeepEqual(frames[0], frames[1]);
  assert.ok(frames[0].every((value, i) => i % 4 !== 3 || value === 255));
});

Deno.test("planePicture() leaves out of captions what has no room", () => {
  const texts = (width: number) =>
    [...planePicture(show(), { width, height: 64 }).matchAll(/<text [^>]*>([^<]*)<\/text>/g)]
      .map(([, text]) => text);
  assert.ok(texts(320).includes("before") && texts(320).includes("return −3.50"));
  const small = texts(64);
  assert.ok(!small.includes("before") && small.includes("−3.50"), small.join("|"));
});
