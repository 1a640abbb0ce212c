/** The section about time: what an iteration of ProMP or MMAML is made of. */
import { mean } from "../util/statistics.ts";
import { type EnvironmentRuns, type LabelledRun, runsOf } from "./groups.ts";
import { type Bar, rounded, type Section } from "./model.ts";
import { columnOf } from "./read_run.ts";

/** What an iteration is made of: name, seconds by its columns, `null` where it isn't told apart. */
const PHASES: readonly (readonly [string, (seconds: (name: string) => number | null) => number])[] =
  [
    ["environment", (of) => of("Time-EnvStep") ?? 0],
    [
      "policy while sampling",
      (of) => of("Time-EnvStep") === null ? 0 : (of("Time-Sampling") ?? 0) - of("Time-EnvStep")!,
    ],
    [
      "sampling, environment and policy",
      (of) => of("Time-EnvStep") === null ? of("Time-Sampling") ?? 0 : 0,
    ],
    ["processing of samples", (of) => of("Time-SampleProc") ?? 0],
    ["inner steps", (of) => of("Time-InnerStep") ?? 0],
    ["outer steps", (of) => of("Time-OuterStep") ?? 0],
  ];

/** A run without any of these does not tell what its time went by with. */
const PHASE_COLUMNS = [
  ...["Time-EnvStep", "Time-Sampling", "Time-SampleProc", "Time-InnerStep", "Time-OuterStep"],
];

function timeBar({ run: { progress: { rows, columns } }, label }: LabelledRun): Bar {
  const average = (name: string) => {
    if (!columns.includes(name)) return null;
    const values = columnOf(rows, name).filter((value) => value !== null);
    return values.length === 0 ? null : mean(values);
  };
  const parts = PHASES.map(([name, seconds], color) => ({
    ...{ name, color },
    value: rounded(Math.max(0, seconds(average))) ?? 0,
  }));
  const known = parts.reduce((sum, { value }) => sum + value, 0);
  const rest = rounded(Math.max(0, (average("ItrTime") ?? 0) - known)) ?? 0;
  return { name: label, parts: [...parts, { name: "other", color: PHASES.length, value: rest }] };
}

/** Mean seconds of an iteration by phase. */
export function timeSection(environments: readonly EnvironmentRuns[]): Section | null {
  const all = environments.flatMap(runsOf)
    .filter(({ run: { progress: { columns } } }) =>
      columns.includes("ItrTime") && PHASE_COLUMNS.some((name) => columns.includes(name))
    ).map(timeBar);
  if (all.length === 0) return null;
  // phases that no run has are not shown
  const used = new Set(
    all.flatMap(({ parts }) => parts.filter(({ value }) => value > 0).map(({ name }) => name)),
  );
  const bars = all.map(({ name, parts }) => ({
    name,
    parts: parts.filter((part) => used.has(part.name)),
  }));
  const seconds = (value: number) => value === 0 ? "-" : value.toPrecision(3);
  return {
    id: "time",
    title: "Time",
    blocks: [
      {
        kind: "chart",
        id: "time",
        caption:
          "Mean wall time of an iteration. Work of sampling workers counts as its share of " +
          "it; other: waiting for the last worker, logging, checkpoints.",
        chart: { kind: "bars", x: { label: "seconds per iteration" }, bars },
      },
      {
        kind: "table",
        caption: "Seconds per iteration; -: nothing, or not told apart",
        head: ["run", "in all", ...bars[0].parts.map(({ name }) => name)],
        rows: bars.map(({ name, parts }) => [
          name,
          seconds(parts.reduce((sum, { value }) => sum + value, 0)),
          ...parts.map(({ value }) => seconds(value)),
        ]),
      },
    ],
  };
}
