/** What the benchmarks make of their measurements: spreads, ratios, the check against stored ones. */
import assert from "node:assert/strict";
import {
  type Baseline,
  baselineOf,
  type BenchResults,
  betterOf,
  compare,
  ratioOf,
  Report,
  reportRatios,
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
  for (const [name, values] of Object.entries(ratios)) {
    report.ratio(part, name, "x / y", spreadOf(values));
  }
  const date = "2026-01-01";
  const command = "deno task bench";
  return { date, command, quick, parts: [part], machine: MACHINE, ...report.contents() };
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
  assert.deepEqual(compared.map(({ ratio, lost }) => [ratio.name, lost]), [
    ["a", true],
    ["b", false],
    ["c", false],
  ]);
  assert.deepEqual(unmeasured, { kernels: ["d: x / y"] });
});

Deno.test("compare() names all ratios of a part that was run and gave none", () => {
  const baseline = baselineOf(resultsOf({ a: [10] }, { part: "memory" }), {});
  const { compared, unmeasured } = compare(resultsOf({}, { part: "memory" }), baseline);
  assert.deepEqual([compared, unmeasured], [[], { memory: ["a: x / y"] }]);
});

Deno.test("compare() holds quick runs against quick ones, and says nothing of other parts", () => {
  const full = baselineOf(resultsOf({ a: [10] }), {});
  const quick = { quick: true };
  assert.deepEqual(compare(resultsOf({ a: [1] }, quick), full).compared, []);
  const both = baselineOf(resultsOf({ a: [1] }, quick), full);
  assert.equal(compare(resultsOf({ a: [1] }, quick), both).compared[0].lost, false);
  assert.equal(compare(resultsOf({ a: [1] }), both).compared[0].lost, true);
  assert.deepEqual(compare(resultsOf({ b: [1] }, { part: "famle" }), both).unmeasured, {
    famle: [],
  });
});

Deno.test("baselineOf() keeps the parts that were not run, each with its date", () => {
  const first: Baseline = baselineOf(resultsOf({ a: [10] }), {});
  const famle = { ...resultsOf({ b: [2] }, { part: "famle" }), date: "2026-02-02" };
  const second = baselineOf(famle, first);
  assert.deepEqual(second.full, {
    kernels: { date: "2026-01-01", machine: MACHINE, ratios: { "a: x / y": 10 } },
    famle: { date: "2026-02-02", machine: MACHINE, ratios: { "b: x / y": 2 } },
  });
});

Deno.test("betterOf() takes a second look at what was measured again", () => {
  const first = resultsOf({ a: [7], b: [9], c: [9] });
  const { ratios } = betterOf(first, resultsOf({ a: [8], b: [6] }).ratios);
  assert.deepEqual(ratios.map(({ name, median }) => [name, median]), [["a", 8], ["b", 9], [
    "c",
    9,
  ]]);
});

Deno.test("reportRatios() holds later runs against processor time where the cores work", () => {
  const theirs = [{ ms: 30, processorMs: 40 }, { ms: 90, processorMs: 40 }];
  const ours = [{ ms: 10, processorMs: 20 }, { ms: 10, processorMs: 20 }];
  const found = (onCores: boolean, alike = true) => {
    const report = new Report(() => {});
    const between = { theirs: "them", ours: "us", onCores, alike };
    reportRatios(report, "famle", "case", between, { theirs, ours }, { goal: 4 });
    return report.ratios;
  };
  const [wall, processor] = found(true);
  assert.deepEqual([wall.label, wall.median, wall.goal], ["them / us", 6, 4]);
  assert.deepEqual([processor.label, processor.median, processor.goal], [
    "them / us, processor time",
    2,
    undefined,
  ]);
  const results = { ...resultsOf({}), ratios: [wall, processor] };
  assert.deepEqual(baselineOf(results, {}).full!.famle.ratios, {
    "case: them / us, processor time": 2,
  });
  assert.deepEqual(found(true, false).map(({ label, unsteady }) => [label, unsteady]), [[
    "them / us",
    true,
  ]]);
  // a GPU's work is not seen in processor time
  assert.deepEqual(found(false).map(({ label, unsteady }) => [label, unsteady]), [[
    "them / us",
    undefined,
  ]]);
});

Deno.test("Report fits into a terminal of 80 columns, and says where goals are missed", () => {
  const lines: string[] = [];
  const report = new Report((line) => lines.push(line), 80);
  report.figure("kernels", "adam [400, 4612]", "cpu", "steps/s", [9_670_000, 9_800_000]);
  const share = spreadOf([0.4, 0.6]);
  report.ratio("kernels", "adam [400, 4612]", "cpu relaxed, 2 threads / limit", share, {
    goal: 0.6,
  });
  report.ratio("kernels", "sgd", "PyTorch, tuned malloc / cpu, processor time", share);
  report.goal("kernels", "sgd", "cpu, per core", share, 0.7);
  assert.deepEqual(lines, [
    "  adam [400, 4612]",
    "    cpu                                 9735000 steps/s  9702500 .. 9767500 (2)",
    "    cpu relaxed, 2 threads / limit        0.500          0.450 .. 0.550 (2)",
    "      goal 0.600: MISSED",
    "  sgd",
    "    PyTorch, tuned malloc / cpu, processor time",
    "                                          0.500          0.450 .. 0.550 (2)",
    "      cpu, per core: goal 0.700: MISSED",
  ]);
  assert.ok(lines.every((line) => line.length <= 80));
});

function bench(...args: string[]): Promise<{ code: number; stderr: string; stdout: string }> {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "bench/run.ts", ...args],
    cwd: new URL("../..", import.meta.url).pathname,
  }).output().then(({ code, stderr, stdout }) => {
    const decoder = new TextDecoder();
    return { code, stderr: decoder.decode(stderr), stdout: decoder.decode(stdout) };
  });
}

Deno.test({
  name: "deno task bench refuses what there is not, before it measures anything",
  ignore: lacks("run") || lacks("read"),
  fn: async () => {
    const wrong: [string[], RegExp][] = [
      [["kernel"], /"kernel" is none of kernels, .*did you mean "kernels"\?/],
      [["--peers", "tfjs"], /--peers: "tfjs" is none of torch, tfjs-wasm, tfjs-webgpu/],
      [["startup", "--only", "ant"], /--only: startup has no cases to choose; kernels, /],
      [["--only", "ant", "--save-baseline"], /--save-baseline stores whole parts/],
    ];
    for (const [args, message] of wrong) {
      const { code, stderr } = await bench(...args);
      assert.equal(code, 2, args.join(" "));
      assert.match(stderr, message);
    }
  },
});
