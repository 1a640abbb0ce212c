/**
 * `deno task bench`: one table and one JSON file, each figure a median with its quartiles, ratios
 * taken in the same run. USAGE below has the options, bench/README.md says more.
 */
import { parseArgs } from "node:util";
import { didYouMean } from "../src/util/nearest.ts";
import { describeMachine } from "./machine.ts";
import {
  type Baseline,
  baselineOf,
  type BenchResults,
  betterOf,
  type Choice,
  compare,
  digits,
  type Effort,
  FULL,
  PEERS,
  QUICK,
  Report,
  storedFor,
} from "./results.ts";

type RunPart = (report: Report, effort: Effort, choice: Choice) => Promise<void>;

interface Part {
  /** Loaded when it runs: some of the peers take a second to load. */
  readonly load: () => Promise<RunPart>;
  /** Its cases can be chosen by name. */
  readonly hasCases: boolean;
}

const PARTS: Readonly<Record<string, Part>> = {
  kernels: {
    load: async () => (await import("./parts/kernels.ts")).benchKernels,
    hasCases: true,
  },
  "meta-gradient": {
    load: async () => (await import("./parts/meta_gradient.ts")).benchMetaGradient,
    hasCases: true,
  },
  iteration: {
    load: async () => (await import("./parts/iteration.ts")).benchIteration,
    hasCases: true,
  },
  famle: {
    load: async () => (await import("./parts/famle.ts")).benchFamle,
    hasCases: true,
  },
  startup: {
    load: async () => (await import("./parts/startup.ts")).benchStartup,
    hasCases: false,
  },
  memory: {
    load: async () => (await import("./parts/memory.ts")).benchMemory,
    hasCases: true,
  },
  sampling: {
    load: async () => (await import("./parts/sampling.ts")).benchSampling,
    hasCases: false,
  },
};
const WITH_CASES = Object.keys(PARTS).filter((name) => PARTS[name].hasCases);

const USAGE = `deno task bench [PART]... [options]

parts (all where none is named): ${Object.keys(PARTS).join(", ")}

  --quick          fewer tasks and repetitions
  --only TEXT      only cases with TEXT in their name, like "ant MMAML"
                   (${WITH_CASES.join(", ")})
  --peers LIST     of ${PEERS.join(", ")}, or none; default: all that are here
  --json FILE      where the results go (default: bench-results.json)
  --check          compare ratios with bench/baseline.json; exit code 1 if one has
                   lost more than 20 %
  --save-baseline  store the ratios there`;

const BASELINE = new URL("baseline.json", import.meta.url);
/** A ratio that looks lost is measured so many times more: only what is lost each time counts. */
const SECOND_LOOKS = 2;
/** Programs that want the cores, per core, from which on times say little. */
const MUCH_LOAD = 0.25;

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
        only: { type: "string" },
        peers: { type: "string" },
        json: { type: "string", default: "bench-results.json" },
        check: { type: "boolean", default: false },
        "save-baseline": { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    return fail((error as Error).message);
  }
}

function readChoice(only: string | undefined, peers: string | undefined): Choice {
  const names = peers === undefined ? PEERS : peers === "none" ? [] : peers.split(",");
  const isPeer = (name: string) =>
    PEERS.find((peer) => peer === name) ??
      fail(`--peers: "${name}" is none of ${PEERS.join(", ")}${didYouMean(name, PEERS)}`);
  return {
    wants: (name) => only === undefined || name.includes(only),
    peers: new Set(names.map(isPeer)),
  };
}

function readBaseline(): Baseline {
  try {
    return JSON.parse(Deno.readTextFileSync(BASELINE));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return {};
    throw error;
  }
}

/** Prints what could not be compared, part by part. */
function tellUncompared(results: BenchResults, baseline: Baseline): void {
  const { compared, unmeasured } = compare(results, baseline);
  const stored = storedFor(results, baseline);
  for (const part of results.parts) {
    if (stored[part] === undefined) {
      console.log(`  ${part}: nothing is stored`);
      continue;
    }
    const { date, machine } = stored[part];
    const count = compared.filter(({ ratio }) => ratio.part === part).length;
    const other = ["processor", "cores", "gpu"]
      .filter((key) => machine[key] !== results.machine[key])
      .map((key) => `${key} ${machine[key]}`);
    const where = other.length > 0 ? ` on another machine (${other.join(", ")})` : "";
    console.log(`  ${part}: ${count} compared with those of ${date.slice(0, 10)}${where}`);
    const missing = unmeasured[part];
    if (missing.length === 0) continue;
    console.log(`    not measured this time: ${missing.length}, like "${missing[0]}"`);
    for (const { what, why } of results.absent.filter((one) => one.part === part)) {
      console.log(`      ${what}: ${why}`);
    }
  }
}

/** Runs parts, printing the table. */
async function measure(
  parts: readonly string[],
  effort: Effort,
  choice: Choice,
): Promise<Report> {
  const columns = Deno.stdout.isTerminal() ? Deno.consoleSize().columns : Infinity;
  const report = new Report(console.log, columns);
  for (const part of parts) {
    console.log(`\n${part}: median, quartiles (number of measurements)`);
    const run = await PARTS[part].load();
    await run(report, effort, choice);
  }
  return report;
}

