/**
 * From what the user typed to a run that can be trained: the configuration settled, the
 * environment and the checkpoint checked, the run folder taken.
 */
import builtInConfig from "../../configs/point_env_momentum_dense.json" with { type: "json" };
import {
  type ConfigLayer,
  fileLayer,
  optionLayer,
  type ParsedConfig,
  publishedConfig,
  resolveConfig,
  resultConfig,
  setLayer,
  sourcesOf,
} from "../config/parse.ts";
import { dirname, resolve } from "node:path";
import { CONFIG_KEYS, type ConfigKey, type RunConfig } from "../config/schema.ts";
import type { EnvSpec } from "../envs/env.ts";
import {
  checkModuleNamed,
  isEnvPath,
  loadEnv,
  nameEnvModule,
  resolveEnvName,
} from "../envs/registry.ts";
import { type Checkpoint, latestCheckpoint, readCheckpoint } from "../run/checkpoint.ts";
import { fileErrorReason } from "../run/files.ts";
import { defaultRunName, RunDir, type RunParams } from "../run/run_dir.ts";
import type { MetaAlgorithm } from "../trainer/types.ts";
import { UserError } from "../util/errors.ts";
import { readWholeText } from "../util/read_file.ts";
import type { JsonValue } from "../util/json.ts";
import { changesSince, provenanceOf } from "./provenance.ts";
import { createRunDir } from "./run_folder.ts";
import type { TrainOptions } from "./train_options.ts";
import { VERSION } from "./version.ts";

/** A run that is ready to be trained. */
export interface PreparedRun {
  readonly config: RunConfig;
  readonly run: RunDir;
  readonly resume: Checkpoint | null;
  readonly init: Checkpoint | null;
  /** Lines for the user. */
  readonly notices: readonly string[];
}

/** Options that stand for one key of the configuration. */
const KEY_OPTIONS: readonly (readonly [keyof TrainOptions, string, ConfigKey])[] = [
  ["env", "--env", "env"],
  ["seed", "--seed", "seed"],
  ["iterations", "--iterations", "iterations"],
  ["workers", "--workers", "workers"],
  ["device", "--device", "device"],
  ["mode", "--mode", "mode"],
  ["out", "--out", "outDir"],
  ["init", "--init", "initCheckpoint"],
  ["onDivergence", "--on-divergence", "onDivergence"],
  ["logGradNorm", "--log-grad-norm", "logGradNorm"],
];

/** Keys whose option takes text as it is; the others read numbers. */
const TEXT_KEYS: readonly ConfigKey[] = [
  ...["env", "device", "outDir", "initCheckpoint", "onDivergence"] as const,
];

function readConfigFile(path: string): string {
  try {
    return readWholeText(path);
  } catch (error) {
    throw new UserError(
      "config-unreadable",
      `can't read the configuration ${path}: ${fileErrorReason(error)}`,
      { cause: error },
    );
  }
}

/** A number as an option gives it; what is none stays text, for the check to refuse. */
function optionValue(name: ConfigKey, value: string | true): JsonValue {
  if (value === true || TEXT_KEYS.includes(name)) return value;
  return value.trim() === "" || Number.isNaN(Number(value)) ? value : Number(value);
}

/**
 * A layer whose path of an environment, where it has one, is absolute: workers, and a resumed run,
 * may have another current folder. `folder` is what it is relative to.
 */
function withEnvPath(layer: ConfigLayer, folder: string): ConfigLayer {
  const key = CONFIG_KEYS.env.published;
  const env = layer.values[key];
  if (typeof env !== "string" || !isEnvPath(env)) return layer;
  return { ...layer, values: { ...layer.values, [key]: resolve(folder, env) } };
}

/** Everything that overrides the defaults, or on a resume the run's configuration. */
function givenLayers(configPath: string | undefined, options: TrainOptions): ConfigLayer[] {
  const layers: ConfigLayer[] = [];
  const add = (layer: ConfigLayer) => layers.push(withEnvPath(layer, "."));
  if (configPath !== undefined) {
    const layer = fileLayer(readConfigFile(configPath), configPath);
    layers.push(withEnvPath(layer, dirname(configPath)));
  }
  if (options.overrides !== undefined) add(fileLayer(options.overrides, "--overrides"));
  (options.set ?? []).map(setLayer).forEach(add);
  for (const [property, option, key] of KEY_OPTIONS) {
    const value = options[property] as string | true | undefined;
    if (value !== undefined) add(optionLayer(option, key, optionValue(key, value)));
  }
  return layers;
}

