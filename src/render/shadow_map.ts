/**
 * The shadow map of the CPU: how near to the sun what is lit lies. Step 1 of `lighting.ts`.
 *
 * Axis letter: S texels along a side.
 */
import { SHADOW_DEPTHS, type SunFrame } from "./lighting.ts";
import { stepsBefore, transform } from "./raster.ts";
import type { Solid } from "./stage.ts";
import { plus, type Vector } from "./vector.ts";

/** Depths towards the sun. */
export class ShadowMap {
  /** S; 0: there are no shadows */
  readonly size: number;
  /** [S, S] depth towards the sun, 0: nothing */
  readonly #depths: Float32Array;
  /** Texels that hold something: least and largest column and row. */
  readonly #used = new Int32Array(4);
  /** [most vertices, 3] texel, texel, depth */
  readonly #projected: Float64Array;

  /** @param mostNumbers of the vertices of a solid */
  constructor(size: number, mostNumbers: number) {
    this.size = size;
    this.#depths = new Float32Array(size ** 2);
    this.#projected = new Float64Array(mostNumbers);
  }

  clear(): void {
    this.#depths.fill(0);
    this.#used.set([this.size, -1, this.size, -1]);
  }

  /** Adds a solid whose pose is at `poses[at]`. */
  add({ mesh }: Solid, sun: SunFrame, poses: Float32Array, at: number): void {
    const size = this.size;
    if (size === 0) return;
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
    const map = this.#depths;
    const used = this.#used;
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
      if (x0 < used[0]) used[0] = x0;
      if (x1 > used[1]) used[1] = x1;
      if (y0 < used[2]) used[2] = y0;
      if (y1 > used[3]) used[3] = y1;
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

  /** Share of the sun that reaches a point: the average over 3 x 3 texels around it. */
  sunlight(x: number, y: number, z: number, bias: number, sun: SunFrame): number {
    const size = this.size;
    if (size === 0) return 1;
    const { u, v, range } = sun;
    const scale = size / (2 * range);
    const column = (u[0] * x + u[1] * y + u[2] * z - sun.u0) * scale + size / 2 - 2;
    const row = (v[0] * x + v[1] * y + v[2] * z - sun.v0) * scale + size / 2 - 2;
    const i0 = Math.floor(column), j0 = Math.floor(row);
    const used = this.#used;
    if (i0 + 3 < used[0] || i0 > used[1] || j0 + 3 < used[2] || j0 > used[3]) return 1;
    if (i0 < 0 || j0 < 0 || i0 + 3 >= size || j0 + 3 >= size) return 1;
    const map = this.#depths;
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

function times(a: Vector, s: number): Vector {
  return plus([0, 0, 0], a, s);
}
