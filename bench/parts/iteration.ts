/**
 * Whole training iterations by phase, as `metarl` logs them: from the published configurations, on
 * the cpu device with as many workers as cores.
 *
 *     sampling    of the workers: policy and environment; "physics" is what env.step takes of it
 *     processing  baseline and advantages
 *     inner step  gradients of the tasks, in the workers
 *     outer step  meta-gradients of all tasks at once
 *     idle        of the workers while any of them samples; of the learner there is none to see,
 *                 it sleeps then
 */
import { type Effort, ratioOf, type Report } from "../results.ts";
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

/** Column of the log by name in the table, seconds. */
const PHASES = {
  "whole": "ItrTime",
  "sampling": "Time-Sampling",
  "of it physics": "Time-EnvStep",
  "processing": "Time-SampleProc",
  "inner steps": "Time-InnerStep",
  "outer steps": "Time-OuterStep",
} as const;

type Row = Readonly<Record<string, number>>;

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

export async function benchIteration(report: Report, effort: Effort): Promise<void> {
  for (const one of CASES) {
    const name = `${one.name} ${one.algorithm === "mmaml" ? "MMAML" : "ProMP"}`;
    const rows = await iterations(one, effort.quick);
    const column = (key: string) => rows.map((row) => row[key]);
    for (const [phase, key] of Object.entries(PHASES)) {
      report.figure(PART, `${name}: ${phase}`, "cpu", "s", column(key));
    }
    const busy = rows.map((row) =>
      row["Time-Sampling"] + row["Time-SampleProc"] + row["Time-InnerStep"]
    );
    const idle = rows.map((row, i) => 100 * (1 - busy[i] / row["Time-TotalInner"]));
    report.figure(PART, `${name}: workers idle`, "cpu", "%", idle);
    const share = ratioOf(busy, column("Time-TotalInner"));
    report.ratio(PART, `${name}: workers at work / time of sampling`, share);
  }
}
