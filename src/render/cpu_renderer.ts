/**
 * Draws on the CPU: a rasteriser of triangles with a depth buffer, a shadow map, and shading of
 * what is visible. Follows the steps of `lighting.ts`.
 *
 * Axis letters: W, H pixels; n samples along a pixel's side; S texels of the shadow map.
 */
import { POSE_SIZE } from "../envs/scene.ts";
import type { View } from "./camera.ts";
import {
  FADE,
  LIGHT,
  SHADOW_BIAS,
  SHADOW_DEPTHS,
  SHADOW_OFFSET,
  shadowMapSize,
  type SunFrame,
  sunFrame,
  ZENITH_SINE,
} from "./lighting.ts";
import { DEFAULT_SAMPLES, type Renderer, type RenderOptions } from "./renderer.ts";
import type { Solid, Stage } from "./stage.ts";
import { fromLinear } from "./theme.ts";
import { dot, plus, type Vector } from "./vector.ts";

/** Entries of the table from linear light to 0 .. 255. */
const TONES = 4096;
const TONE: Uint8Array = Uint8Array.from(
  { length: TONES + 1 },
  (_, i) => Math.round(255 * fromLinear(i / TONES)),
);
/** What is nearer than this to the camera's plane is cut off, m. */
const NEAR = 1e-3;
/** Numbers of a corner of what is left of a cut triangle: place before the camera, normal. */
const CORNER_SIZE = 6;

/** Screen x, y, nearness; normal in the world. */
type Corner = [number, number, number, number, number, number];

/** Draws on the calling thread. */
export class CpuRenderer implements Renderer {
  readonly description = "CPU";
  readonly #stage: Stage;
  readonly #width: number;
  readonly #height: number;
  readonly #samples: number;
  /** [nH, nW] one over the distance along the camera's direction, 0: nothing */
  readonly #nearness: Float32Array;
  /** [nH, nW] index of the solid seen, plus 1 */
  readonly #seen: Uint16Array;
  /** [nH, nW, 3] normal of what is seen, in the world, of any length */
  readonly #normals: Float32Array;
  /** [S, S] depth towards the sun, 0: nothing */
  readonly #shadowMap: Float32Array;
  readonly #mapSize: number;
  /** Texels of the shadow map that hold something: least and largest column and row. */
  readonly #shaded = new Int32Array(4);
  /** [most vertices, 3] places before the camera: right, up, forward, m */
  readonly #placed: Float64Array;
  /** [most vertices, 3] screen x, y and nearness; or texel, texel, depth */
  readonly #projected: Float64Array;
  /** [most vertices, 3] normals in the world */
  readonly #turned: Float64Array;
  /** Samples that a solid may be seen at: least and largest column and row. */
  readonly #drawn = new Int32Array(4);
  /** [4, 6] corners of what is left of a triangle that is cut */
  readonly #cut = new Float64Array(4 * CORNER_SIZE);
  /** Light of the sample that was shaded last. */
  readonly #light = new Float64Array(3);

  constructor(stage: Stage, options: RenderOptions) {
    const { width, height, shadows = true, samples = DEFAULT_SAMPLES } = options;
    const count = width * height * samples * samples;
    const mostVertices = Math.max(...stage.solids.map(({ mesh }) => mesh.positions.length));
    this.#stage = stage;
    this.#width = width;
    this.#height = height;
    this.#samples = samples;
    this.#nearness = new Float32Array(count);
    this.#seen = new Uint16Array(count);
    this.#normals = new Float32Array(3 * count);
    this.#mapSize = shadows ? shadowMapSize(Math.max(width, height)) : 0;
    this.#shadowMap = new Float32Array(this.#mapSize ** 2);
    this.#placed = new Float64Array(mostVertices);
    this.#projected = new Float64Array(mostVertices);
    this.#turned = new Float64Array(mostVertices);
  }

