/** How wide texts are in the font of all pictures, DejaVu Sans, without loading anything. */

/** Size of all text but titles, px. */
export const TEXT_SIZE = 12;

/** Advance widths of DejaVu Sans in 1/100 em, rounded up, from space to tilde. */
const ADVANCES = [
  ...[32, 41, 46, 84, 64, 95, 78, 28, 39, 39, 50, 84, 32, 37, 32, 34],
  ...[64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 34, 34, 84, 84, 84, 54],
  ...[100, 69, 69, 70, 77, 64, 58, 78, 76, 30, 30, 66, 56, 87, 75, 79],
  ...[61, 79, 70, 64, 62, 74, 69, 99, 69, 62, 69, 39, 34, 39, 84, 50],
  ...[50, 62, 64, 55, 64, 62, 36, 64, 64, 28, 28, 58, 28, 98, 64, 62],
  ...[64, 64, 42, 53, 40, 64, 60, 82, 60, 60, 53, 64, 34, 64, 84],
];
/** The same for signs beyond ASCII that pictures use. */
const SIGNS: Readonly<Record<string, number>> = { "°": 50, "±": 84, "→": 84, "−": 84 };
/** Any other character is taken for a wide one. */
const OTHER_ADVANCE = 100;

/** Width of a text in the font of the charts, px, from above: without kerning. */
export function textWidth(text: string, size: number = TEXT_SIZE): number {
  let width = 0;
  for (const character of text) {
    width += ADVANCES[character.codePointAt(0)! - 32] ?? SIGNS[character] ?? OTHER_ADVANCE;
  }
  return width * size / 100;
}