const CONTEXT = { checkEnvName: resolveEnvName };

/** Keys that are options of some environments. */
const ENV_OPTION_KEYS = [
  "rewardType",
  "sparseRewardRadius",
  "observeAllVelocities",
  "terminate",
] as const;

/** The environment's tables, after checking what the configuration says about it. */
async function checkEnvironment({ config, sourceOf }: ParsedConfig): Promise<EnvSpec> {
  if (sourceOf("env").startsWith("--")) nameEnvModule(config.env);
  checkModuleNamed(config.env, `${sourceOf("env")}: "env"`);
  const { spec } = await loadEnv(config.env);
  const names = spec.options.map(({ name }) => name);
  for (const key of ENV_OPTION_KEYS) {
    const { published, default: standard } = CONFIG_KEYS[key];
    if (config[key] !== standard && !names.includes(published)) {
      throw new UserError(
        "config-value",
        `${sourceOf(key)}: "${published}" is not an option of ${spec.name}; leave it out`,
      );
    }
  }
  if (config.mode !== null && config.mode >= spec.modes) {
    const wanted = spec.modes === 0 ? "null" : `from 0 to ${spec.modes - 1}, or null`;
    throw new UserError(
      "config-value",
      `${sourceOf("mode")}: "mode" must be ${wanted} for ${spec.name}, which has ${spec.modes} ` +
        `modes; got ${config.mode}`,
    );
  }
  return spec;
}

/** The checkpoint of `--init`: a file, or the newest one of a run folder. */
async function readInit(path: string | null): Promise<Checkpoint | null> {
  if (path === null) return null;
  let isFolder: boolean;
  try {
    isFolder = Deno.statSync(path).isDirectory;
  } catch (error) {
    const reason = fileErrorReason(error);
    throw new UserError("checkpoint-not-found", `can't read checkpoint ${path}: ${reason}`, {
      cause: error,
    });
  }
  if (!isFolder) return await readCheckpoint(path);
  const latest = await latestCheckpoint(`${path}/checkpoints`);
  if (latest === null) {
    throw new UserError("checkpoint-not-found", `the run folder ${path} has no checkpoint`);
  }
  return latest.checkpoint;
}

/** A new run whose folder is not made yet. */
export interface SettledRun extends Omit<PreparedRun, "run" | "resume"> {
  readonly spec: EnvSpec;
  /** Where each key was given, by published name. */
  readonly sources: Readonly<Record<string, string>>;
}

/**
 * Settles what a new run is going to do.
 *
 * @throws UserError for whatever the user has to change
 */
export async function settleNew(
  configPath: string | undefined,
  options: TrainOptions,
): Promise<SettledRun> {
  const builtIn = { source: "built-in configuration", values: builtInConfig };
  const given = givenLayers(configPath, options);
  const layers = configPath === undefined ? [builtIn, ...given] : given;
  const parsed = resolveConfig(layers, CONTEXT);
  const { config, warnings } = parsed;
  const spec = await checkEnvironment(parsed);
  const init = await readInit(config.initCheckpoint);
  const notices = warnings
    .filter((line) => !line.startsWith(builtIn.source))
    .map((line) => `warning: ${line}`);
  return { config, spec, init, notices, sources: sourcesOf(layers) };
}

async function prepareNew(
  algorithm: MetaAlgorithm,
  configPath: string | undefined,
  options: TrainOptions,
): Promise<PreparedRun> {
  const { config, spec, init, notices, sources } = await settleNew(configPath, options);
  const params: RunParams = {
    started: new Date().toISOString(),
    metarlVersion: VERSION,
    algorithm,
    seed: config.seed,
    environment: { name: spec.name, version: spec.version },
    device: null,
    config: publishedConfig(config),
    provenance: await provenanceOf(sources, resultConfig(config), spec),
  };
  const name = defaultRunName(params.algorithm, config, new Date(params.started));
  const run = await createRunDir(config.outDir, name, params, options.force === true);
  return { config, run, resume: null, init, notices };
}

function refuseWithResume(options: TrainOptions): void {
  for (const [option, value] of Object.entries({ out: options.out, init: options.init })) {
    if (value !== undefined) {
      throw new UserError("usage", `--${option} can't be combined with --resume`);
    }
  }
  if (options.force) throw new UserError("usage", "--force can't be combined with --resume");
}

