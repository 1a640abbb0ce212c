/**
 * Whole training iterations by phase, as `metarl` logs them: from the published configurations, on
 * the cpu device with as many workers as cores.
 *
 *     sampling     of the workers: policy and environment; "physics" is what env.step takes of it
 *     processing   baseline and advantages
 *     inner steps  gradients of the tasks, in the workers
 *     waiting      of the workers for the last of them
 *     outer steps  meta-gradients of all tasks at once
 *     rest         the log, and what else is between the phases
 *
 * All but "physics" add up to the whole. The shares of idle time are those of the log.
 */
import { type Choice, type Effort, ratioOf, type Report } from "../results.ts";
import { FROM_SOURCE, runProgram } from "../process.ts";

const PART = "iteration";

interface Case {
  readonly name: string;
  readonly algorithm: "mmaml" | "promp";
  readonly config: string;
  /** Counted ones; one more is run before. */
  readonly iterations: number;
}

const CASES: readonly Case[] = [
  { name: "point", algorithm: "promp", config: "point_env_momentum_dense", iterations: 7 },
  { name: "point", algorithm: "mmaml", config: "point_env_momentum_dense", iterations: 7 },
  { name: "reacher", algorithm: "mmaml", config: "reacher", iterations: 5 },
  { name: "ant", algorithm: "mmaml", config: "ant_rand_goal_mode", iterations: 3 },
];

type Row = Readonly<Record<string, number>>;

/** Seconds that the workers are at work, each on average. */
const busy = (row: Row) => row["Time-Sampling"] + row["Time-SampleProc"] + row["Time-InnerStep"];

/** Seconds of a row of the log, by phase. */
const PHASES: Readonly<Record<string, (row: Row) => number>> = {
  "whole": (row) => row["ItrTime"],
  "sampling": (row) => row["Time-Sampling"],
  "of it physics": (row) => row["Time-EnvStep"],
  "processing": (row) => row["Time-SampleProc"],
  "inner steps": (row) => row["Time-InnerStep"],
  "waiting": (row) => row["Time-TotalInner"] - busy(row),
  "outer steps": (row) => row["Time-OuterStep"],
  "rest": (row) => row["ItrTime"] - row["Time-MAMLSteps"],
};

/** Shares of idle time by column of the log. */
const IDLE: Readonly<Record<string, string>> = {
  "workers idle while sampling": "Idle-Sampling",
  "workers idle": "Idle-Workers",
  "learner idle": "Idle-Device",
};

async function iterations({ algorithm, config, iterations }: Case, quick: boolean): Promise<Row[]> {
  const folder = await Deno.makeTempDir({ prefix: "metarl-bench-" });
  const { stdout } = await runProgram(Deno.execPath(), [
    ...FROM_SOURCE,
    ...[algorithm, `configs/${config}.json`, "--json", "--device", "cpu", "--force"],
    ...["--out", `${folder}/run`, "--iterations", `${iterations + 1}`],
    ...(quick ? ["--set", "meta_batch_size=4"] : []),
  ]);
  await Deno.remove(folder, { recursive: true });
  return stdout.trim().split("\n")
    .map((line) => JSON.parse(line))
    .filter(({ type }) => type === "iteration")
    .map(({ row }) => row as Row)
    .slice(1);
}

export async function benchIteration(
  report: Report,
  effort: Effort,
  { wants }: Choice,
): Promise<void> {
  for (const one of CASES) {
    const name = `${one.name} ${one.algorithm === "mmaml" ? "MMAML" : "ProMP"}`;
    if (!wants(name)) continue;
    const rows = await iterations(one, effort.quick);
    for (const [phase, seconds] of Object.entries(PHASES)) {
      report.figure(PART, name, phase, "s", rows.map(seconds));
    }
    for (const [what, column] of Object.entries(IDLE)) {
      report.figure(PART, name, what, "%", rows.map((row) => 100 * row[column]));
    }
    const share = ratioOf(rows.map(busy), rows.map((row) => row["Time-TotalInner"]));
    report.ratio(PART, name, "workers at work / sampling", share);
  }
}
