/** docs/trust.md promises nothing that no test shows. */
import assert from "node:assert/strict";
import { testNeeding } from "../permissions.ts";

const ROOT = new URL("../../", import.meta.url);

/** Files and, behind each, parts of the names of its tests. */
function namedTests(text: string): { file: string; parts: string[] }[] {
  const named: { file: string; parts: string[] }[] = [];
  for (const [, file, , part] of text.matchAll(/`(tests\/[\w/.]+\.ts)`|("([^"]+)")/g)) {
    if (file !== undefined) named.push({ file, parts: [] });
    else named.at(-1)?.parts.push(part);
  }
  return named;
}

testNeeding("read")("every test that docs/trust.md names is there", () => {
  const text = Deno.readTextFileSync(new URL("docs/trust.md", ROOT)).replaceAll(/\s+/g, " ");
  const named = namedTests(text);
  assert.ok(named.length > 25, `${named.length}`);
  const missing: string[] = [];
  named.forEach(({ file, parts }, at) => {
    const source = Deno.readTextFileSync(new URL(file, ROOT));
    // several files in a row share the name that follows the last of them
    const wanted = parts.length > 0 ? parts : named.slice(at).find((each) => each.parts[0])!.parts;
    for (const part of wanted) if (!source.includes(part)) missing.push(`${file}: ${part}`);
  });
  assert.deepEqual(missing, []);
});

testNeeding("read")("every line of a table of docs/trust.md names a test", () => {
  const lines = Deno.readTextFileSync(new URL("docs/trust.md", ROOT)).split("\n")
    .filter((line) => line.startsWith("| ") && !/^\| (what|-)/.test(line));
  assert.ok(lines.length > 20);
  for (const line of lines) assert.match(line, /`tests\/.*\.ts`.*"/);
});
