/** Settings of FAMLE from what the user typed. */
import {
  FAMLE_KEYS,
  type FamleConfig,
  type FamleKey,
  type FamleUse,
  resolveFamleConfig,
} from "../../config/famle.ts";
import { type ConfigLayer, fileLayer, setLayer, sourcesOf } from "../../config/layers.ts";
import { fileErrorReason } from "../../run/files.ts";
import { UserError } from "../../util/errors.ts";
import { readWholeText } from "../../util/read_file.ts";

/** Options that give settings. */
export interface SettingOptions {
  readonly config?: string;
  readonly set?: readonly string[];
}

function readConfig(path: string): ConfigLayer {
  try {
    return fileLayer(readWholeText(path), path);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(
      "config-unreadable",
      `can't read the configuration ${path}: ${fileErrorReason(error)}`,
      { cause: error },
    );
  }
}

/** Settings, and where each was given, by published name. */
export interface GivenSettings {
  readonly config: FamleConfig;
  readonly sources: Readonly<Record<string, string>>;
}

/**
 * Settings: defaults of the environment < --config < --set < options of their own.
 *
 * @param own option, key and value of options that stand for one key; undefined: not given
 * @throws UserError for a value that is refused
 */
export function settingsOf(
  env: string,
  options: SettingOptions,
  own: readonly (readonly [string, FamleKey, string | undefined])[],
): FamleConfig {
  return givenSettings(env, options, own).config;
}

/** The same with what params.json says about them. */
export function givenSettings(
  env: string,
  options: SettingOptions,
  own: readonly (readonly [string, FamleKey, string | undefined])[],
): GivenSettings {
  const layers: ConfigLayer[] = [];
  if (options.config !== undefined) layers.push(readConfig(options.config));
  layers.push(...(options.set ?? []).map(setLayer));
  for (const [option, key, value] of own) {
    if (value === undefined) continue;
    const isNumber = value.trim() !== "" && !Number.isNaN(Number(value));
    layers.push({
      source: option,
      values: { [FAMLE_KEYS[key].published]: isNumber ? Number(value) : value },
    });
  }
  return { config: resolveFamleConfig(env, layers), sources: sourcesOf(layers) };
}

/**
 * Warnings about settings given with --set that nothing of what is done reads. A file given with
 * --config may serve several commands, so it may have settings of the others.
 *
 * @param uses what is done
 */
export function unusedSettings(options: SettingOptions, uses: readonly FamleUse[]): string[] {
  const unused = (options.set ?? []).flatMap((text) => Object.keys(setLayer(text).values))
    .filter((published) => {
      const key = Object.values(FAMLE_KEYS).find((each) => each.published === published);
      return key !== undefined && !key.usedBy.some((use: FamleUse) => uses.includes(use));
    });
  return unused.length === 0 ? [] : [`warning: --set: no effect here: ${unused.join(", ")}`];
}
