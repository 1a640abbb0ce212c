/** Text in pictures: characters are drawn once, by resvg, and then copied. */
import { toPixels } from "../plot/png.ts";
import { textWidth } from "../plot/text_width.ts";
import { escapeHtml } from "../util/html.ts";

/** Characters that captions are made of: printable ASCII and a few more. */
const CHARACTERS = [
  ...Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)),
  ...["→", "±", "°", "…", "−"],
];
/** Shown for any other. */
const UNKNOWN = "?";

/** Text of one size and colour. */
export interface Lettering {
  /** Height of a line, px. */
  readonly lineHeight: number;
  /** Width of a text, px. */
  widthOf(text: string): number;
  /**
   * Writes a text.
   * @param pixels [height, width, 4]
   * @param x, y where its line begins: left, top
   */
  write(pixels: Uint8ClampedArray, width: number, x: number, y: number, text: string): void;
}

/** Dark grey, as in the charts. */
const INK = [0x22, 0x22, 0x22] as const;

/** Letters of `size` px. */
export async function lettering(size: number): Promise<Lettering> {
  const lineHeight = Math.ceil(1.35 * size);
  // cells have room for what stands out of a character's box
  const cell = Math.ceil(1.3 * size);
  const texts = CHARACTERS.map((character, i) =>
    `<text x="${i * cell + 1}" y="${size}" xml:space="preserve">${escapeHtml(character)}</text>`
  );
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${
    CHARACTERS.length * cell
  }" height="${lineHeight}" font-family="DejaVu Sans" font-size="${size}">${texts.join("")}</svg>`;
  const { width: stride, data } = await toPixels(svg, { scale: 1 });
  const indices = new Map(CHARACTERS.map((character, i) => [character, i]));
  const advance = (character: string) => textWidth(character, size);

  return {
    lineHeight,
    widthOf: (text) => Math.ceil(textWidth(text, size)),
    write(pixels, width, x, y, text) {
      const height = pixels.length / (4 * width);
      let pen = x;
      for (const character of text) {
        const index = indices.get(character) ?? indices.get(UNKNOWN)!;
        const left = Math.round(pen) - 1;
        for (let row = 0; row < lineHeight && y + row < height; row++) {
          for (let column = 0; column < cell; column++) {
            const to = left + column;
            if (to < 0 || to >= width) continue;
            const cover = data[4 * (row * stride + index * cell + column) + 3] / 255;
            if (cover === 0) continue;
            const at = 4 * ((y + row) * width + to);
            for (let i = 0; i < 3; i++) pixels[at + i] += cover * (INK[i] - pixels[at + i]);
          }
        }
        pen += advance(character);
      }
    },
  };
}
