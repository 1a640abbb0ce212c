/** Any text as JSON, as a configuration, as `--set`, as `params.json` of a run. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { FAMLE_KEYS, publishedFamleConfig, resolveFamleConfig } from "../../src/config/famle.ts";
import {
  fileLayer,
  parseConfig,
  publishedConfig,
  resolveConfig,
  setLayer,
} from "../../src/config/parse.ts";
import { CONFIG_KEYS, configKeys, IGNORED_KEYS } from "../../src/config/schema.ts";
import type { KeyDeclaration } from "../../src/config/rules.ts";
import { resolveEnvName } from "../../src/envs/registry.ts";
import { type JsonValue, parseJsonText } from "../../src/util/json.ts";
import { testNeeding } from "../permissions.ts";
import { brokenText, effort, outcome, wildText } from "./support.ts";

const CONTEXT = { checkEnvName: resolveEnvName };

/** Values that a key may be given, right for some. */
const values: fc.Arbitrary<JsonValue> = fc.oneof(
  fc.constantFrom<JsonValue>(null, true, false, 0, 1, 2, 40, 0.5, -1, 1e9, 1e300, 2 ** 53),
  fc.constantFrom<JsonValue>(
    "cpu",
    "ReacherEnv",
    "dense",
    "x.json",
    "../x.ts",
    [64, 64],
    [0],
    [],
    {},
  ),
  fc.double() as fc.Arbitrary<number>,
  wildText,
  fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<JsonValue>,
);

const KEYS = [...configKeys().map(([, key]) => key.published), ...Object.keys(IGNORED_KEYS)];
const FAMLE = Object.values(FAMLE_KEYS).map((key) => key.published);

/** Objects with known keys and others. */
function objects(keys: readonly string[]): fc.Arbitrary<Record<string, JsonValue>> {
  const name = fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...keys) }, wildText);
  return fc.array(fc.tuple(name, values), { maxLength: 5 }).map((list) => Object.fromEntries(list));
}

/** Every value obeys its declaration. */
function checkValues(
  config: Readonly<Record<string, unknown>>,
  table: Readonly<Record<string, KeyDeclaration<unknown>>>,
): void {
  assert.deepEqual(Object.keys(config).sort(), Object.keys(table).sort());
  for (const [name, { schema }] of Object.entries(table)) {
    assert.ok(schema.safeParse(config[name]).success, `${name}: ${config[name]}`);
  }
}

/** A key that is written with an escape. */
const ESCAPED_KEY = /"([^"\\]|\\.)*\\.([^"\\]|\\.)*"\s*:/s;

Deno.test("parseJsonText() gives no key that V8 takes for another", () => {
  // JSON.parse alone gives the key before for each of these, once it has seen that in this place
  const inside = (key: string) => `{"toString":"","${key}":[]}`;
  const pairs = [["\\\\", "\\n"], ["\\\\", '\\"'], ["\\\\n", "\\nX"], ["\\\\u", "\\u0000X"]];
  for (const [before, key] of pairs) {
    JSON.parse(inside(before));
    for (const each of [before, key, "\\u0061"]) {
      const found = outcome(() => parseJsonText(`[\n${inside(each)}]`, "x"));
      assert.ok("error" in found, each);
      assert.equal(found.error.code, "json-syntax");
      assert.match(found.error.message, /^x: line 2: the key ".+" has escaped characters; /);
    }
  }
  for (const key of ["a", "é", "{", ""]) {
    assert.deepEqual(parseJsonText(inside(key), "x"), JSON.parse(inside(key)));
  }
});

Deno.test("parseJsonText() agrees with JSON.parse, but for what it refuses", () => {
  const texts = fc.oneof(
    fc.json({ maxDepth: 4 }),
    fc.string({ unit: "binary" }),
    brokenText([
      '{"a": [1, -2.5e3, true, null], "b": {"c": "\\u00e9\\n", "__proto__": {}}}',
      '\ufeff[{"x": 1},\n {"x": 2}, "\\"{[", []]',
    ]),
    fc.array(fc.constantFrom(..."{}[],:\"\\ \n'a1.-+etruflsn\u0001/*"), { maxLength: 12 })
      .map((list) => list.join("")),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const found = outcome(() => parseJsonText(text, "x.json"));
      let wanted: unknown;
      try {
        wanted = JSON.parse(text.replace(/^\ufeff/, ""));
      } catch {
        assert.ok("error" in found);
        return assert.equal(found.error.code, "json-syntax");
      }
      if ("value" in found) return assert.deepEqual(found.value, wanted);
      if (found.error.code === "json-duplicate-key") return;
      assert.match(found.error.message, /the key ".*" has escaped characters/);
      assert.match(text, ESCAPED_KEY);
    }),
    // V8 quotes the text, line breaks and all
    { ...effort(), examples: [["{\n\x01"]] },
  );
});

