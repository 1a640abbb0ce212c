/**
 * `deno task schema`: writes what follows from the declaration of the configuration in
 * src/config/schema.ts and from the registered environments: configs/metarl.schema.json, the JSON
 * Schema that editors check configuration files with, and docs/configuration.md. `--check` writes
 * nothing and exits with 1 where a tracked file is another one.
 */
import {
  configJsonSchema,
  type ConfigKey,
  configKeys,
  IGNORED_KEYS,
  type KeyDeclaration,
} from "../src/config/schema.ts";
import { envNames } from "../src/envs/registry.ts";

/** Sections of the documentation, by the key that each begins with. */
const SECTIONS: Readonly<Partial<Record<ConfigKey, string>>> = {
  seed: "Task and environment",
  metaBatchSize: "Sampling and devices",
  baseline: "Advantages",
  hiddenSizes: "Policy",
  innerLr: "Inner and outer steps",
  onDivergence: "Divergence",
  cellSize: "Task encoder",
  logGradNorm: "Run folder and checkpoints",
};

const INTRODUCTION = `# Configuration

A configuration is a JSON file. It has the key names of the published MMAML-rl configurations, which
are accepted unchanged, and some of this project's own beside them. Only \`env\` has to be given;
\`metarl mmaml\` without a file takes \`configs/point_env_momentum_dense.json\`.

Values are merged in this order, later ones win:

1. the defaults below,
2. the file,
3. \`--overrides '{"key": value, ...}'\`,
4. \`--set key=value\`, as often as wanted; the value is read as JSON, and as text where it is none,
5. options of their own: \`--env\`, \`--seed\`, \`--iterations\` (\`n_itr\`), \`--workers\`, \`--device\`, \`--mode\`,
   \`--out\` (\`dump_path\`), \`--init\` (\`restore_path\`), \`--on-divergence\`, \`--log-grad-norm\`.

An unknown key, a wrong type or a value out of range is refused with one line that names where it
was given. A line \`"$schema": "./metarl.schema.json"\` lets an editor check and complete the file.

With \`--resume\` the run's own \`params.json\` takes the place of defaults and file, and only the keys
marked with * may have another value than the run was started with.
`;

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

function tableRow([name, key]: readonly [ConfigKey, KeyDeclaration<unknown>]): string {
  const star = key.freeOnResume ? " *" : "";
  const unit = key.unit === undefined ? "" : ` [${key.unit}]`;
  const standard = key.default === undefined
    ? "has to be given"
    : `\`${JSON.stringify(key.default)}\``;
  const cells = [
    `\`${key.published}\`${star}`,
    key.wanted + unit,
    standard,
    key.help,
    `\`${name}\``,
  ];
  return `| ${cells.map(cell).join(" | ")} |`;
}

/** Text of docs/configuration.md. */
export function documentation(): string {
  const lines = [INTRODUCTION.trimEnd()];
  for (const entry of configKeys()) {
    const section = SECTIONS[entry[0]];
    if (section !== undefined) {
      lines.push("", `## ${section}`, "");
      lines.push("| key | value | default | meaning | in the code |", "| - | - | - | - | - |");
    }
    lines.push(tableRow(entry));
  }
  lines.push("", "## Accepted, without effect on training", "");
  lines.push("Published keys that are checked and then named in one warning line.", "");
  lines.push("| key | value | why |", "| - | - | - |");
  for (const [published, { wanted, reason }] of Object.entries(IGNORED_KEYS)) {
    lines.push(`| \`${published}\` | ${cell(wanted)} | ${cell(reason)} |`);
  }
  return `${lines.join("\n")}\n`;
}

/** The tracked files and what each has to be. */
export function generatedFiles(): [URL, string][] {
  return [
    [
      new URL("../configs/metarl.schema.json", import.meta.url),
      `${JSON.stringify(configJsonSchema(envNames()), null, 2)}\n`,
    ],
    [new URL("../docs/configuration.md", import.meta.url), documentation()],
  ];
}

if (import.meta.main) {
  const isCheck = Deno.args.includes("--check");
  for (const [file, text] of generatedFiles()) {
    if (!isCheck) Deno.writeTextFileSync(file, text);
    else if (Deno.readTextFileSync(file) !== text) {
      console.error(`${file.pathname} is not what is declared; run: deno task schema`);
      Deno.exit(1);
    }
  }
}
