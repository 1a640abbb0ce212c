/** Run folders with made-up numbers, for tests of reports. */
import { publishedConfig, resolveConfig } from "../../src/config/parse.ts";
import { progressColumns } from "../../src/run/log.ts";
import type { JsonValue } from "../../src/util/json.ts";

/** What a sample run is like. */
export interface SampleRun {
  readonly algorithm?: string;
  readonly seed?: number;
  readonly iterations?: number;
  readonly environment?: string;
  readonly version?: string;
  readonly settings?: Readonly<Record<string, JsonValue>>;
  readonly provenance?: unknown;
  readonly log?: string;
}

/** Cell of a column: any smooth thing that differs by seed and column. */
export function sampleCell(column: string, iteration: number, seed: number): number {
  if (column === "Itr") return iteration;
  if (column === "n_timesteps") return 1000 * (iteration + 1);
  if (column.includes("Time")) return column === "ItrTime" ? 9 : 1 + iteration % 2;
  const shift = [...column].reduce((sum, character) => sum + character.charCodeAt(0), 0) % 17;
  return -1000 / (iteration + 2) - 3 * seed * Math.sin(iteration + shift) - shift;
}

/** Text of a progress.csv. */
export function sampleCsv(columns: readonly string[], iterations: number, seed: number): string {
  const rows = Array.from(
    { length: iterations },
    (_, itr) => columns.map((column) => sampleCell(column, itr, seed)).join(","),
  );
  return [columns.join(","), ...rows].map((line) => `${line}\n`).join("");
}

/** Columns of the samples: two inner steps. */
export const SAMPLE_COLUMNS = progressColumns(2);

/** Writes a run of metarl without checkpoints. */
export function writeSampleRun(folder: string, run: SampleRun = {}): string {
  const { algorithm = "mmaml", seed = 1, iterations = 20, version = "0.1.0" } = run;
  const environment = run.environment ?? "MetaPointEnvMomentumModes";
  const values = { env: "MetaPointEnvMomentumModes", seed, n_itr: 50, ...run.settings };
  const { config } = resolveConfig([{ source: "test", values }]);
  Deno.mkdirSync(folder, { recursive: true });
  const params = {
    metarl_version: version,
    started: "2026-01-31T23:59:59.000Z",
    algorithm,
    seed,
    environment: { name: environment, version: 1 },
    device: "cpu: test",
    config: publishedConfig(config),
    provenance: run.provenance,
  };
  Deno.writeTextFileSync(`${folder}/params.json`, JSON.stringify(params));
  Deno.writeTextFileSync(
    `${folder}/progress.csv`,
    sampleCsv(SAMPLE_COLUMNS, iterations, seed),
  );
  Deno.writeTextFileSync(`${folder}/log.txt`, run.log ?? "");
  return folder;
}

/** Where a run's settings and numbers come from. */
export const PROVENANCE = {
  sources: { inner_lr: "--set", seed: "--seed" },
  configSha256: "c0ffee".padEnd(64, "0"),
  environmentSha256: "beef".padEnd(64, "0"),
  machine: {
    platform: "linux x86_64",
    cpu: "Test CPU",
    cores: 2,
    memoryGiB: 8,
    deno: "2.9.6",
    v8: "14",
  },
};

/** Results of `famle adapt` with two methods, three seeds, two episodes. */
export const ADAPT = {
  type: "summary",
  finished: true,
  env: "famle_reacher",
  damage: "joint 0 dead",
  seeds: [1, 2, 3],
  healthy_reward: 30,
  methods: ["famle", "mbrl"].map((method, m) => ({
    method,
    rewards: [[1, 11], [2, 12], [6, 16]].map((run) => run.map((reward) => reward - m)),
    damages: ["joint 0 dead", "joint 0 dead", "joint 0 dead"],
    selected: [[0, 1], [0, 1], [1, 1]],
    likelihoods: m === 1 ? [[[], []], [[], []], [[], []]] : [
      [[0.75, 0.25], [0.1, 0.9]],
      [[0.75, 0.25], [0.1, 0.9]],
      [[0.3, 0.7], [0.1, 0.9]],
    ],
    last_5: { mean: 8, half_width: 1 },
    episodes_until_90_percent: [null, 2, 2],
    stopped_episodes: 0,
    non_finite_sequences: 4,
  })),
  fewer_episodes_than: [{ than: "mbrl", p: 0.03125, pairs: 5 }],
  seconds: 90,
  device: "cpu: test",
  details: 'a note with <b> & "quotes"',
  situations: ["healthy", "joint 0 dead"],
  settings: { candidates: 100 },
  metarl_version: "0.1.0",
  files: [],
};
