/**
 * Runs that differ in the seed and in nothing else are one group: their curves become a mean with
 * an interval. What sets groups apart is what they are called.
 */
import { basename } from "node:path";
import { CONFIG_KEYS, configKeys } from "../config/schema.ts";
import { ITERATION_COLUMN } from "../run/log.ts";
import type { JsonValue } from "../util/json.ts";
import { meanBand } from "./band.ts";
import { rounded } from "./model.ts";
import type { MetaRun } from "./read_run.ts";
import { keptPlaces } from "./thin.ts";

/** Runs of the same settings. */
export interface RunGroup {
  readonly label: string;
  /** Place in the palette. */
  readonly color: number;
  readonly runs: readonly LabelledRun[];
}

/** A run and what it is called in the report. */
export interface LabelledRun {
  readonly run: MetaRun;
  readonly label: string;
  /** Place in the palette: that of its group. */
  readonly color: number;
  /** Number of the run in its group, from 0. */
  readonly place: number;
}

/** Runs on one environment, whose returns can be compared. */
export interface EnvironmentRuns {
  /** `null`: not known. */
  readonly environment: string | null;
  readonly groups: readonly RunGroup[];
}

/** All runs of the groups, in their order. */
export function runsOf({ groups }: EnvironmentRuns): LabelledRun[] {
  return groups.flatMap(({ runs }) => runs);
}

/** Keys that have no influence on the results, and the seed. */
const FREE_KEYS: ReadonlySet<string> = new Set([
  CONFIG_KEYS.seed.published,
  ...configKeys().filter(([, key]) => key.freeOnResume === true).map(([, key]) => key.published),
]);

/** Settings that decide the results but for the seed; a key that is not there has its default. */
export function decidingSettings({ config }: MetaRun): Record<string, JsonValue> {
  if (config === null) return {};
  const settings: Record<string, JsonValue> = {};
  for (const [, key] of configKeys()) {
    if (!FREE_KEYS.has(key.published)) {
      settings[key.published] = (key.default ?? null) as JsonValue;
    }
  }
  for (const [key, value] of Object.entries(config)) {
    if (!FREE_KEYS.has(key)) settings[key] = value;
  }
  return settings;
}

/** Runs of the published code tell too little about themselves to be put together. */
function groupKey(run: MetaRun): string {
  if (run.params === null) return `file ${run.path}`;
  const { algorithm, environment: { name, version } } = run.params;
  const settings = Object.entries(decidingSettings(run)).sort(([a], [b]) => a < b ? -1 : 1);
  return JSON.stringify([algorithm, name, version, settings]);
}

/** Deciding keys that differ among the runs, by published name. */
export function differingKeys(runs: readonly MetaRun[]): string[] {
  const all = runs.filter(({ config }) => config !== null).map(decidingSettings);
  const keys = [...new Set(all.flatMap((settings) => Object.keys(settings)))];
  return keys.filter((key) => new Set(all.map((each) => JSON.stringify(each[key]))).size > 1);
}

/** Most settings that a name has; runs that differ in more are called by their folder. */
const NAMED_SETTINGS = 2;

function groupLabel(runs: readonly MetaRun[], others: readonly MetaRun[]): string {
  const [{ params, algorithm, path }] = runs;
  const folder = basename(path) === "progress.csv" ? path : basename(path);
  if (params === null) return algorithm === null ? folder : `${algorithm} (${folder})`;
  const same = others.filter((other) => other.params !== null && other.algorithm === algorithm);
  const keys = differingKeys(same).filter((key) => key !== CONFIG_KEYS.env.published);
  const name = algorithm ?? folder;
  if (keys.length > NAMED_SETTINGS) return `${name} (${folder})`;
  const settings = decidingSettings(runs[0]);
  const standards = decidingSettings({ ...runs[0], config: {} });
  const named = keys.filter((key) =>
    JSON.stringify(settings[key]) !== JSON.stringify(standards[key])
  );
  return [name, ...named.map((key) => `${key} ${settingText(settings[key])}`)].join(", ");
}

