/**
 * A finished or running run of ProMP or MMAML, read from its folder: settings, environment, one
 * checkpoint. Nothing is written and no lock is taken, so that a run can be looked at while it goes
 * on.
 */
import { resolveConfig } from "../config/parse.ts";
import type { RunConfig } from "../config/schema.ts";
import type { EnvFactory } from "../envs/env.ts";
import { checkModuleNamed, isEnvPath, loadEnv, resolveEnvName } from "../envs/registry.ts";
import {
  type Checkpoint,
  checkpointFileName,
  latestCheckpoint,
  listCheckpoints,
  readCheckpoint,
} from "../run/checkpoint.ts";
import { CHECKPOINT_FOLDER, readRunParams, type RunParams } from "../run/run_dir.ts";
import { innerLrScaleOf } from "../trainer/meta_state.ts";
import { envOptions } from "../trainer/specs.ts";
import type { MetaAlgorithm } from "../trainer/types.ts";
import { UserError } from "../util/errors.ts";

/** What evaluation needs of a run. */
export interface LoadedRun {
  /** The folder, without a slash at the end. */
  readonly path: string;
  readonly params: RunParams;
  readonly algorithm: MetaAlgorithm;
  readonly config: RunConfig;
  /** With the run's options set. */
  readonly env: EnvFactory;
  readonly checkpoint: Checkpoint;
  /** File of the checkpoint. */
  readonly checkpointPath: string;
  /** Lines for the user: what is not as it was when the run was made. */
  readonly notices: readonly string[];
}

/** What the caller is. */
export interface LoadOptions {
  /** Number of iterations of the checkpoint, `null`: the newest intact one. */
  readonly checkpoint: number | null;
  /** Version of this metarl. */
  readonly version: string;
}

/** Whether version `a` (MAJOR.MINOR.PATCH) is later than `b`. */
export function isLaterVersion(a: string, b: string): boolean {
  const parts = (version: string) => version.split(/[.+-]/).slice(0, 3).map(Number);
  const [left, right] = [parts(a), parts(b)];
  const at = left.findIndex((part, i) => part !== right[i]);
  return at >= 0 && left[at] > right[at];
}

/** Refuses runs that this version can't understand. @throws UserError `run-version` */
export function checkMetarlVersion(folder: string, params: RunParams, version: string): void {
  if (!isLaterVersion(params.metarlVersion, version)) return;
  throw new UserError(
    "run-version",
    `can't read the run ${folder}: it was made by metarl ${params.metarlVersion}, this is ` +
      `${version}; use that version or a later one`,
  );
}

async function pickCheckpoint(
  folder: string,
  iteration: number | null,
): Promise<{ checkpoint: Checkpoint; path: string; notices: readonly string[] }> {
  const checkpoints = `${folder}/${CHECKPOINT_FOLDER}`;
  if (iteration === null) {
    const latest = await latestCheckpoint(checkpoints);
    if (latest !== null) return latest;
    throw new UserError(
      "checkpoint-not-found",
      `the run ${folder} has no checkpoint yet; train it for longer (save_steps says when it saves)`,
    );
  }
  const there = listCheckpoints(checkpoints).map(([number]) => number);
  if (!there.includes(iteration)) {
    const known = there.length === 0 ? "there is none yet" : `there are ${there.join(", ")}`;
    throw new UserError(
      "checkpoint-not-found",
      `the run ${folder} has no checkpoint of ${iteration} iterations; ${known}`,
    );
  }
  const path = `${checkpoints}/${checkpointFileName(iteration)}`;
  return { checkpoint: await readCheckpoint(path), path, notices: [] };
}

/**
 * Reads a run.
 *
 * @param path its folder
 * @throws UserError `run-not-found`, `params-damaged`, `run-version`, `run-algorithm`,
 * `run-environment`, `env-module-unnamed`, `checkpoint-not-found`, `checkpoint-damaged`, and what is wrong with an
 * environment of one's own
 */
export async function loadRun(path: string, options: LoadOptions): Promise<LoadedRun> {
  const folder = path.replace(/(?<=.)\/+$/, "");
  const params = readRunParams(folder);
  checkMetarlVersion(folder, params, options.version);
  const { algorithm } = params;
  if (algorithm !== "promp" && algorithm !== "mmaml") {
    throw new UserError(
      "run-algorithm",
      `${folder} is a run of ${algorithm}, which has no policy; wanted a run of promp or mmaml`,
    );
  }
  const layer = { source: `${folder}/params.json`, values: params.config };
  const { config } = resolveConfig([layer], { checkEnvName: resolveEnvName });
  checkModuleNamed(config.env, `${layer.source}: "env"`);
  const tables = (await loadEnv(config.env)).spec;
  if (tables.version !== params.environment.version) {
    throw new UserError(
      "run-environment",
      isEnvPath(config.env)
        ? `can't use the run ${folder}: the environment ${config.env} is another one than it was ` +
          `trained with (${params.environment.version}, now ${tables.version}); put the files back`
        : `can't use the run ${folder}: it was trained with version ` +
          `${params.environment.version} of ${tables.name}, this metarl has version ` +
          `${tables.version}`,
    );
  }
  const picked = await pickCheckpoint(folder, options.checkpoint);
  return {
    path: folder,
    params,
    algorithm,
    config: { ...config, innerLr: config.innerLr * innerLrScaleOf(picked.checkpoint) },
    env: await loadEnv(config.env, envOptions(config, tables)),
    checkpoint: picked.checkpoint,
    checkpointPath: picked.path,
    notices: picked.notices,
  };
}
