/** What the benchmarks make of their measurements: spreads, ratios, the check against stored ones. */
import assert from "node:assert/strict";
import {
  type Baseline,
  baselineOf,
  type BenchResults,
  compare,
  ratioOf,
  Report,
  spreadOf,
  takeTurns,
} from "../../bench/results.ts";
import { lacks } from "../permissions.ts";

const MACHINE = { processor: "any" };

function resultsOf(
  ratios: Readonly<Record<string, readonly number[]>>,
  { quick = false, part = "kernels" } = {},
): BenchResults {
  const report = new Report(() => {});
  for (const [name, values] of Object.entries(ratios)) report.ratio(part, name, spreadOf(values));
  const date = "2026-01-01";
  return { date, command: "deno task bench", quick, machine: MACHINE, ...report.contents() };
}

Deno.test("spreadOf() gives median and quartiles, between neighbours by proportion", () => {
  assert.deepEqual(spreadOf([4, 1, 3, 2]), { median: 2.5, low: 1.75, high: 3.25, count: 4 });
  assert.deepEqual(spreadOf([7]), { median: 7, low: 7, high: 7, count: 1 });
  assert.throws(() => spreadOf([]), RangeError);
});

Deno.test("ratioOf() divides turn by turn", () => {
  // the quotient of the medians would be 10 / 5
  assert.equal(ratioOf([10, 30, 2], [5, 10, 0.5]).median, 3);
});

Deno.test("takeTurns() alternates and leaves everyone's first result out", async () => {
  const order: string[] = [];
  const counted = (name: string) => () => order.push(name);
  const effort = { quick: true, seconds: 0, least: 2, most: 9 };
  const turns = await takeTurns({ a: counted("a"), b: counted("b") }, effort);
  assert.deepEqual(order, ["a", "b", "a", "b", "a", "b"]);
  assert.deepEqual(turns, { a: [3, 5], b: [4, 6] });
});

Deno.test("compare() loses a ratio that is more than a fifth lower, beyond its spread", () => {
  const baseline = baselineOf(resultsOf({ a: [10], b: [10], c: [10], d: [10] }), {});
  const { compared, unmeasured } = compare(
    resultsOf({ a: [7.9, 7.9, 7.9], b: [7, 7.9, 9], c: [8.1], new: [1] }),
    baseline,
  );
  assert.deepEqual(compared.map(({ name, lost }) => [name, lost]), [
    ["a", true],
    ["b", false],
    ["c", false],
  ]);
  assert.deepEqual(unmeasured, ["kernels: d"]);
});

Deno.test("compare() holds quick runs against quick ones, and says nothing of other parts", () => {
  const full = baselineOf(resultsOf({ a: [10] }), {});
  const quick = { quick: true };
  assert.deepEqual(compare(resultsOf({ a: [1] }, quick), full).compared, []);
  const both = baselineOf(resultsOf({ a: [1] }, quick), full);
  assert.equal(compare(resultsOf({ a: [1] }, quick), both).compared[0].lost, false);
  assert.equal(compare(resultsOf({ a: [1] }), both).compared[0].lost, true);
  assert.deepEqual(compare(resultsOf({ b: [1] }, { part: "famle" }), both).unmeasured, []);
});

Deno.test("baselineOf() keeps the ratios of parts that were not run", () => {
  const first: Baseline = baselineOf(resultsOf({ a: [10] }), {});
  const second = baselineOf(resultsOf({ b: [2] }, { part: "famle" }), first);
  assert.deepEqual(second.full?.ratios, { kernels: { a: 10 }, famle: { b: 2 } });
});

Deno.test({
  name: "deno task bench refuses a part that there is not",
  ignore: lacks("run") || lacks("read"),
  fn: async () => {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "bench/run.ts", "kernel"],
      cwd: new URL("../..", import.meta.url).pathname,
    }).output();
    assert.equal(code, 2);
    const text = new TextDecoder().decode(stderr);
    assert.match(text, /"kernel" is none of kernels, .*did you mean "kernels"\?/);
  },
});