/** A setting's value for people. */
export function settingText(value: JsonValue | undefined): string {
  if (value === undefined) return "-";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** The name, with a number behind it where others have it already. */
function unique(names: readonly string[]): string[] {
  const seen = new Map<string, number>();
  return names.map((name) => {
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return count === 1 ? name : `${name} (${count})`;
  });
}

/**
 * Puts together what belongs together, in the order in which it was given. Where all other runs are
 * on one environment, runs that don't tell theirs are shown with them.
 */
export function groupRuns(runs: readonly MetaRun[]): EnvironmentRuns[] {
  const known = new Set(runs.map(({ environment }) => environment).filter((name) => name !== null));
  const [only] = known.size === 1 ? known : [null];
  const environmentOf = (run: MetaRun) => run.environment ?? only;
  const environments = [...new Set(runs.map(environmentOf))];
  return environments.map((environment) => {
    const here = runs.filter((run) => environmentOf(run) === environment);
    const groups: MetaRun[][] = [];
    for (const run of here) {
      const key = groupKey(run);
      // a second run of a seed is no other draw: in an interval it would count twice
      const group = groups.find(([first, ...others]) =>
        groupKey(first) === key && [first, ...others].every(({ seed }) => seed !== run.seed)
      );
      if (group === undefined) groups.push([run]);
      else group.push(run);
    }
    const labels = unique(groups.map((group) => groupLabel(group, here)));
    const runLabels = unique(
      groups.flatMap((group, g) =>
        group.map(({ seed }) =>
          group.length === 1 ? labels[g] : `${labels[g]}, seed ${seed ?? "?"}`
        )
      ),
    );
    let count = 0;
    return {
      environment,
      groups: groups.map((group, color) => ({
        label: labels[color],
        color,
        runs: group.map((run, place) => ({ run, label: runLabels[count++], color, place })),
      })),
    };
  });
}

/** The same runs, called by their environments too where there are several. */
export function withEnvironmentNames(all: readonly EnvironmentRuns[]): readonly EnvironmentRuns[] {
  if (all.length === 1) return all;
  const name = (label: string, environment: string | null) =>
    environment === null ? label : `${label}, ${environment}`;
  return all.map(({ environment, groups }) => ({
    environment,
    groups: groups.map((group) => ({
      ...group,
      runs: group.runs.map((run) => ({ ...run, label: name(run.label, environment) })),
    })),
  }));
}

/** A column over the iterations of a group. */
export interface GroupCurve {
  readonly x: number[];
  readonly y: (number | null)[];
  /** Of several runs. */
  readonly low?: (number | null)[];
  readonly high?: (number | null)[];
}

/**
 * Mean over the runs of what `pick` takes of their rows, with the band of {@link meanBand} where
 * there are several. Where runs have ended, of those that go on, without a band.
 *
 * @param most points of a curve that is not thinned ({@link keptPlaces})
 */
export function groupCurve(
  { runs }: RunGroup,
  pick: (run: MetaRun) => readonly (number | null)[],
  most: number,
): GroupCurve {
  const tables = runs.map(({ run }) => {
    const values = pick(run);
    return new Map(run.progress.rows.map((row, i) => [row[ITERATION_COLUMN] ?? NaN, values[i]]));
  });
  const iterations = [...new Set(tables.flatMap((table) => [...table.keys()]))]
    .filter(Number.isFinite).sort((a, b) => a - b);
  const bands = iterations.map((at) => {
    const values = tables.filter((table) => table.has(at)).map((table) => table.get(at) ?? NaN);
    const band = meanBand(values);
    return values.length === tables.length ? band : { ...band, low: NaN, high: NaN };
  });
  const kept = keptPlaces(bands.map((band) => band.mean), most);
  const points = kept.map((place) => bands[place]);
  const x = kept.map((place) => iterations[place]);
  const y = points.map((point) => rounded(point.mean));
  if (runs.length < 2) return { x, y };
  return {
    ...{ x, y },
    low: points.map((point) => rounded(point.low)),
    high: points.map((point) => rounded(point.high)),
  };
}
