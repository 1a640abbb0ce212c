/** The sections about how runs came to be, for runs of any kind: machine, versions, what was said. */
import type { ProgressRow } from "../run/log.ts";
import type { RunParams } from "../run/run_dir.ts";
import { divergences } from "./events.ts";
import type { Section, TableBlock } from "./model.ts";

/** A run and what it is called. */
export interface RecordedRun {
  readonly label: string;
  readonly params: RunParams | null;
  readonly log: readonly string[];
  readonly rows: readonly ProgressRow[];
}

/** Most lines that are shown of one run. */
const MOST_LINES = 100;

/** Machine, versions and check sums. */
export function machineSection(runs: readonly RecordedRun[]): Section | null {
  const told = runs.filter(({ params }) => params !== null);
  if (told.length === 0) return null;
  const facts = told.map(({ params }) => {
    const { machine, configSha256, environmentSha256 } = params!.provenance ?? {};
    const { name, version } = params!.environment;
    return new Map<string, string | number | null | undefined>([
      ["algorithm", params!.algorithm],
      ["environment", `${name}, version ${version}`],
      ["started", params!.started],
      ["metarl", params!.metarlVersion],
      ["device", params!.device],
      ["processor", machine?.cpu],
      ["cores", machine?.cores],
      ["memory (GiB)", machine?.memoryGiB],
      ["system", machine?.platform],
      ["Deno", machine?.deno],
      ["V8", machine?.v8],
      ["SHA-256 of the settings", configSha256],
      ["SHA-256 of the environment", environmentSha256],
    ]);
  });
  const table: TableBlock = {
    kind: "table",
    head: ["", ...told.map(({ label }) => label)],
    rows: [...facts[0].keys()]
      .map((name) => [name, ...facts.map((fact) => String(fact.get(name) ?? "-"))])
      .filter(([, ...values]) => values.some((value) => value !== "-")),
  };
  return { id: "machine", title: "Machine and versions", blocks: [table] };
}

function eventsOf({ rows }: RecordedRun): string[] {
  return divergences(rows).map(({ iteration, text }) => `iteration ${iteration}: ${text}`);
}

/** What was said while the runs went on, and iterations that something happened in. */
export function eventsSection(runs: readonly RecordedRun[]): Section | null {
  const blocks = runs.flatMap((run) => {
    const lines = [...eventsOf(run), ...run.log];
    if (lines.length === 0) return [];
    // the first line is about the settings, later ones about what went wrong
    const shown = lines.length <= MOST_LINES
      ? lines
      : [...lines.slice(0, 10), "...", ...lines.slice(10 - MOST_LINES)];
    return [
      { kind: "heading", text: run.label } as const,
      { kind: "list", items: shown } as const,
    ];
  });
  return blocks.length === 0 ? null : { id: "log", title: "What was said", blocks };
}
