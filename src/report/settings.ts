/** The section about settings of ProMP and MMAML: where runs differ, what was set and by what. */
import { CONFIG_KEYS, configKeys } from "../config/schema.ts";
import type { JsonValue } from "../util/json.ts";
import {
  decidingSettings,
  differingKeys,
  type EnvironmentRuns,
  runsOf,
  settingText,
} from "./groups.ts";
import type { Block, Section } from "./model.ts";

const COMPAT = CONFIG_KEYS.compat.published;

function compatText(value: JsonValue | undefined): string {
  if (value === undefined || value === "none") return "none: follows the paper";
  return `${settingText(value)}: as the published code, the task encoder sees 5 steps of a rollout`;
}

/** Settings, where they were given, and how the runs differ. */
export function settingsSection(environments: readonly EnvironmentRuns[]): Section | null {
  const runs = environments.flatMap(runsOf).filter(({ run }) => run.config !== null);
  if (runs.length === 0) return null;
  const blocks: Block[] = [];
  const differing = differingKeys(runs.map(({ run }) => run));
  if (runs.length > 1) {
    const settings = runs.map(({ run }) => decidingSettings(run));
    blocks.push(
      differing.length === 0
        ? { kind: "text", text: "The runs differ in nothing but the seed." }
        : {
          kind: "table",
          caption: "Where the runs differ",
          head: ["setting", ...runs.map(({ label }) => label)],
          rows: differing.map((key) => [key, ...settings.map((each) => settingText(each[key]))]),
        },
    );
  }
  const ours = runs.filter(({ run }) => run.params !== null);
  if (ours.length > 0) {
    blocks.push({
      kind: "table",
      caption: "Compatibility switch",
      head: ["run", "compat"],
      rows: ours.map(({ run, label }) => [label, compatText(run.config![COMPAT])]),
    });
  }
  const unknown = ours.filter(({ run }) => run.params!.provenance?.sources === undefined);
  if (unknown.length > 0) {
    blocks.push({
      kind: "text",
      text: `By what settings were given was not recorded${
        unknown.length === ours.length
          ? ""
          : ` of these runs: ${unknown.map(({ label }) => label).join("; ")}`
      }.`,
    });
  }
  for (const { run, label } of ours) {
    const sources = run.params!.provenance?.sources;
    if (sources === undefined) continue;
    const given = Object.entries(sources);
    blocks.push({
      kind: "heading",
      text: ours.length === 1 ? "What was set" : `What was set: ${label}`,
    });
    if (given.length === 0) {
      blocks.push({ kind: "text", text: "Nothing but defaults." });
    } else {
      const standards = new Map(
        configKeys().map(([, key]) => [key.published, key.default as JsonValue | undefined]),
      );
      blocks.push({
        kind: "table",
        head: ["setting", "value", "default", "given by"],
        rows: given.map(([key, source]) => [
          ...[key, settingText(run.config![key]), settingText(standards.get(key)), source],
        ]),
      });
    }
  }
  const keys = [...new Set(runs.flatMap(({ run }) => Object.keys(run.config!)))];
  blocks.push({
    kind: "table",
    folded: "All settings",
    head: ["setting", ...runs.map(({ label }) => label)],
    rows: keys.map((key) => [key, ...runs.map(({ run }) => settingText(run.config![key]))]),
  });
  return { id: "settings", title: "Settings", blocks };
}
