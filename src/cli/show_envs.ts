/** What `metarl envs` prints. */
import { checkEnv } from "../envs/check.ts";
import type { EnvSpec, OptionRow, ValueRow } from "../envs/env.ts";
import { envNames, loadEnv } from "../envs/registry.ts";
import { ExitCode } from "./failure.ts";
import type { Output } from "./output.ts";
import { printTable } from "./table.ts";

/** Options common to all of them. */
export interface EnvsOptions {
  readonly json?: true;
}

/** One environment in the list. */
function summary(spec: EnvSpec) {
  const { name, description, obsDim, actDim, taskDim, modes, maxSteps } = spec;
  return { name, obsDim, actDim, taskDim, modes, maxSteps, description };
}

/** All registered environments. */
export async function printEnvs(options: EnvsOptions, output: Output): Promise<void> {
  const all = [];
  for (const name of envNames()) all.push(summary((await loadEnv(name)).spec));
  if (options.json) return output.line(JSON.stringify(all));
  printTable([
    ["name", "observation", "action", "modes", "length", "what"],
    ...all.map(({ name, obsDim, actDim, modes, maxSteps, description }) => [
      name,
      String(obsDim),
      String(actDim),
      modes === 0 ? "-" : String(modes),
      String(maxSteps),
      description,
    ]),
  ], output);
}

function bound(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(6))) : value < 0 ? "-inf" : "inf";
}

function rangeOf({ low, high }: ValueRow): string {
  return Number.isFinite(low) || Number.isFinite(high) ? `${bound(low)} .. ${bound(high)}` : "any";
}

function valueTable(rows: readonly ValueRow[]): string[][] {
  return [
    ["", "name", "unit", "range", "meaning"],
    ...rows.map((row, i) => [String(i), row.name, row.unit, rangeOf(row), row.meaning]),
  ];
}

function optionCells(row: OptionRow): string[] {
  const values = row.kind === "choice"
    ? row.choices.join(", ")
    : row.kind === "number"
    ? `${bound(row.low)} .. ${bound(row.high)}`
    : "true, false";
  return [row.name, values, String(row.default), row.meaning];
}

/** JSON has no infinity: an open bound is `null`. */
function finiteOrNull(_key: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isFinite(value) ? null : value;
}

/** The tables of one environment. */
export async function printEnv(name: string, options: EnvsOptions, output: Output): Promise<void> {
  const { spec } = await loadEnv(name);
  if (options.json) {
    const { actionLow: _low, actionHigh: _high, ...tables } = spec;
    return output.line(JSON.stringify(tables, finiteOrNull));
  }
  output.line(`${spec.name} (version ${spec.version}): ${spec.description}`);
  const modes = spec.modes === 0 ? "no modes" : `${spec.modes} modes`;
  output.line(`${modes}; an episode has ${spec.maxSteps} steps unless "max_path_length" is given`);
  const section = (title: string, rows: readonly (readonly string[])[]) => {
    output.line("");
    output.line(title);
    printTable(rows, output, "  ");
  };
  section(`observation [${spec.obsDim}]`, valueTable(spec.observation));
  section(`action [${spec.actDim}]`, valueTable(spec.action));
  section(`reward, the sum of ${spec.rewardParts.length}`, [
    ["name", "unit", "meaning"],
    ...spec.rewardParts.map((row) => [row.name, row.unit, row.meaning]),
  ]);
  section(`task [${spec.taskDim}]`, valueTable(spec.task));
  if (spec.options.length === 0) return;
  section("options", [
    ["name", "values", "default", "meaning"],
    ...spec.options.map(optionCells),
  ]);
}

/** Checks one environment; gives the exit code. */
export async function printCheck(
  name: string,
  options: EnvsOptions,
  output: Output,
): Promise<number> {
  const factory = await loadEnv(name);
  const rows = await checkEnv(factory);
  const failed = rows.filter(({ ok }) => !ok).length;
  if (options.json) {
    output.line(JSON.stringify({ name: factory.spec.name, ok: failed === 0, checks: rows }));
  } else {
    printTable(rows.map((row) => [row.ok ? "ok" : "FAILED", row.name, row.detail]), output);
    if (failed > 0) output.line(`${failed} of ${rows.length} checks failed`);
  }
  return failed === 0 ? ExitCode.OK : ExitCode.FAILED;
}
