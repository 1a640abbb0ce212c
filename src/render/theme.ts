/**
 * Colours and light, the same for all renderers. Colours are written as on a screen (sRGB) and
 * computed with as light (linear).
 */
import type { Shape } from "../envs/scene.ts";
import type { Vector } from "./vector.ts";

/** Linear light of a colour component as on a screen, 0 to 1. */
export function toLinear(value: number): number {
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}

/** A colour component as on a screen, 0 to 1, of linear light; more than 1 is cut. */
export function fromLinear(value: number): number {
  const cut = Math.min(Math.max(value, 0), 1);
  return cut <= 0.0031308 ? 12.92 * cut : 1.055 * cut ** (1 / 2.4) - 0.055;
}

/** `#rrggbb` as linear light. */
export function linearColor(hex: string): Vector {
  const [r, g, b] = [1, 3, 5].map((at) => toLinear(parseInt(hex.slice(at, at + 2), 16) / 255));
  return [r, g, b];
}

/** Colours for what models leave open, and for what is not part of a model. */
export const THEME = {
  /** Sky at the horizon, into which the floor fades, and overhead. */
  horizon: "#eef2f6",
  zenith: "#c3d3e4",
  /** The floor's two kinds of tiles. */
  tileLight: "#dfe4e9",
  tileDark: "#c3cbd3",
  /** What never moves. */
  fixed: "#8d96a0",
  /** The robot: its first part, then by turns. */
  trunk: "#1f5f99",
  limbs: ["#66a6d9", "#3a7fb8"],
  /** Goals, as in the charts. */
  goal: "#009e73",
  /** Damaged parts, as in the charts. */
  damage: "#d55e00",
} as const;

/** Light from everywhere: from above, from below. */
export const AMBIENT = { sky: [0.42, 0.44, 0.48], ground: [0.22, 0.21, 0.2] } as const;
/** Light of the sun. */
export const SUN: Vector = [0.72, 0.69, 0.62];
/** Highlights of solids: strength; their exponent is 32. */
export const HIGHLIGHT = 0.16;

/** The colour of a shape, linear. */
export function shapeColor(
  { rgba, depth, isMarker, motors }: Shape,
  isDamaged: (motor: number) => boolean,
): Vector {
  if (motors.some(isDamaged)) return linearColor(THEME.damage);
  if (isMarker) return linearColor(THEME.goal);
  if (rgba !== null) return [toLinear(rgba[0]), toLinear(rgba[1]), toLinear(rgba[2])];
  if (depth === 0) return linearColor(THEME.fixed);
  return linearColor(THEME.limbs[depth % THEME.limbs.length]);
}
