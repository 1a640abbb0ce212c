import assert from "node:assert/strict";
import {
  importCircles,
  importsOf,
  layerViolation,
  reservedUses,
} from "../../tools/check_layers.ts";

Deno.test("importsOf() finds every way to import, and none in comments", () => {
  const text = `
/**
 * import { no } from "./comment.ts";
 */
import a, { b } from "./a.ts";
import type { C } from "../nn/c.ts";
import {
  type D,
  type E,
} from "../nn/d.ts";
import { type F, g } from "../nn/f.ts";
import "./effect.ts";
import { z } from "zod";
import manifest from "../../deno.json" with { type: "json" };
export * from "./re.ts";
export type { H } from "./h.ts";
// import { no } from "./line.ts";
const lazy = await import("./lazy.ts");
const worker = new URL("./worker.ts", import.meta.url);
`;
  const found = importsOf("algos/x.ts", text).map(({ to, isTypeOnly }) =>
    `${to}${isTypeOnly ? " (type)" : ""}`
  );
  assert.deepEqual(found.sort(), [
    "algos/a.ts",
    "algos/effect.ts",
    "algos/h.ts (type)",
    "algos/lazy.ts",
    "algos/re.ts",
    "algos/worker.ts",
    "nn/c.ts (type)",
    "nn/d.ts (type)",
    "nn/f.ts",
  ]);
});

Deno.test("layerViolation() lets imports go down only", () => {
  const check = (from: string, to: string, isTypeOnly = false) =>
    layerViolation({ from, to, isTypeOnly });
  const fine: [string, string, boolean?][] = [
    ["cli/a.ts", "trainer/b.ts"],
    ["algos/a.ts", "compute/webgpu/b.ts"],
    ["compute/cpu/a.ts", "compute/b.ts"],
    ["rollout/a.ts", "envs/env.ts"],
    ["run/a.ts", "config/schema.ts", true],
    ["cli/a.ts", "plot/mod.ts"],
    ["plot/a.ts", "util/errors.ts"],
  ];
  for (const [from, to, type] of fine) assert.equal(check(from, to, type), null, `${from} ${to}`);
  const refused: [string, string, boolean?][] = [
    ["util/a.ts", "config/b.ts"],
    ["compute/a.ts", "nn/b.ts", true],
    ["envs/a.ts", "compute/b.ts"],
    ["rollout/a.ts", "envs/registry.ts"],
    ["run/a.ts", "config/schema.ts", false],
    ["run/a.ts", "config/parse.ts", true],
    ["trainer/a.ts", "cli/b.ts"],
    ["trainer/a.ts", "plot/mod.ts", true],
    ["plot/a.ts", "run/b.ts"],
    ["unknown/a.ts", "util/b.ts"],
  ];
  for (const [from, to, type] of refused) {
    assert.notEqual(check(from, to, type), null, `${from} ${to}`);
  }
  assert.equal(check("nn/a.ts", "algos/b.ts"), "nn/a.ts: nn may not import algos/b.ts");
});

Deno.test("importCircles() finds circles of values", () => {
  const imports = (pairs: [string, string, boolean?][]) =>
    pairs.map(([from, to, isTypeOnly = false]) => ({ from, to, isTypeOnly }));
  assert.deepEqual(
    importCircles(imports([["x", "a"], ["a", "b"], ["b", "c"], ["c", "a"], ["c", "d"]])),
    ["a -> b -> c -> a"],
  );
  assert.deepEqual(importCircles(imports([["a", "b"], ["b", "a", true]])), []);
  assert.deepEqual(importCircles(imports([["a", "c"], ["a", "b"], ["b", "c"]])), []);
});

Deno.test("reservedUses() tells printing, exiting, writing and GPU use apart from comments", () => {
  const text = 'console.log("x");\n// Deno.exit(1);\nDeno.writeTextFileSync("x", "");\n' +
    'navigator.gpu;\nDeno.removeSignalListener("SIGINT", f);\n';
  assert.deepEqual(reservedUses("algos/a.ts", text), [
    "algos/a.ts:1: prints, which only cli/ may",
    "algos/a.ts:3: writes, which only run/ may",
    "algos/a.ts:4: touches navigator.gpu, which only compute/webgpu/ may",
  ]);
  assert.deepEqual(reservedUses("cli/a.ts", "console.log(1); Deno.exit(2);"), []);
});
