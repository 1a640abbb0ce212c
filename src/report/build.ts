/** A report of runs and results of any kind. */
import { adaptSections, famleRunSection } from "./famle_report.ts";
import { groupRuns, withEnvironmentNames } from "./groups.ts";
import { type Evaluations, freshTasksSection } from "./fresh_tasks.ts";
import { learningSection, overviewTable } from "./learning.ts";
import type { Report, Section } from "./model.ts";
import type { FamleResult, FamleRun, MetaRun, ReportSource } from "./read_run.ts";
import { eventsSection, machineSection, type RecordedRun } from "./record_sections.ts";
import { settingsSection } from "./settings.ts";
import { timeSection } from "./time.ts";

/** What a report is made of. */
export interface ReportInput {
  readonly sources: readonly ReportSource[];
  /** By path of the run; empty: nothing was evaluated. */
  readonly evaluations: Evaluations;
  /** Lines for the reader, e.g. why a run was not evaluated. */
  readonly notices: readonly string[];
}

/** `2 runs of mmaml and promp on MetaPointEnvMomentumModes` */
function titleOf(sources: readonly ReportSource[]): string {
  const joined = (names: Iterable<string | null>) =>
    [...new Set(names)].filter((name) => name !== null).join(", ");
  const algorithms = joined(
    sources.map((source) =>
      source.kind === "meta" ? source.algorithm : source.kind.replace("-", " ")
    ),
  );
  const environments = joined(
    sources.map((source) =>
      source.kind === "meta"
        ? source.environment
        : source.kind === "famle-adapt"
        ? source.result.env
        : source.params.environment.name
    ),
  );
  const what = algorithms === "" ? "runs" : algorithms;
  return environments === "" ? what : `${what} on ${environments}`;
}

function subtitleOf(sources: readonly ReportSource[]): string {
  const paths = sources.map(({ path }) => path);
  const shown = paths.length <= 6 ? paths : [...paths.slice(0, 5), `${paths.length - 5} more`];
  return `${sources.length === 1 ? "1 run" : `${sources.length} runs`}: ${shown.join(", ")}`;
}

/** Everything there is to say. */
export function buildReport({ sources, evaluations, notices }: ReportInput): Report {
  const meta = sources.filter((source): source is MetaRun => source.kind === "meta");
  const results = sources.filter((source): source is FamleResult => source.kind === "famle-adapt");
  const famleRuns = sources.filter((source): source is FamleRun =>
    source.kind === "famle-train" || source.kind === "famle-collect"
  );
  const environments = groupRuns(meta);
  const isOnly = environments.length === 1;
  const named = withEnvironmentNames(environments);
  const recorded: RecordedRun[] = [
    ...named.flatMap(({ groups }) => groups).flatMap(({ runs }) => runs)
      .map(({ run, label }) => ({ ...run, label, rows: run.progress.rows })),
    ...famleRuns.map((run) => ({
      label: run.path,
      params: run.params,
      log: run.log,
      rows: run.progress.rows,
    })),
  ];
  const sections: (Section | null)[] = [
    meta.length === 0 ? null : {
      id: "overview",
      title: "Overview",
      blocks: [
        ...notices.map((text) => ({ kind: "text", text }) as const),
        overviewTable(environments),
      ],
    },
    ...environments.map((runs, at) => learningSection(runs, at, isOnly)),
    ...environments.map((runs, at) => freshTasksSection(runs, evaluations, at, isOnly)),
    ...results.flatMap(adaptSections),
    ...famleRuns.map((run, at) => famleRunSection(run, at)),
    settingsSection(named),
    timeSection(named),
    machineSection(recorded),
    eventsSection(recorded),
  ];
  return {
    title: titleOf(sources),
    subtitle: subtitleOf(sources),
    sections: sections.filter((section) => section !== null),
  };
}