Deno.test("parseJsonText() finds every key that stands twice, and no other", () => {
  const key = fc.constantFrom("a", "b", "__proto__", "{", "}", "[,", "");
  const { text: texts } = fc.letrec<{ text: string }>((tie) => ({
    text: fc.oneof(
      { depthSize: "small" },
      fc.constantFrom("1", '"a"', '"a\\\\"', '"{\\"a\\":"', "null"),
      fc.array(tie("text"), { maxLength: 3 }).map((list) => `[${list.join(" ,")}]`),
      fc.array(fc.tuple(key, tie("text")), { maxLength: 3 })
        .map((list) => `{${list.map(([name, value]) => `"${name}" : ${value}`).join(",\n")}}`),
    ),
  }));
  // an own reader: objects become lists of their members, so that none is lost
  const hasDuplicate = (text: string): boolean => {
    let at = 0;
    const space = () => {
      while (" \n".includes(text[at] ?? "x")) at++;
    };
    const string = (): string => {
      const start = at++;
      while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
      return JSON.parse(text.slice(start, ++at));
    };
    const value = (): boolean => {
      space();
      const opening = text[at];
      if (opening === '"') return string() === undefined;
      if (opening !== "{" && opening !== "[") {
        while (/[a-z0-9]/.test(text[at] ?? "")) at++;
        return false;
      }
      at++;
      const keys: string[] = [];
      let found = false;
      for (;;) {
        space();
        if (text[at] === "}" || text[at] === "]") {
          at++;
          return found || new Set(keys).size < keys.length;
        }
        if (text[at] === ",") at++;
        space();
        if (opening === "{") {
          keys.push(string());
          space();
          at++;
        }
        found = value() || found;
      }
    };
    return value();
  };
  fc.assert(
    fc.property(texts, (text) => {
      const found = outcome(() => parseJsonText(text, "x"));
      assert.equal("error" in found, hasDuplicate(text));
    }),
    effort(),
  );
});

Deno.test("parseJsonText() is quick and refuses what would exhaust a stack", () => {
  for (const [open, close] of [["[", "]"], ['{"a":', "}"]]) {
    for (const depth of [101, 1e6]) {
      const found = outcome(() =>
        parseJsonText(open.repeat(depth) + "1" + close.repeat(depth), "x")
      );
      assert.ok("error" in found);
      assert.match(found.error.message, /over 100 levels/);
    }
    const deep = outcome(() => parseJsonText(open.repeat(100) + "1" + close.repeat(100), "x"));
    assert.ok("value" in deep);
  }
  const long = `[${Array.from({ length: 2e5 }, (_, i) => `{"a":${i},"b":"x"}`).join(",")}`;
  assert.ok("value" in outcome(() => parseJsonText(`${long}]`, "x")));
  assert.ok("error" in outcome(() => parseJsonText(`${long},`, "x")));
  assert.ok("error" in outcome(() => parseJsonText(`{"${"k".repeat(2e6)}": }`, "x")));
});

