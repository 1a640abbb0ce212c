/**
 * Charts as PNG, drawn by resvg (Rust, compiled to WASM) without a browser and without the fonts
 * of the machine, so that a picture is the same bytes everywhere.
 */
import { messageOf, RunError, UserError } from "../util/errors.ts";

type Resvg = typeof import("@resvg/resvg-wasm");

let loaded: Promise<{ resvg: Resvg; font: Uint8Array }> | null = null;

async function load(): Promise<{ resvg: Resvg; font: Uint8Array }> {
  const [resvg, { font, resvgWasm }] = await Promise.all([
    import("@resvg/resvg-wasm"),
    import("./png_assets.ts"),
  ]);
  await resvg.initWasm(resvgWasm);
  return { resvg, font };
}

/** How {@link toPng} draws. */
export interface PngOptions {
  /** Pixels for each px of the SVG; default 2, for screens of high density. */
  readonly scale?: number;
}

/** A picture as numbers. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** [height, width, 4] red, green, blue, opacity, 0 to 255; colours times opacity */
  readonly data: Uint8Array;
}

/**
 * The picture as PNG: `scale` times the size of the SVG.
 * @throws UserError `plot-svg` where it is no SVG that can be drawn.
 */
export function toPng(svg: string, { scale = 2 }: PngOptions = {}): Promise<Uint8Array> {
  return drawn(svg, scale, (image) => image.asPng());
}

/**
 * The picture as pixels: `scale` times the size of the SVG.
 * @throws UserError `plot-svg` where it is no SVG that can be drawn.
 */
export function toPixels(svg: string, { scale = 2 }: PngOptions = {}): Promise<Pixels> {
  return drawn(svg, scale, ({ width, height, pixels }) => ({ width, height, data: pixels }));
}

async function drawn<T>(
  svg: string,
  scale: number,
  read: (image: ReturnType<InstanceType<Resvg["Resvg"]>["render"]>) => T,
): Promise<T> {
  loaded ??= load().catch((error) => {
    throw new RunError("plot-load", `Cannot load resvg: ${messageOf(error)}`, { cause: error });
  });
  const { resvg: { Resvg }, font } = await loaded;
  let picture: InstanceType<Resvg["Resvg"]> | undefined;
  try {
    picture = new Resvg(svg, {
      fitTo: { mode: "zoom", value: scale },
      font: {
        fontBuffers: [font],
        defaultFontFamily: "DejaVu Sans",
        sansSerifFamily: "DejaVu Sans",
      },
    });
    const image = picture.render();
    const result = read(image);
    image.free();
    return result;
  } catch (error) {
    throw new UserError("plot-svg", `Cannot draw the SVG: ${messageOf(error)}`, { cause: error });
  } finally {
    picture?.free();
  }
}
