/**
 * What build_page.ts and build_player.ts share: bundling for browsers, and check sums that tell
 * without bundling whether a tracked bundle is still the one made from its sources. The gate must
 * not need the bundler, which Deno downloads when it is first used.
 */

/** SHA-256 of texts, which it tells from the same letters divided otherwise. */
export async function sha256(...texts: readonly string[]): Promise<string> {
  const bytes = new TextEncoder().encode(texts.join("\0"));
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/** A package with its version, as deno.json imports it. */
export function importOf(name: string): string {
  const { imports } = JSON.parse(
    Deno.readTextFileSync(new URL("../deno.json", import.meta.url)),
  );
  if (!(name in imports)) throw new Error(`deno.json imports no "${name}"`);
  return imports[name];
}

/** The script at `entry` with all that it imports, minified. */
export async function bundle(entry: URL, format: "esm" | "iife"): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["bundle", "--quiet", "--platform", "browser", "--format", format, "--minify"],
      entry.pathname,
    ],
    cwd: new URL("..", import.meta.url).pathname,
    // esbuild comes from the npm registry; its certificate may be one of the system's
    env: { DENO_TLS_CA_STORE: "system,mozilla", NO_COLOR: "1" },
  }).output();
  if (!success) throw new Error(`Cannot bundle:\n${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

/**
 * Ends with exit code 1 and a line where a tracked bundle is of other sources or was changed by
 * hand: `stated` are the sums written in it, `actual` those of what is there.
 */
export function checkSums(
  file: string,
  task: string,
  stated: Readonly<Record<string, string | undefined>>,
  actual: Readonly<Record<string, string>>,
): void {
  for (const [what, sum] of Object.entries(actual)) {
    if (stated[what] === sum) continue;
    console.error(`${file}: its check sum of the ${what} is not theirs; run: deno task ${task}`);
    Deno.exit(1);
  }
  console.log(`${file} is up to date`);
}