  draw(view: View, poses: Float32Array, out: Uint8ClampedArray): Promise<void> {
    const sun = sunFrame(view, this.#mapSize || 1);
    const { solids } = this.#stage;
    this.#shadowMap.fill(0);
    this.#shaded.set([this.#mapSize, -1, this.#mapSize, -1]);
    if (this.#mapSize > 0) {
      solids.forEach((solid, s) => this.#drawShadow(solid, sun, poses, s * POSE_SIZE));
    }
    this.#nearness.fill(0);
    this.#seen.fill(0);
    this.#drawn.set([this.#samples * this.#width, -1, this.#samples * this.#height, -1]);
    solids.forEach((solid, s) => this.#drawSolid(solid, s + 1, view, poses, s * POSE_SIZE));
    this.#shade(view, sun, out);
    return Promise.resolve();
  }

  close(): void {}

  /** Puts a solid into the shadow map. */
  #drawShadow({ mesh }: Solid, sun: SunFrame, poses: Float32Array, at: number): void {
    const size = this.#mapSize;
    const scale = size / (2 * sun.range);
    const { positions } = mesh;
    const to = this.#projected;
    transform(positions, poses, at, [
      [...times(sun.u, scale), size / 2 - scale * sun.u0],
      [...times(sun.v, scale), size / 2 - scale * sun.v0],
      [
        ...times(sun.sun, 1 / (SHADOW_DEPTHS * sun.range)),
        0.5 - sun.sun0 / (SHADOW_DEPTHS * sun.range),
      ],
    ], to);
    const map = this.#shadowMap;
    const shaded = this.#shaded;
    const { triangles } = mesh;
    for (let t = 0; t < triangles.length; t += 3) {
      const a = 3 * triangles[t], b = 3 * triangles[t + 1], c = 3 * triangles[t + 2];
      const ax = to[a], ay = to[a + 1], bx = to[b], by = to[b + 1], cx = to[c], cy = to[c + 1];
      const area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay);
      // what looks away from the sun lies behind something that looks towards it
      if (!(area > 0)) continue;
      const x0 = Math.max(Math.ceil(Math.min(ax, bx, cx) - 0.5), 0);
      const x1 = Math.min(Math.floor(Math.max(ax, bx, cx) - 0.5), size - 1);
      const y0 = Math.max(Math.ceil(Math.min(ay, by, cy) - 0.5), 0);
      const y1 = Math.min(Math.floor(Math.max(ay, by, cy) - 0.5), size - 1);
      if (x1 < x0 || y1 < y0) continue;
      if (x0 < shaded[0]) shaded[0] = x0;
      if (x1 > shaded[1]) shaded[1] = x1;
      if (y0 < shaded[2]) shaded[2] = y0;
      if (y1 > shaded[3]) shaded[3] = y1;
      const az = to[a + 2], bz = to[b + 2], cz = to[c + 2];
      const over = 1 / area;
      const bStep = (cy - ay) * over, cStep = (ay - by) * over;
      for (let y = y0; y <= y1; y++) {
        const px = x0 + 0.5 - ax, py = y + 0.5 - ay;
        let wb = (px * (cy - ay) - (cx - ax) * py) * over;
        let wc = ((bx - ax) * py - px * (by - ay)) * over;
        const skipped = stepsBefore(wb, wc, bStep, cStep);
        wb += skipped * bStep;
        wc += skipped * cStep;
        const row = y * size;
        let wasInside = false;
        for (let x = x0 + skipped; x <= x1; x++, wb += bStep, wc += cStep) {
          const wa = 1 - wb - wc;
          if (wa < 0 || wb < 0 || wc < 0) {
            if (wasInside) break;
            continue;
          }
          wasInside = true;
          const depth = wa * az + wb * bz + wc * cz;
          if (depth > map[row + x]) map[row + x] = depth;
        }
      }
    }
  }

  /** Draws a solid into the depth buffer. */
  #drawSolid(
    { mesh }: Solid,
    label: number,
    view: View,
    poses: Float32Array,
    at: number,
  ): void {
    const { right, up, forward, eye, focal } = view;
    const n = this.#samples;
    const width = n * this.#width, height = n * this.#height;
    const { positions, normals, triangles } = mesh;
    const placed = this.#placed, to = this.#projected, turned = this.#turned;
    transform(positions, poses, at, [
      [...right, -dot(right, eye)],
      [...up, -dot(up, eye)],
      [...forward, -dot(forward, eye)],
    ], placed);
    const zoom = height / 2 * focal;
    for (let v = 0; v < positions.length; v += 3) {
      const nearness = placed[v + 2] > NEAR ? 1 / placed[v + 2] : 0;
      to[v] = width / 2 + zoom * placed[v] * nearness;
      to[v + 1] = height / 2 - zoom * placed[v + 1] * nearness;
      to[v + 2] = nearness;
    }
    for (let v = 0; v < normals.length; v += 3) {
      const x = normals[v], y = normals[v + 1], z = normals[v + 2];
      turned[v] = poses[at + 3] * x + poses[at + 4] * y + poses[at + 5] * z;
      turned[v + 1] = poses[at + 6] * x + poses[at + 7] * y + poses[at + 8] * z;
      turned[v + 2] = poses[at + 9] * x + poses[at + 10] * y + poses[at + 11] * z;
    }
    for (let t = 0; t < triangles.length; t += 3) {
      const a = 3 * triangles[t], b = 3 * triangles[t + 1], c = 3 * triangles[t + 2];
      if (to[a + 2] === 0 || to[b + 2] === 0 || to[c + 2] === 0) {
        this.#fillCut(label, a, b, c, zoom);
        continue;
      }
      this.#fill(
        label,
        to[a],
        to[a + 1],
        to[a + 2],
        turned[a],
        turned[a + 1],
        turned[a + 2],
        to[b],
        to[b + 1],
        to[b + 2],
        turned[b],
        turned[b + 1],
        turned[b + 2],
        to[c],
        to[c + 1],
        to[c + 2],
        turned[c],
        turned[c + 1],
        turned[c + 2],
      );
    }
  }

  /** Fills what of a triangle lies before the near plane: three or four corners, or none. */
  #fillCut(label: number, a: number, b: number, c: number, zoom: number): void {
    const placed = this.#placed, turned = this.#turned, cut = this.#cut;
    const width = this.#samples * this.#width, height = this.#samples * this.#height;
    const vertices = [a, b, c];
    let corners = 0;
    const add = (from: number, to: number, share: number) => {
      for (let i = 0; i < 3; i++) {
        const at = corners * CORNER_SIZE + i;
        cut[at] = placed[from + i] + share * (placed[to + i] - placed[from + i]);
        cut[at + 3] = turned[from + i] + share * (turned[to + i] - turned[from + i]);
      }
      corners++;
    };
    for (let i = 0; i < 3; i++) {
      const from = vertices[i], to = vertices[(i + 1) % 3];
      const [near, far] = [placed[from + 2] - NEAR, placed[to + 2] - NEAR];
      if (near > 0) add(from, to, 0);
      if (near > 0 !== far > 0) add(from, to, near / (near - far));
    }
    const corner = (i: number): Corner => {
      const [x, y, depth, nx, ny, nz] = cut.subarray(i * CORNER_SIZE, (i + 1) * CORNER_SIZE);
      return [width / 2 + zoom * x / depth, height / 2 - zoom * y / depth, 1 / depth, nx, ny, nz];
    };
    for (let i = 2; i < corners; i++) {
      this.#fill(label, ...corner(0), ...corner(i - 1), ...corner(i));
    }
  }

  /** Fills a triangle whose corners are given as screen x, y, nearness and normal. */
  #fill(
    label: number,
    ax: number,
    ay: number,
    az: number,
    anx: number,
    any: number,
    anz: number,
    bx: number,
    by: number,
    bz: number,
    bnx: number,
    bny: number,
    bnz: number,
    cx: number,
    cy: number,
    cz: number,
    cnx: number,
    cny: number,
    cnz: number,
  ): void {
    const area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay);
    // rows go downwards, so what is counterclockwise in the world is clockwise here
    if (!(area < 0)) return;
    const width = this.#samples * this.#width, height = this.#samples * this.#height;
    const nearest = this.#nearness, seen = this.#seen, normals = this.#normals;
    const x0 = Math.max(Math.ceil(Math.min(ax, bx, cx) - 0.5), 0);
    const x1 = Math.min(Math.floor(Math.max(ax, bx, cx) - 0.5), width - 1);
    const y0 = Math.max(Math.ceil(Math.min(ay, by, cy) - 0.5), 0);
    const y1 = Math.min(Math.floor(Math.max(ay, by, cy) - 0.5), height - 1);
    const drawn = this.#drawn;
    if (x0 < drawn[0]) drawn[0] = x0;
    if (x1 > drawn[1]) drawn[1] = x1;
    if (y0 < drawn[2]) drawn[2] = y0;
    if (y1 > drawn[3]) drawn[3] = y1;
    const over = 1 / area;
    const bStep = (cy - ay) * over, cStep = (ay - by) * over;
    for (let y = y0; y <= y1; y++) {
      const px = x0 + 0.5 - ax, py = y + 0.5 - ay;
      let wb = (px * (cy - ay) - (cx - ax) * py) * over;
      let wc = ((bx - ax) * py - px * (by - ay)) * over;
      const skipped = stepsBefore(wb, wc, bStep, cStep);
      wb += skipped * bStep;
      wc += skipped * cStep;
      let wasInside = false;
      for (
        let x = x0 + skipped, i = y * width + x;
        x <= x1;
        x++, i++, wb += bStep, wc += cStep
      ) {
        const wa = 1 - wb - wc;
        if (wa < 0 || wb < 0 || wc < 0) {
          if (wasInside) break;
          continue;
        }
        wasInside = true;
        const na = wa * az, nb = wb * bz, nc = wc * cz;
        const nearness = na + nb + nc;
        if (nearness <= nearest[i]) continue;
        nearest[i] = nearness;
        seen[i] = label;
        normals[3 * i] = na * anx + nb * bnx + nc * cnx;
        normals[3 * i + 1] = na * any + nb * bny + nc * cny;
        normals[3 * i + 2] = na * anz + nb * bnz + nc * cnz;
      }
    }
  }

  /** Makes colours of what is seen. */
  #shade(view: View, sun: SunFrame, out: Uint8ClampedArray): void {
    const { solids } = this.#stage;
    const light = this.#light, seen = this.#seen, nearest = this.#nearness, normals = this.#normals;
    const W = this.#width, H = this.#height, n = this.#samples;
    const { right, up, forward, focal } = view;
    const pixel = 2 / (H * focal);
    const share = 1 / (n * n);
    const [left, last, top, bottom] = this.#drawn;
    // height of the floor, seen from the camera
    const floorAt = this.#stage.floor.height - view.eye[2];
    for (let y = 0; y < H; y++) {
      for (let x = 0; x < W; x++) {
        let r = 0, g = 0, b = 0;
        let isEmpty = true;
        const mayBeSeen = n * x + n > left && n * x <= last && n * y + n > top && n * y <= bottom;
        for (let sy = n * y; isEmpty && mayBeSeen && sy < n * y + n; sy++) {
          for (let i = sy * n * W + n * x, end = i + n; i < end; i++) {
            if (seen[i] !== 0) {
              isEmpty = false;
              break;
            }
          }
        }
        if (isEmpty) {
          this.#shadeGround((x + 0.5 - W / 2) * pixel, (H / 2 - y - 0.5) * pixel, pixel, view, sun);
          r = light[0];
          g = light[1];
          b = light[2];
        } else {
          for (let sy = 0; sy < n; sy++) {
            for (let sx = 0; sx < n; sx++) {
              const i = (n * y + sy) * n * W + n * x + sx;
              const across = (x + (sx + 0.5) / n - W / 2) * pixel;
              const along = (H / 2 - y - (sy + 0.5) / n) * pixel;
              const label = seen[i];
              const depth = 1 / nearest[i];
              const towardsFloor = forward[2] + along * up[2];
              const isBelow = floorAt < 0 && towardsFloor < 0 && floorAt > depth * towardsFloor;
              if (label === 0 || isBelow) {
                this.#shadeGround(across, along, pixel / n, view, sun);
              } else {
                this.#shadeSolid(
                  solids[label - 1].color,
                  forward[0] + across * right[0] + along * up[0],
                  forward[1] + across * right[1] + along * up[1],
                  forward[2] + across * right[2] + along * up[2],
                  depth,
                  normals[3 * i],
                  normals[3 * i + 1],
                  normals[3 * i + 2],
                  view,
                  sun,
                );
              }
              r += light[0];
              g += light[1];
              b += light[2];
            }
          }
          r *= share;
          g *= share;
          b *= share;
        }
        const to = 4 * (y * W + x);
        out[to] = TONE[r >= 1 ? TONES : (r * TONES + 0.5) | 0];
        out[to + 1] = TONE[g >= 1 ? TONES : (g * TONES + 0.5) | 0];
        out[to + 2] = TONE[b >= 1 ? TONES : (b * TONES + 0.5) | 0];
        out[to + 3] = 255;
      }
    }
  }

  /** Light of a solid's surface seen along (dx, dy, dz) at `depth`, with the normal (nx, ny, nz). */
  #shadeSolid(
    color: Vector,
    dx: number,
    dy: number,
    dz: number,
    depth: number,
    nx: number,
    ny: number,
    nz: number,
    { eye, sun: toSun }: View,
    sun: SunFrame,
  ): void {
    const light = this.#light;
    const over = 1 / Math.sqrt(nx * nx + ny * ny + nz * nz);
    nx *= over;
    ny *= over;
    nz *= over;
    let facing = nx * toSun[0] + ny * toSun[1] + nz * toSun[2];
    let highlight = 0;
    if (facing > 0) {
      const offset = SHADOW_OFFSET * 2 * sun.range / (this.#mapSize || 1);
      const lit = this.#sunlight(
        eye[0] + depth * dx + offset * nx,
        eye[1] + depth * dy + offset * ny,
        eye[2] + depth * dz + offset * nz,
        0,
        sun,
      );
      facing *= lit;
      const away = 1 / Math.sqrt(dx * dx + dy * dy + dz * dz);
      const hx = toSun[0] - dx * away, hy = toSun[1] - dy * away, hz = toSun[2] - dz * away;
      const cosine = Math.max(
        (nx * hx + ny * hy + nz * hz) / Math.sqrt(hx * hx + hy * hy + hz * hz),
        0,
      );
      const power4 = cosine * cosine * cosine * cosine;
      const power16 = power4 * power4 * power4 * power4;
      highlight = LIGHT.highlight * lit * power16 * power16;
    } else {
      facing = 0;
    }
    const above = 0.5 + 0.5 * nz;
    for (let i = 0; i < 3; i++) {
      const ambient = LIGHT.ground[i] + above * (LIGHT.sky[i] - LIGHT.ground[i]);
      light[i] = color[i] * (ambient + facing * LIGHT.sun[i]) + highlight;
    }
  }

  /** Light of floor or sky in the direction forward + across right + along up. */
  #shadeGround(across: number, along: number, pixel: number, view: View, sun: SunFrame): void {
    const { right, up, forward, eye, focus, range } = view;
    const { height, tile } = this.#stage.floor;
    const light = this.#light;
    const dz = forward[2] + along * up[2];
    const dx = forward[0] + across * right[0] + along * up[0];
    const dy = forward[1] + across * right[1] + along * up[1];
    const depth = (height - eye[2]) / dz;
    if (!(depth > 0 && depth < 1e6)) {
      const sine = Math.max(dz / Math.sqrt(dx * dx + dy * dy + dz * dz), 0);
      const share = Math.min(sine / ZENITH_SINE, 1);
      for (let i = 0; i < 3; i++) {
        light[i] = LIGHT.horizon[i] + share * (LIGHT.zenith[i] - LIGHT.horizon[i]);
      }
      return;
    }
    const x = eye[0] + depth * dx, y = eye[1] + depth * dy;
    const distance = Math.sqrt((x - focus[0]) ** 2 + (y - focus[1]) ** 2) / range;
    let fade = (distance - FADE.from) / (FADE.to - FADE.from);
    if (fade >= 1) {
      for (let i = 0; i < 3; i++) light[i] = LIGHT.horizon[i];
      return;
    }
    fade = fade < 0 ? 0 : fade * fade * (3 - 2 * fade);
    // the pixel's extent on the floor: how x and y change across and along it
    const stretch = pixel * depth / tile;
    const lean = up[2] / dz;
    const wx = stretch * (Math.abs(right[0]) + Math.abs(up[0] - dx * lean));
    const wy = stretch * (Math.abs(right[1]) + Math.abs(up[1] - dy * lean));
    const bright = 0.5 - 0.5 * wave(x / tile, wx) * wave(y / tile, wy);
    const lit = this.#sunlight(x, y, height, SHADOW_BIAS, sun);
    const facing = lit * view.sun[2];
    for (let i = 0; i < 3; i++) {
      const color = LIGHT.tileDark[i] + bright * (LIGHT.tileLight[i] - LIGHT.tileDark[i]);
      const shaded = color * (LIGHT.sky[i] + facing * LIGHT.sun[i]) * LIGHT.floorScale[i];
      light[i] = shaded + fade * (LIGHT.horizon[i] - shaded);
    }
  }

  /** Share of the sun that reaches a point: the average over 3 x 3 texels around it. */
  #sunlight(x: number, y: number, z: number, bias: number, sun: SunFrame): number {
    const size = this.#mapSize;
    if (size === 0) return 1;
    const { u, v, range } = sun;
    const scale = size / (2 * range);
    const column = (u[0] * x + u[1] * y + u[2] * z - sun.u0) * scale + size / 2 - 2;
    const row = (v[0] * x + v[1] * y + v[2] * z - sun.v0) * scale + size / 2 - 2;
    const i0 = Math.floor(column), j0 = Math.floor(row);
    const shaded = this.#shaded;
    if (i0 + 3 < shaded[0] || i0 > shaded[1] || j0 + 3 < shaded[2] || j0 > shaded[3]) return 1;
    if (i0 < 0 || j0 < 0 || i0 + 3 >= size || j0 + 3 >= size) return 1;
    const map = this.#shadowMap;
    const depth = (sun.sun[0] * x + sun.sun[1] * y + sun.sun[2] * z - sun.sun0) /
        (SHADOW_DEPTHS * range) + 0.5 + bias;
    const fx = column - i0, fy = row - j0;
    let shade = 0;
    for (let j = 0; j < 4; j++) {
      const at = (j0 + j) * size + i0;
      const sum = (map[at] > depth ? 1 - fx : 0) + (map[at + 1] > depth ? 1 : 0) +
        (map[at + 2] > depth ? 1 : 0) + (map[at + 3] > depth ? fx : 0);
      shade += j === 0 ? (1 - fy) * sum : j === 3 ? fy * sum : sum;
    }
    return 1 - shade / 9;
  }
}

