/**
 * Builds the player of `metarl render --out x.html`: src/render/player/player.js with three.js, for
 * browsers, as base64 of raw deflate in src/render/player/bundle.ts, so that running, testing and
 * compiling need no build step.
 *
 *     deno task build:player            writes the file
 *     deno task build:player --check    exit 1 where it was made from other sources
 *
 * Other versions of Deno bundle to other bytes, so the check compares the sums of what it was made
 * from (the texts of the player and of what it imports, the version of three.js) and of the base64 text.
 */
import { deflateSync } from "fflate";
import { bundle, checkSums, importOf, sha256 } from "./bundle.ts";

const root = new URL("..", import.meta.url);
const SOURCE = new URL("src/render/player/player.js", root);
const FILE = "src/render/player/bundle.ts";
const TARGET = new URL(FILE, root);

/** What the player imports of the project. */
const IMPORTED = new URL("src/render/caption.ts", root);

const texts = [SOURCE, IMPORTED].map((url) => Deno.readTextFileSync(url));
const sources = await sha256(importOf("three"), ...texts);
if (Deno.args.includes("--check")) {
  const { SOURCES, PLAYER, PLAYER_SUM } = await import(TARGET.href);
  const stated = { sources: SOURCES, player: PLAYER_SUM };
  checkSums(FILE, "build:player", stated, { sources, player: await sha256(PLAYER) });
} else {
  const script = new TextEncoder().encode(await bundle(SOURCE, "esm"));
  const base64 = deflateSync(script, { level: 9 }).toBase64();
  const lines = base64.match(/.{1,92}/g) ?? [];
  await Deno.writeTextFile(
    TARGET,
    "/** Made by tools/build_player.ts. three.js: MIT, Copyright 2010-2026 three.js authors. */\n\n" +
      `/** SHA-256 of the sources. */\nexport const SOURCES =\n  "${sources}";\n\n` +
      `/** SHA-256 of {@link PLAYER}. */\nexport const PLAYER_SUM =\n  "${await sha256(
        base64,
      )}";\n\n` +
      `/** The player (${script.length} bytes): raw deflate, base64. */\nexport const PLAYER = [\n` +
      lines.map((line) => `  "${line}",\n`).join("") + `].join("");\n`,
  );
  console.log(`${FILE}: ${base64.length} characters`);
}
