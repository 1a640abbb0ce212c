/**
 * Draws on the CPU: a shadow map, a depth buffer, and here the shading of what is visible: step 3
 * of `lighting.ts`.
 *
 * Axis letters: W, H pixels; n samples along a pixel's side.
 */
import { POSE_SIZE } from "../envs/scene.ts";
import type { View } from "./camera.ts";
import {
  FADE,
  LIGHT,
  SHADOW_BIAS,
  SHADOW_OFFSET,
  shadowMapSize,
  type SunFrame,
  sunFrame,
  ZENITH_SINE,
} from "./lighting.ts";
import { DEFAULT_SAMPLES, type Renderer, type RenderOptions } from "./renderer.ts";
import { ShadowMap } from "./shadow_map.ts";
import type { Stage } from "./stage.ts";
import { SurfaceBuffer } from "./surface_buffer.ts";
import { fromLinear } from "./theme.ts";
import type { Vector } from "./vector.ts";

/** Entries of the table from linear light to 0 .. 255. */
const TONES = 4096;
const TONE: Uint8Array = Uint8Array.from(
  { length: TONES + 1 },
  (_, i) => Math.round(255 * fromLinear(i / TONES)),
);
/** Draws on the calling thread. */
export class CpuRenderer implements Renderer {
  readonly description = "CPU";
  readonly #stage: Stage;
  readonly #width: number;
  readonly #height: number;
  readonly #samples: number;
  readonly #surfaces: SurfaceBuffer;
  readonly #shadows: ShadowMap;
  /** Light of the sample that was shaded last. */
  readonly #light = new Float64Array(3);

  constructor(stage: Stage, options: RenderOptions) {
    const { width, height, shadows = true, samples = DEFAULT_SAMPLES } = options;
    const mostNumbers = Math.max(...stage.solids.map(({ mesh }) => mesh.positions.length));
    this.#stage = stage;
    this.#width = width;
    this.#height = height;
    this.#samples = samples;
    this.#surfaces = new SurfaceBuffer(samples * width, samples * height, mostNumbers);
    const mapSize = shadows ? shadowMapSize(Math.max(width, height)) : 0;
    this.#shadows = new ShadowMap(mapSize, mostNumbers);
  }

  draw(view: View, poses: Float32Array, out: Uint8ClampedArray): Promise<void> {
    const sun = sunFrame(view, this.#shadows.size || 1);
    const { solids } = this.#stage;
    this.#shadows.clear();
    solids.forEach((solid, s) => this.#shadows.add(solid, sun, poses, s * POSE_SIZE));
    this.#surfaces.clear();
    solids.forEach((solid, s) => this.#surfaces.add(solid, s + 1, view, poses, s * POSE_SIZE));
    this.#shade(view, sun, out);
    return Promise.resolve();
  }

  close(): void {}

  /** Makes colours of what is seen. */
  #shade(view: View, sun: SunFrame, out: Uint8ClampedArray): void {
    const { solids } = this.#stage;
    const light = this.#light;
    const { labels, nearness, normals, drawn } = this.#surfaces;
    const W = this.#width, H = this.#height, n = this.#samples;
    const { right, up, forward, focal } = view;
    const pixel = 2 / (H * focal);
    const share = 1 / (n * n);
    const [left, last, top, bottom] = drawn;
    // height of the floor, seen from the camera
    const floorAt = this.#stage.floor.height - view.eye[2];
    for (let y = 0; y < H; y++) {
      for (let x = 0; x < W; x++) {
        let r = 0, g = 0, b = 0;
        let isEmpty = true;
        const mayBeSeen = n * x + n > left && n * x <= last && n * y + n > top && n * y <= bottom;
        for (let sy = n * y; isEmpty && mayBeSeen && sy < n * y + n; sy++) {
          for (let i = sy * n * W + n * x, end = i + n; i < end; i++) {
            if (labels[i] !== 0) {
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
              const label = labels[i];
              const depth = 1 / nearness[i];
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
      const offset = SHADOW_OFFSET * 2 * sun.range / (this.#shadows.size || 1);
      const lit = this.#shadows.sunlight(
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
    const lit = this.#shadows.sunlight(x, y, height, SHADOW_BIAS, sun);
    const facing = lit * view.sun[2];
    for (let i = 0; i < 3; i++) {
      const color = LIGHT.tileDark[i] + bright * (LIGHT.tileLight[i] - LIGHT.tileDark[i]);
      const shaded = color * (LIGHT.sky[i] + facing * LIGHT.sun[i]) * LIGHT.floorScale[i];
      light[i] = shaded + fade * (LIGHT.horizon[i] - shaded);
    }
  }
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
