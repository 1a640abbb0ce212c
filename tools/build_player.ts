/**
 * Builds the player of `metarl render --out x.html`: src/render/player/player.js with three.js, for
 * browsers, as base64 of raw deflate in src/render/player/bundle.ts, so that running, testing and
 * compiling need no build step.
 *
 *     deno task build:player            writes the file
 *     deno task build:player --check    exit 1 where it was made from other sources
 *
 * Other versions of Deno bundle to other bytes, so the check compares a hash of what it was made
 * from: the player's text and the version of three.js.
 */
import { deflateSync } from "fflate";

const SOURCE = new URL("../src/render/player/player.js", import.meta.url).pathname;
const TARGET = new URL("../src/render/player/bundle.ts", import.meta.url);

/** SHA-256 of the sources. */
async function sourceHash(): Promise<string> {
  const { imports } = JSON.parse(await Deno.readTextFile(new URL("../deno.json", import.meta.url)));
  const text = `${imports.three}\n${await Deno.readTextFile(SOURCE)}`;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return new Uint8Array(digest).toHex();
}

async function build(): Promise<Uint8Array> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--platform", "browser", "--minify", SOURCE],
    // esbuild comes from the npm registry; its certificate may be one of the system's.
    env: { DENO_TLS_CA_STORE: "system,mozilla" },
  }).output();
  if (!success) throw new Error(`Cannot bundle the player:\n${new TextDecoder().decode(stderr)}`);
  return stdout;
}

const hash = await sourceHash();
if (Deno.args.includes("--check")) {
  const tracked = await Deno.readTextFile(TARGET);
  if (!tracked.includes(hash)) {
    console.error("error: bundle.ts is not made from player.js; run deno task build:player");
    Deno.exit(1);
  }
} else {
  const script = await build();
  const lines = deflateSync(script, { level: 9 }).toBase64().match(/.{1,92}/g) ?? [];
  await Deno.writeTextFile(
    TARGET,
    "/** Made by tools/build_player.ts. three.js: MIT, Copyright 2010-2026 three.js authors. */\n\n" +
      `/** SHA-256 of the sources. */\nexport const SOURCES =\n  "${hash}";\n\n` +
      `/** The player (${script.length} bytes): raw deflate, base64. */\nexport const PLAYER = [\n` +
      lines.map((line) => `  "${line}",\n`).join("") + `].join("");\n`,
  );
}