Deno.test("parseConfig() gives a configuration that obeys every rule, or one line", () => {
  fc.assert(
    fc.property(objects(KEYS), fc.boolean(), (given, withEnv) => {
      const text = JSON.stringify(withEnv ? { env: "ReacherEnv", ...given } : given);
      const found = outcome(() => parseConfig(text, "c.json", [], CONTEXT));
      if ("error" in found) return assert.match(found.error.message, /^c\.json/);
      const { config, sourceOf } = found.value;
      checkValues(config, CONFIG_KEYS);
      for (const [name, { published }] of configKeys()) {
        if (!Object.hasOwn(given, published)) continue;
        // as JSON has it: -0 is written 0, and numbers that are none null
        assert.deepEqual(config[name], JSON.parse(JSON.stringify(given[published])));
        assert.equal(sourceOf(name), "c.json");
      }
      // what params.json keeps reads back the same
      const again = parseConfig(JSON.stringify(publishedConfig(config)), "p", [], CONTEXT).config;
      assert.deepEqual(again, JSON.parse(JSON.stringify(config)));
    }),
    {
      ...effort(),
      // comparing it with every known key took seconds
      examples: [[{ ["k".repeat(1e6)]: 1 }, true], [{ ["\x07".repeat(1e3)]: 1 }, true], [{
        "a\nb\x1b[2J": 1,
      }, true]],
    },
  );
});

Deno.test("resolveFamleConfig() gives settings that obey every rule, or one line", () => {
  fc.assert(
    fc.property(fc.constantFrom("famle_reacher", "famle_ant", "toString"), objects(FAMLE), (
      env,
      given,
    ) => {
      const layer = () => fileLayer(JSON.stringify(given), "c.json");
      const found = outcome(() => resolveFamleConfig(env, [layer()]));
      if ("error" in found) return;
      checkValues(found.value, FAMLE_KEYS);
      const again = { source: "p", values: publishedFamleConfig(found.value) };
      assert.deepEqual(resolveFamleConfig(env, [again]), found.value);
    }),
    effort(),
  );
});

testNeeding("read")("parseConfig() reads or refuses broken configurations", () => {
  const folder = new URL("../../configs/", import.meta.url);
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name)
    .filter((name) => /^[a-z_0-9]+\.json$/.test(name) && !name.startsWith("metarl."));
  const texts = names.sort().map((name) => Deno.readTextFileSync(new URL(name, folder)));
  assert.ok(texts.length > 0);
  fc.assert(
    fc.property(brokenText(texts), (text) => {
      const found = outcome(() => parseConfig(text, "c.json", [], CONTEXT));
      if ("value" in found) checkValues(found.value.config, CONFIG_KEYS);
      else assert.match(found.error.message, /^c\.json/);
    }),
    effort(),
  );
});

Deno.test("setLayer() sets the key it names, to the value it says, or nothing", () => {
  const key = fc.oneof(fc.constantFrom(...KEYS), wildText);
  const value = fc.oneof(values.map((each) => JSON.stringify(each) ?? "null"), wildText);
  const assignments = fc.oneof(fc.tuple(key, value).map(([k, v]) => `${k}=${v}`), wildText);
  const base = { source: "c.json", values: { env: "ReacherEnv" } };
  fc.assert(
    fc.property(assignments, (text) => {
      const found = outcome(() => {
        const layer = setLayer(text);
        assert.equal(Object.keys(layer.values).join("="), text.slice(0, text.indexOf("=")));
        return { layer, parsed: resolveConfig([base, layer], CONTEXT) };
      });
      if ("error" in found) return;
      const { layer, parsed: { config } } = found.value;
      checkValues(config, CONFIG_KEYS);
      for (const [name, { published }] of configKeys()) {
        if (Object.hasOwn(layer.values, published)) {
          assert.deepEqual(config[name], layer.values[published]);
        }
      }
    }),
    {
      ...effort(),
      // showing a value that is lists in lists took the whole stack
      examples: [[`seed=${"[".repeat(6e4)}${"]".repeat(6e4)}`], ["__proto__=1"], ["=1"]],
    },
  );
});
