/**
 * Bundles the script of report pages (src/report/page/ with Observable Plot and what it needs of
 * D3) to src/report/page_script.js, which is tracked, so that running and compiling need no build.
 *
 *     deno task build:page            writes the file
 *     deno task build:page --check    exit 1 where the tracked file is not of these sources
 *
 * The file's first line has the check sums of the sources and of the script, and the Deno that
 * bundled it: the same Deno bundles the same bytes.
 */
import { bundle, checkSums, importOf, sha256 } from "./bundle.ts";

const root = new URL("..", import.meta.url);
const PAGE = new URL("src/report/page/", root);
/** Must go with every copy of what is bundled. */
const LICENSES = new URL("docs/licenses/observable-plot.txt", root);
const FILE = "src/report/page_script.js";
const TARGET = new URL(FILE, root);

/** Check sum of everything that the script is made of. */
function sourcesSum(): Promise<string> {
  const names = [...Deno.readDirSync(PAGE)].map(({ name }) => name).sort();
  const texts = names.map((name) => Deno.readTextFileSync(new URL(name, PAGE)));
  texts.push(Deno.readTextFileSync(new URL("src/report/model.ts", root)));
  return sha256(...texts, Deno.readTextFileSync(LICENSES), importOf("@observablehq/plot"));
}

const sources = await sourcesSum();
if (Deno.args.includes("--check")) {
  const [head, ...rest] = Deno.readTextFileSync(TARGET).split("\n");
  const stated = /, sources (?<sources>\w+), script (?<script>\w+), /.exec(head)?.groups ?? {};
  checkSums(FILE, "build:page", stated, { sources, script: await sha256(rest.join("\n")) });
} else {
  const script = (await bundle(new URL("main.ts", PAGE), "iife")).trimEnd();
  if (/<\/script|<!--/i.test(script)) {
    throw new Error("Cannot put the bundle into a page: it has text that ends a script element");
  }
  const body = `/*\n${Deno.readTextFileSync(LICENSES)}*/\n${script}\n`;
  const sums = `sources ${sources}, script ${await sha256(body)}`;
  await Deno.writeTextFile(
    TARGET,
    `/* deno task build:page, ${sums}, deno ${Deno.version.deno} */\n${body}`,
  );
  console.log(`${FILE}: ${body.length} characters`);
}