/** Compares with the stored ratios, measures again what looks lost; whether nothing was lost. */
async function check(
  first: BenchResults,
  baseline: Baseline,
  effort: Effort,
  peers: Choice["peers"],
): Promise<boolean> {
  let results = first;
  const lost = () => compare(results, baseline).compared.filter((one) => one.lost);
  for (let again = 0; again < SECOND_LOOKS && lost().length > 0; again++) {
    console.log(`\n${lost().length} ratios look lost and are measured again`);
    const suspects = lost().map(({ ratio }) => ratio);
    for (const part of new Set(suspects.map((ratio) => ratio.part))) {
      const names = suspects.filter((ratio) => ratio.part === part).map(({ name }) => name);
      const choice = { wants: (name: string) => names.includes(name), peers };
      results = betterOf(results, (await measure([part], effort, choice)).ratios);
    }
  }
  console.log("\nagainst bench/baseline.json");
  tellUncompared(results, baseline);
  for (const { ratio: { part, name, label, median }, stored } of lost()) {
    const change = `${(100 * (median / stored - 1)).toFixed(0)} %`;
    console.log(`  LOST ${change}  ${part}: ${name}: ${label}, ${digits(median)} of ${stored}`);
  }
  const { compared } = compare(results, baseline);
  console.log(
    compared.length === 0
      ? "check: FAILED, nothing could be compared"
      : `check: ${compared.length} ratios compared, ${lost().length} lost more than 20 %`,
  );
  return lost().length === 0 && compared.length > 0;
}

function tellGoals({ ratios, goals }: Report): void {
  const all = [...ratios, ...goals].filter(({ goal }) => goal !== undefined);
  const missed = all.filter(({ median, goal }) => median < goal!);
  if (all.length === 0) return;
  console.log(`\ngoals: ${all.length - missed.length} met, ${missed.length} missed`);
  for (const { part, name, label, median, goal } of missed) {
    console.log(`  ${part}: ${name}: ${label}, ${digits(median)} of ${digits(goal!)}`);
  }
}

const { values: options, positionals } = readOptions();
if (options.help) {
  console.log(USAGE);
  Deno.exit(0);
}
for (const part of positionals) {
  if (part in PARTS) continue;
  const names = Object.keys(PARTS);
  fail(`"${part}" is none of ${names.join(", ")}${didYouMean(part, names)}`);
}
const isChosen = options.only !== undefined || options.peers !== undefined;
if (isChosen && options["save-baseline"]) {
  fail("--save-baseline stores whole parts: leave out --only and --peers");
}
const choice = readChoice(options.only, options.peers);
const all = options.only === undefined ? Object.keys(PARTS) : WITH_CASES;
const parts = positionals.length > 0 ? [...new Set(positionals)] : all;
const whole = parts.find((part) => options.only !== undefined && !PARTS[part].hasCases);
if (whole !== undefined) {
  fail(`--only: ${whole} has no cases to choose; ${WITH_CASES.join(", ")} have`);
}
const effort = options.quick ? QUICK : FULL;
const baseline = readBaseline();
const stored = storedFor(options, baseline);
if (options.check && !parts.some((part) => part in stored)) {
  const kind = options.quick ? "quick" : "full";
  fail(
    `--check: bench/baseline.json has no ${kind} run of ${parts.join(", ")}; ` +
      `${options.quick ? "leave out" : "add"} --quick, or store one with --save-baseline`,
  );
}

const machine = await describeMachine();
for (const [name, value] of Object.entries(machine)) console.log(`${name.padEnd(10)} ${value}`);
if (Number(machine.load) > MUCH_LOAD * Number(machine.cores)) {
  console.log("other programs want the cores: times, and ratios with PyTorch, will be off");
}
const started = new Date();
const report = await measure(parts, effort, choice);
if (report.figures.length === 0 && options.only !== undefined) {
  fail(`--only: no case of ${parts.join(", ")} has "${options.only}" in its name`);
}
tellGoals(report);
const results: BenchResults = {
  date: started.toISOString(),
  command: ["deno task bench", ...Deno.args].join(" "),
  quick: options.quick,
  parts,
  machine,
  ...report.contents(),
};
await Deno.writeTextFile(options.json, JSON.stringify(results, null, 2) + "\n");
console.log(
  `\n${options.json}: ${report.figures.length} figures, ${report.ratios.length} ratios, after ` +
    `${((Date.now() - started.getTime()) / 60_000).toFixed(1)} minutes`,
);
const isSound = !options.check || await check(results, baseline, effort, choice.peers);
if (options["save-baseline"]) {
  console.log("\nbench/baseline.json");
  tellUncompared(results, baseline);
  const next = JSON.stringify(baselineOf(results, baseline), null, 2) + "\n";
  await Deno.writeTextFile(BASELINE, next);
  console.log("  stored the ratios of this run instead");
}
if (!isSound) Deno.exit(1);
