/**
 * How long it takes until something happens: `--version`, `--help`, and the start of the first
 * training iteration, from process start; of the compiled program and from the sources. Beside it
 * an empty program on the same Deno. "cold": without the driver's cache of compiled shaders.
 */
import { probeAdapter } from "../../src/compute/webgpu/adapter.ts";
import { processorTimeOfPrograms, TELLS_PROCESSOR_TIME_OF_PROGRAMS } from "../clock.ts";
import { compiledBinary, FROM_SOURCE, runProgram } from "../process.ts";
import { type Effort, ratioOf, type Report, spreadOf, takeTurns } from "../results.ts";

const PART = "startup";

/** Programs whose processor time is taken together: the system counts it in 10 ms. */
const PROGRAMS = 10;

const CONFIGS = {
  "point MMAML": ["configs/point_env_momentum_dense.json"],
  // as many tasks as --device auto measures
  "reacher MMAML": ["configs/reacher.json", "--set", "meta_batch_size=8"],
};

interface Program {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}

/** Milliseconds from the start of the process to that of its first iteration. */
async function firstIteration(
  { command, args }: Program,
  config: readonly string[],
  device: string,
  cold: boolean,
): Promise<number> {
  const folder = await Deno.makeTempDir({ prefix: "metarl-bench-" });
  const { stdout, milliseconds } = await runProgram(command, [
    ...[...args, "mmaml", ...config, "--json", "--iterations", "1", "--device", device],
    ...["--force", "--out", `${folder}/run`],
  ], cold ? { MESA_SHADER_CACHE_DIR: folder } : {});
  await Deno.remove(folder, { recursive: true });
  const lines = stdout.trim().split("\n").map((line) => JSON.parse(line));
  const { seconds } = lines.find(({ type }) => type === "iteration");
  return milliseconds - 1000 * seconds;
}

export async function benchStartup(report: Report, effort: Effort): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "metarl-bench-" });
  const empty = `${folder}/empty.ts`;
  await Deno.writeTextFile(empty, "");
  const binary = await compiledBinary();
  const programs: Program[] = [
    { name: "from source", command: Deno.execPath(), args: FROM_SOURCE },
  ];
  if (binary === null) {
    report.missing(PART, "compiled program", "there is none; make it with: deno task compile");
  } else {
    programs.unshift({ name: "compiled", command: binary, args: [] });
    const { size } = await Deno.stat(binary);
    report.figure(PART, "size", "compiled", "MB", [size / 1e6]);
  }
  const duration = async (command: string, args: readonly string[]) =>
    (await runProgram(command, args)).milliseconds;
  const processorMs = async (command: string, args: readonly string[]) => {
    const before = processorTimeOfPrograms();
    for (let i = 0; i < PROGRAMS; i++) await runProgram(command, args);
    return processorTimeOfPrograms() - before;
  };
  const adapter = await probeAdapter();
  for (const program of programs) {
    const { name, command, args } = program;
    const turns = await takeTurns({
      empty: () => duration(Deno.execPath(), ["run", empty]),
      "--version": () => duration(command, [...args, "--version"]),
      "--help": () => duration(command, [...args, "--help"]),
    }, effort);
    for (const [what, values] of Object.entries(turns)) {
      if (what !== "empty") report.figure(PART, what, name, "ms", values);
      else report.figure(PART, "empty program", "deno run", "ms", values);
    }
    const label = `empty program / ${name}`;
    const share = ratioOf(turns.empty, turns["--help"]);
    report.ratio(PART, "--help", label, share, { unsteady: true });
    if (TELLS_PROCESSOR_TIME_OF_PROGRAMS) {
      const processor = await takeTurns({
        empty: () => processorMs(Deno.execPath(), ["run", empty]),
        help: () => processorMs(command, [...args, "--help"]),
      }, { ...effort, most: effort.least });
      const steady = ratioOf(processor.empty, processor.help);
      report.ratio(PART, "--help", `${label}, processor time`, steady);
    }
    if (name === "compiled") limit(report, "--help", "within 150 ms", turns["--help"], 150);
    const starts = adapter === null
      ? [["cpu", false]] as const
      : [["cpu", false], ["auto", false], ["auto", true]] as const;
    for (const [config, configArgs] of Object.entries(CONFIGS)) {
      for (const [device, cold] of starts) {
        const what = `first iteration of ${config}, ${device}${cold ? ", cold" : ""}`;
        const { start } = await takeTurns(
          { start: () => firstIteration(program, configArgs, device, cold) },
          { ...effort, most: effort.least },
        );
        report.figure(PART, what, name, "ms", start);
        if (name === "compiled") limit(report, what, "within 1.5 s", start, 1500);
      }
    }
  }
  await Deno.remove(folder, { recursive: true });
}

/** A goal from above, as a goal from below: how often the time fits into what is wanted. */
function limit(
  report: Report,
  name: string,
  label: string,
  milliseconds: readonly number[],
  most: number,
): void {
  report.goal(PART, name, label, spreadOf(milliseconds.map((ms) => most / ms)), 1);
}
