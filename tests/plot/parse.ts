/** Reads charts back. */
import { DOMParser } from "linkedom/worker";

/** The part of an element that tests read. */
export interface Parsed {
  readonly textContent: string;
  getAttribute(name: string): string | null;
  querySelectorAll(selector: string): Iterable<Parsed>;
  querySelector(selector: string): Parsed | null;
}

/** The SVG's root element. */
export function parseSvg(svg: string): Parsed {
  const document = new DOMParser().parseFromString(svg, "image/svg+xml");
  return (document as unknown as { documentElement: Parsed }).documentElement;
}

/** All elements that a selector finds. */
export function all(root: Parsed, selector: string): Parsed[] {
  return [...root.querySelectorAll(selector)];
}

/** Texts in the order of the document. */
export function textsOf(root: Parsed): string[] {
  return all(root, "text").map(({ textContent }) => textContent);
}

/** Numbers x, y of an element's `transform="translate(x,y)"`. */
export function translationOf(element: Parsed): [number, number] {
  const [, x, y] = /^translate\(([^,]+),([^)]+)\)$/.exec(element.getAttribute("transform")!)!;
  return [Number(x), Number(y)];
}

/** Values and places of an axis' ticks, px from the left (x) or from the top (y). */
export function ticksOf(root: Parsed, axis: "x" | "y"): { value: number; at: number }[] {
  return all(root, `[aria-label="${axis}-axis tick label"] text`).map((tick) => ({
    value: Number(tick.textContent.replace("−", "-").replaceAll(",", "")),
    at: translationOf(tick)[axis === "x" ? 0 : 1],
  }));
}

/** Width and height in a PNG's header, after its signature. */
export function pngSize(png: Uint8Array): { signature: string; width: number; height: number } {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  return {
    signature: String.fromCharCode(...png.subarray(1, 4), ...png.subarray(12, 16)),
    width: view.getUint32(16),
    height: view.getUint32(20),
  };
}
