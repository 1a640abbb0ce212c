/**
 * From what the user gave to a {@link RunConfig}. Layers are merged key by key, each overriding
 * the ones before it:
 *
 *     defaults < configuration file < --overrides < --set (in order) < options of their own
 *
 * Every layer keeps its source, so that a message names where the refused value was given.
 */
import type { JsonValue } from "../util/json.ts";
import { UserError } from "../util/errors.ts";
import { type ConfigLayer, fileLayer, mergeLayers } from "./layers.ts";
import { CONFIG_KEYS, type ConfigKey, configKeys, IGNORED_KEYS, type RunConfig } from "./schema.ts";

export { type ConfigLayer, fileLayer, setLayer, sourcesOf } from "./layers.ts";

/** What a configuration is checked against besides its own declaration. */
export interface ConfigContext {
  /** Throws a UserError for a name that no environment has. */
  readonly checkEnvName?: (name: string) => void;
}

/** A valid configuration. */
export interface ParsedConfig {
  /** Every key, defaults included. */
  readonly config: RunConfig;
  /** Lines for the user, each a full sentence with the file's name. */
  readonly warnings: readonly string[];
  /** Where a key's value was given, the start of an error message about it. */
  readonly sourceOf: (name: ConfigKey) => string;
}

/**
 * Merges the layers over the defaults and checks every key.
 *
 * @throws UserError naming the source and the key of the first value that is refused
 */
export function resolveConfig(
  layers: readonly ConfigLayer[],
  context: ConfigContext = {},
): ParsedConfig {
  const merged = mergeLayers(CONFIG_KEYS, layers, IGNORED_KEYS);
  const config = merged.values as RunConfig;
  const { warnings, sourceOf } = merged;
  try {
    context.checkEnvName?.(config.env);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const message = error.message[0].toLowerCase() + error.message.slice(1);
    throw new UserError("config-unknown-env", `${sourceOf("env")}: "env": ${message}`);
  }
  if (config.minStd > config.initStd) {
    throw new UserError(
      "config-value",
      `${sourceOf("minStd")}: "min_std" must be at most "init_std" (${config.initStd}); ` +
        `got ${config.minStd}`,
    );
  }
  if (config.adaptiveInnerKl && config.innerKlTarget === 0) {
    throw new UserError(
      "config-value",
      `${sourceOf("adaptiveInnerKl")}: "adaptive_inner_kl_penalty" needs a "target_inner_step" ` +
        `above 0; got 0`,
    );
  }
  return { config, warnings, sourceOf };
}

/**
 * Reads a configuration file's text and merges `overrides` into it.
 *
 * @param fileName as the user knows the file; starts every message
 */
export function parseConfig(
  text: string,
  fileName: string,
  overrides: readonly ConfigLayer[] = [],
  context: ConfigContext = {},
): ParsedConfig {
  return resolveConfig([fileLayer(text, fileName), ...overrides], context);
}

/** The layer of an option that stands for one key, such as `--seed` for `seed`. */
export function optionLayer(option: string, name: ConfigKey, value: JsonValue): ConfigLayer {
  return { source: option, values: { [CONFIG_KEYS[name].published]: value } };
}

/** The configuration under its published names, all keys: what params.json keeps. */
export function publishedConfig(config: RunConfig): Record<string, JsonValue> {
  const entries = configKeys().map(([name, key]) => [key.published, config[name]]);
  return Object.fromEntries(entries);
}

/** Those keys, under published names, that decide the results: what a checkpoint keeps. */
export function resultConfig(config: RunConfig): Record<string, JsonValue> {
  const entries = configKeys()
    .filter(([, key]) => key.freeOnResume !== true)
    .map(([name, key]) => [key.published, config[name]]);
  return Object.fromEntries(entries);
}
