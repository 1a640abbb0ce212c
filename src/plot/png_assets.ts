/**
 * What drawing a PNG takes, as bytes: resvg's WASM binary and the one font that texts are drawn
 * with (DejaVu Sans: Latin, Greek, Cyrillic, arrows, mathematical signs). Imported by png.ts when a
 * PNG is asked for, so that no file is read at run time: a bundle and a compiled program carry both.
 */
import font from "@fontsource/dejavu-sans/files/dejavu-sans-latin-400-normal.woff2" with {
  type: "bytes",
};
import resvgWasm from "@resvg/resvg-wasm/index_bg.wasm" with { type: "bytes" };

export { font, resvgWasm };