/** The first key that decides the results and differs, with both values. */
function firstDifference(
  wanted: Readonly<Record<string, JsonValue>>,
  stored: Readonly<Record<string, JsonValue>>,
): { key: string; wanted: string; stored: string } | null {
  for (const key of Object.keys({ ...wanted, ...stored })) {
    const texts = { wanted: JSON.stringify(wanted[key]), stored: JSON.stringify(stored[key]) };
    if (texts.wanted !== texts.stored) return { key, ...texts };
  }
  return null;
}

/** The environment must still be the one that the run was started with. */
function checkVersion(run: string, { environment }: RunParams, env: string, spec: EnvSpec): void {
  if (spec.version === environment.version) return;
  throw new UserError(
    "resume-mismatch",
    isEnvPath(env)
      ? `can't resume ${run}: the environment ${env} is another one than it was trained with ` +
        `(${environment.version}, now ${spec.version}); put the files back, or start a new run`
      : `can't resume ${run}: it was trained with version ${environment.version} of ` +
        `${spec.name}, this metarl has version ${spec.version}; start a new run`,
  );
}

async function prepareResume(
  algorithm: MetaAlgorithm,
  configPath: string | undefined,
  options: TrainOptions,
  path: string,
): Promise<PreparedRun> {
  refuseWithResume(options);
  const given = givenLayers(configPath, options);
  const run = await RunDir.open(path);
  try {
    const { params } = run;
    if (params.algorithm !== algorithm) {
      throw new UserError(
        "resume-mismatch",
        `${run.path} is a run of ${params.algorithm}; continue it with: metarl ` +
          `${params.algorithm} --resume ${run.path}`,
      );
    }
    const stored = { source: `${run.path}/params.json`, values: params.config };
    const { config: before } = resolveConfig([stored], CONTEXT);
    const parsed = resolveConfig([stored, ...given], CONTEXT);
    const { config, warnings } = parsed;
    const changed = firstDifference(resultConfig(config), resultConfig(before));
    if (changed !== null) {
      throw new UserError(
        "resume-mismatch",
        `can't resume ${run.path}: "${changed.key}" is ${changed.wanted}, the run has ` +
          `${changed.stored}; leave it out, or start a new run`,
      );
    }
    const spec = await checkEnvironment(parsed);
    checkVersion(run.path, params, config.env, spec);
    const latest = await run.latestCheckpoint();
    const notices = [...warnings.map((line) => `warning: ${line}`), ...(latest?.notices ?? [])];
    notices.push(...await changesSince(run.path, params, resultConfig(before), spec));
    if (config.device !== before.device) {
      notices.push(`device was ${before.device}, is ${config.device}: numbers may differ slightly`);
    }
    if (latest === null) {
      notices.push(`${run.path} has no checkpoint yet: starting at iteration 0`);
    } else {
      checkResumePoint(latest.checkpoint, latest.path, config);
      notices.push(`resuming ${run.path} at iteration ${latest.checkpoint.iteration}`);
    }
    const init = latest === null ? await readInit(config.initCheckpoint) : null;
    run.updateParams({ config: publishedConfig(config) });
    return { config, run, resume: latest?.checkpoint ?? null, init, notices };
  } catch (error) {
    run[Symbol.dispose]();
    throw error;
  }
}

function checkResumePoint(checkpoint: Checkpoint, path: string, config: RunConfig): void {
  // Keys that the checkpoint doesn't have yet had no other value then than their default now.
  const before = resolveConfig([{ source: path, values: checkpoint.config }], CONTEXT).config;
  const difference = firstDifference(resultConfig(config), resultConfig(before));
  if (difference !== null) {
    throw new UserError(
      "resume-mismatch",
      `the checkpoint ${path} is of another run: its "${difference.key}" is ` +
        `${difference.stored}, not ${difference.wanted}`,
    );
  }
  if (checkpoint.iteration >= config.iterations) {
    throw new UserError(
      "resume-finished",
      `the run has done ${checkpoint.iteration} of ${config.iterations} iterations; give ` +
        `--iterations with more than ${checkpoint.iteration}`,
    );
  }
}

/**
 * Settles everything that is not training.
 *
 * @throws UserError for whatever the user has to change; nothing is written then
 */
export function prepareRun(
  algorithm: MetaAlgorithm,
  configPath: string | undefined,
  options: TrainOptions,
): Promise<PreparedRun> {
  return options.resume === undefined
    ? prepareNew(algorithm, configPath, options)
    : prepareResume(algorithm, configPath, options, options.resume);
}
