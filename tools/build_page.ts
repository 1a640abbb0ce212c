/**
 * Bundles the script of report pages (src/report/page/ with Observable Plot and what it needs of
 * D3) to src/report/page_script.js, which is tracked, so that running and compiling need no build.
 *
 *     deno task build:page            writes the file
 *     deno task build:page --check    exit 1 where the tracked file is not of these sources
 *
 * The file's first line names the sources' check sum and the Deno that bundled it. The check
 * compares the sum, and where it is the same Deno, every byte.
 */
const root = new URL("..", import.meta.url);
const PAGE = new URL("src/report/page/", root);
/** Must go with every copy of what is bundled. */
const LICENSES = new URL("docs/licenses/observable-plot.txt", root);
const TARGET = new URL("src/report/page_script.js", root);

/** Check sum of everything that the script is made of. */
async function sourcesSha256(): Promise<string> {
  const names = [...Deno.readDirSync(PAGE)].map(({ name }) => name).sort();
  const texts = names.map((name) => Deno.readTextFileSync(new URL(name, PAGE)));
  const { imports } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", root)));
  texts.push(Deno.readTextFileSync(new URL("src/report/model.ts", root)));
  texts.push(Deno.readTextFileSync(LICENSES), imports["@observablehq/plot"]);
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(texts.join("\0")));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function bundle(): Promise<string> {
  const output = await Deno.makeTempFile({ suffix: ".js" });
  try {
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["bundle", "--quiet", "--platform", "browser", "--format", "iife", "--minify"],
        ...["--output", output, new URL("main.ts", PAGE).pathname],
      ],
      cwd: root.pathname,
      // esbuild comes from the npm registry; its certificate may be one of the system's
      env: { DENO_TLS_CA_STORE: "system,mozilla", NO_COLOR: "1" },
    }).output();
    if (!success) throw new Error(`Cannot bundle:\n${new TextDecoder().decode(stderr)}`);
    const text = await Deno.readTextFile(output);
    if (/<\/script|<!--/i.test(text)) {
      throw new Error("Cannot put the bundle into a page: it has text that ends a script element");
    }
    return `/*\n${Deno.readTextFileSync(LICENSES)}*/\n${text.trimEnd()}`;
  } finally {
    await Deno.remove(output);
  }
}

const sum = await sourcesSha256();
const head = `/* deno task build:page, sources ${sum}, deno ${Deno.version.deno} */`;
if (Deno.args.includes("--check")) {
  const tracked = Deno.readTextFileSync(TARGET);
  const isCurrent = tracked.startsWith(head)
    ? tracked === `${head}\n${await bundle()}\n`
    : tracked.includes(`, sources ${sum}, `);
  if (!isCurrent) {
    console.error("src/report/page_script.js is not of these sources; run: deno task build:page");
    Deno.exit(1);
  }
} else {
  const text = `${head}\n${await bundle()}\n`;
  await Deno.writeTextFile(TARGET, text);
  console.log(`src/report/page_script.js: ${text.length} characters`);
}