/**
 * How many steps along a row a triangle's weights are negative for certain: rows of the box around
 * a long, thin triangle are mostly outside of it.
 */
function stepsBefore(wb: number, wc: number, bStep: number, cStep: number): number {
  let least = 0;
  if (wb < 0 && bStep > 0) least = Math.max(least, -wb / bStep);
  if (wc < 0 && cStep > 0) least = Math.max(least, -wc / cStep);
  const wa = 1 - wb - wc, aStep = -bStep - cStep;
  if (wa < 0 && aStep > 0) least = Math.max(least, -wa / aStep);
  // one less, for rounding; beyond any picture where the row misses the triangle
  return Math.max(Math.ceil(Math.min(least, 1e6)) - 1, 0);
}

/**
 * The wave that is 1 in even units and -1 in odd ones, averaged over the width `w` around x (after
 * Inigo Quilez, "filtering the checkerboard pattern").
 */
function wave(x: number, w: number): number {
  if (w < 1e-4) w = 1e-4;
  const left = (x - 0.5 * w) * 0.5, right = (x + 0.5 * w) * 0.5;
  return 2 *
    (Math.abs(left - Math.floor(left) - 0.5) - Math.abs(right - Math.floor(right) - 0.5)) / w;
}

/** Three rows of a matrix and an offset: x, y, z, 1. */
type Rows = readonly (readonly number[])[];

/** Applies `rows` to the vertices of a solid in its pose, which are given in its own frame. */
function transform(
  positions: Float32Array,
  poses: Float32Array,
  at: number,
  rows: Rows,
  out: Float64Array,
): void {
  // one matrix for both: column j of the rotation is poses[at + 3 + j], +3, +3
  const m = new Float64Array(12);
  rows.forEach(([x, y, z, w], i) => {
    for (let j = 0; j < 3; j++) {
      m[4 * i + j] = x * poses[at + 3 + j] + y * poses[at + 6 + j] + z * poses[at + 9 + j];
    }
    m[4 * i + 3] = x * poses[at] + y * poses[at + 1] + z * poses[at + 2] + w;
  });
  for (let v = 0; v < positions.length; v += 3) {
    const x = positions[v], y = positions[v + 1], z = positions[v + 2];
    out[v] = m[0] * x + m[1] * y + m[2] * z + m[3];
    out[v + 1] = m[4] * x + m[5] * y + m[6] * z + m[7];
    out[v + 2] = m[8] * x + m[9] * y + m[10] * z + m[11];
  }
}

function times(a: Vector, s: number): Vector {
  return plus([0, 0, 0], a, s);
}
