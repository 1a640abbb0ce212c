/**
 * What the camera sees of the solids, sample by sample: a rasteriser of triangles with a depth
 * buffer. Step 2 of `lighting.ts`.
 *
 * Axis letters: W, H samples of the picture.
 */
import type { View } from "./camera.ts";
import { stepsBefore, transform } from "./raster.ts";
import type { Solid } from "./stage.ts";
import { dot } from "./vector.ts";

/** What is nearer than this to the camera's plane is cut off, m. */
const NEAR = 1e-3;
/** Numbers of a corner of what is left of a cut triangle: place before the camera, normal. */
const CORNER_SIZE = 6;

/** Screen x, y, nearness; normal in the world. */
type Corner = [number, number, number, number, number, number];

/** The nearest surface at every sample. */
export class SurfaceBuffer {
  /** W, H */
  readonly width: number;
  readonly height: number;
  /** [H, W] one over the distance along the camera's direction, 0: nothing */
  readonly nearness: Float32Array;
  /** [H, W] index of the solid seen, plus 1; 0: none */
  readonly labels: Uint16Array;
  /** [H, W, 3] normal of what is seen, in the world, of any length */
  readonly normals: Float32Array;
  /** Samples that a solid may be seen at: least and largest column and row. */
  readonly drawn = new Int32Array(4);
  /** [most vertices, 3] places before the camera: right, up, forward, m */
  readonly #placed: Float64Array;
  /** [most vertices, 3] screen x, y and nearness */
  readonly #projected: Float64Array;
  /** [most vertices, 3] normals in the world */
  readonly #turned: Float64Array;
  /** [4, 6] corners of what is left of a triangle that is cut */
  readonly #cut = new Float64Array(4 * CORNER_SIZE);

  /** @param mostNumbers of the vertices of a solid */
  constructor(width: number, height: number, mostNumbers: number) {
    this.width = width;
    this.height = height;
    this.nearness = new Float32Array(width * height);
    this.labels = new Uint16Array(width * height);
    this.normals = new Float32Array(3 * width * height);
    this.#placed = new Float64Array(mostNumbers);
    this.#projected = new Float64Array(mostNumbers);
    this.#turned = new Float64Array(mostNumbers);
  }

  clear(): void {
    this.nearness.fill(0);
    this.labels.fill(0);
    this.drawn.set([this.width, -1, this.height, -1]);
  }

  /** Adds a solid whose pose is at `poses[at]`. @param label index of the solid, plus 1 */
  add(
    { mesh }: Solid,
    label: number,
    view: View,
    poses: Float32Array,
    at: number,
  ): void {
    const { right, up, forward, eye, focal } = view;
    const { width, height } = this;
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
    const { width, height } = this;
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
    const { width, height } = this;
    const nearest = this.nearness, labels = this.labels, normals = this.normals;
    const x0 = Math.max(Math.ceil(Math.min(ax, bx, cx) - 0.5), 0);
    const x1 = Math.min(Math.floor(Math.max(ax, bx, cx) - 0.5), width - 1);
    const y0 = Math.max(Math.ceil(Math.min(ay, by, cy) - 0.5), 0);
    const y1 = Math.min(Math.floor(Math.max(ay, by, cy) - 0.5), height - 1);
    const drawn = this.drawn;
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
        labels[i] = label;
        normals[3 * i] = na * anx + nb * bnx + nc * cnx;
        normals[3 * i + 1] = na * any + nb * bny + nc * cny;
        normals[3 * i + 2] = na * anz + nb * bnz + nc * cnz;
      }
    }
  }
}
