/**
 * The light of a picture in numbers, the same for all renderers: where the shadow map lies, how
 * the floor is tiled and fades, how surfaces are lit. `cpu_renderer.ts` and `webgpu_renderer.ts`
 * follow the same steps:
 *
 * 1. Shadow map: depth of all solids towards the sun, in S x S texels around the focus.
 * 2. Solids: the nearest surface of n x n samples a pixel (depth, normal, which solid).
 * 3. A pixel without any solid is shaded once, at its centre, with the floor's tiles averaged over
 *    its area; others at every sample. Light is added up and then made a colour.
 */
import type { View } from "./camera.ts";
import { AMBIENT, HIGHLIGHT, linearColor, SUN, THEME } from "./theme.ts";
import { cross, dot, normalized, plus, type Vector } from "./vector.ts";

/** Width of the shadow map in texels for a picture's larger side in pixels. */
export function shadowMapSize(pixels: number): number {
  return 2 ** Math.min(Math.max(Math.ceil(Math.log2(1.2 * pixels)), 8), 12);
}

/** The shadow map's frame: a point p lies at (u.p - u0, v.p - v0) / range in -1 .. 1. */
export interface SunFrame {
  readonly u: Vector;
  readonly v: Vector;
  readonly u0: number;
  readonly v0: number;
  /** Towards the sun; depth is (sun.p - sun0) / (8 range) + 0.5, more is nearer to the sun. */
  readonly sun: Vector;
  readonly sun0: number;
  readonly range: number;
}

/** Range of depths in the shadow map, in ranges. */
export const SHADOW_DEPTHS = 8;
/** Solids are looked up so many texels off their surface, so that they don't shade themselves. */
export const SHADOW_OFFSET = 2.5;
/** Depth that the floor is nearer to the sun than it is, for the same reason. */
export const SHADOW_BIAS = 0.0004;

/** The shadow map's frame for a camera; it moves by whole texels, so shadows don't flicker. */
export function sunFrame({ focus, range, sun }: View, size: number): SunFrame {
  const u = normalized(cross([0, 0, 1], sun));
  const v = cross(sun, u);
  const texel = 2 * range / size;
  const onGrid = (axis: Vector) => texel * Math.round(dot(axis, focus) / texel);
  return { u, v, u0: onGrid(u), v0: onGrid(v), sun, sun0: dot(sun, focus), range };
}

/** The floor fades into the horizon between these distances from the focus, in ranges. */
export const FADE = { from: 2.2, to: 9 } as const;
/** The sky has its colour overhead from this sine of the elevation on. */
export const ZENITH_SINE = 0.5;

/** Linear colours and light, as all renderers use them. */
export const LIGHT = {
  horizon: linearColor(THEME.horizon),
  zenith: linearColor(THEME.zenith),
  tileLight: linearColor(THEME.tileLight),
  tileDark: linearColor(THEME.tileDark),
  sky: AMBIENT.sky as Vector,
  ground: AMBIENT.ground as Vector,
  sun: SUN,
  highlight: HIGHLIGHT,
  /** What the floor makes of full light: there its tiles have their colours. */
  floorScale: floorScale(),
} as const;

function floorScale(): Vector {
  // the sun's height above the floor is the same in all pictures
  const full = plus(AMBIENT.sky as Vector, SUN, Math.sin(54 * Math.PI / 180));
  return [1 / full[0], 1 / full[1], 1 / full[2]];
}
