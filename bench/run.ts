/**
 * `deno task bench [PART]... [--quick] [--json FILE] [--check] [--save-baseline]`: one table and one
 * JSON file (bench-results.json), each figure a median with its quartiles, ratios taken in the same
 * run. Parts: see PARTS below; all of them where none is named. bench/README.md says more.
 *
 * --check compares the ratios with bench/baseline.json and fails where one has lost more than 20 %;
 * --save-baseline stores them there.
 */
import { parseArgs } from "node:util";
import { didYouMean } from "../src/util/nearest.ts";
import { describeMachine } from "./machine.ts";
import {
  type Baseline,
  baselineOf,
  type BenchResults,
  compare,
  type Effort,
  FULL,
  QUICK,
  Report,
} from "./results.ts";

type Part = (report: Report, effort: Effort) => Promise<void>;

/** Loaded when they run: some of the peers take a second to load. */
const PARTS: Readonly<Record<string, () => Promise<Part>>> = {
  kernels: async () => (await import("./parts/kernels.ts")).benchKernels,
  "meta-gradient": async () => (await import("./parts/meta_gradient.ts")).benchMetaGradient,
  iteration: async () => (await import("./parts/iteration.ts")).benchIteration,
  famle: async () => (await import("./parts/famle.ts")).benchFamle,
  startup: async () => (await import("./parts/startup.ts")).benchStartup,
  memory: async () => (await import("./parts/memory.ts")).benchMemory,
  sampling: async () => (await import("./parts/sampling.ts")).benchSampling,
};
const BASELINE = new URL("baseline.json", import.meta.url);

function fail(message: string): never {
  console.error(`error: ${message}`);
  Deno.exit(2);
}

function readOptions() {
  try {
    return parseArgs({
      args: Deno.args,
      allowPositionals: true,
      options: {
        quick: { type: "boolean", default: false },
        json: { type: "string", default: "bench-results.json" },
        check: { type: "boolean", default: false },
        "save-baseline": { type: "boolean", default: false },
      },
    });
  } catch (error) {
    return fail((error as Error).message);
  }
}

function readBaseline(): Baseline {
  try {
    return JSON.parse(Deno.readTextFileSync(BASELINE));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return {};
    throw error;
  }
}

/** Prints the comparison; whether nothing was lost. */
function check(results: BenchResults, baseline: Baseline): boolean {
  const { compared, unmeasured } = compare(results, baseline);
  const stored = results.quick ? baseline.quick : baseline.full;
  console.log(`\nagainst bench/baseline.json of ${stored!.date}`);
  for (const { part, name, stored, measured, lost } of compared) {
    const change = `${(100 * (measured.median / stored - 1)).toFixed(0)} %`.padStart(6);
    if (lost) console.log(`  LOST ${change}  ${part}: ${name}, ${measured.median} of ${stored}`);
  }
  const lost = compared.filter((one) => one.lost).length;
  if (unmeasured.length > 0) {
    console.log(`  not measured this time: ${unmeasured.length}, e.g. ${unmeasured[0]}`);
  }
  console.log(`check: ${compared.length} ratios compared, ${lost} lost more than 20 %`);
  return lost === 0 && compared.length > 0;
}

const { values: options, positionals: parts } = readOptions();
for (const part of parts) {
  if (part in PARTS) continue;
  const names = Object.keys(PARTS);
  fail(`"${part}" is none of ${names.join(", ")}${didYouMean(part, names)}`);
}
const baseline = readBaseline();
if (options.check && baseline[options.quick ? "quick" : "full"] === undefined) {
  fail("bench/baseline.json has no such run; make one with --save-baseline");
}
const machine = await describeMachine();
for (const [name, value] of Object.entries(machine)) console.log(`${name.padEnd(10)} ${value}`);
const report = new Report(console.log);
const started = new Date();
for (const part of parts.length > 0 ? parts : Object.keys(PARTS)) {
  console.log(`\n${part}: median, quartiles (number of measurements)`);
  const run = await PARTS[part]();
  await run(report, options.quick ? QUICK : FULL);
}
const results: BenchResults = {
  date: started.toISOString(),
  command: ["deno task bench", ...Deno.args].join(" "),
  quick: options.quick,
  machine,
  ...report.contents(),
};
await Deno.writeTextFile(options.json, JSON.stringify(results, null, 2) + "\n");
console.log(
  `\n${options.json}: ${report.figures.length} figures, ${report.ratios.length} ratios, after ` +
    `${((Date.now() - started.getTime()) / 60_000).toFixed(1)} minutes`,
);
if (options["save-baseline"]) {
  const next = JSON.stringify(baselineOf(results, baseline), null, 2) + "\n";
  await Deno.writeTextFile(BASELINE, next);
  console.log("stored in bench/baseline.json");
}
if (options.check && !check(results, baseline)) Deno.exit(1);
