/**
 * From what the user gave to a {@link RunConfig}. Layers are merged key by key, each overriding
 * the ones before it:
 *
 *     defaults < configuration file < --overrides < --set (in order) < options of their own
 *
 * Every layer keeps its source, so that a message names where the refused value was given.
 */
import {
  CONFIG_KEYS,
  type ConfigKey,
  configKeys,
  IGNORED_KEYS,
  type IgnoredKey,
  type KeyDeclaration,
  type RunConfig,
  SCHEMA_KEY,
} from "./schema.ts";
import { type JsonValue, parseJsonText } from "../util/json.ts";
import { UserError } from "../util/errors.ts";
import { nearest } from "../util/nearest.ts";

/** Values under published key names, and where they were given. */
export interface ConfigLayer {
  /** File name or option, e.g. `--set`; the start of an error message about one of the values. */
  readonly source: string;
  /** By published key name. */
  readonly values: Readonly<Record<string, JsonValue>>;
}

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

const DECLARATION_BY_PUBLISHED = new Map<string, KeyDeclaration<unknown>>(
  configKeys().map(([, key]) => [key.published, key]),
);
const PUBLISHED_BY_CODE_NAME = new Map<string, string>(
  configKeys().map(([name, key]) => [name, key.published]),
);

/** A value as the user may have written it, short enough for one line. */
function show(value: unknown): string {
  const text = typeof value === "number" ? String(value) : JSON.stringify(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}

function unknownKey(source: string, key: string): UserError {
  const published = [...DECLARATION_BY_PUBLISHED.keys(), ...Object.keys(IGNORED_KEYS)];
  // a name of the code stands for its published name
  const meant = nearest(key, [...published, ...PUBLISHED_BY_CODE_NAME.keys()]);
  const end = meant === null
    ? ""
    : `; did you mean "${PUBLISHED_BY_CODE_NAME.get(meant) ?? meant}"?`;
  return new UserError("config-unknown-key", `${source}: "${key}" is not a known key${end}`);
}

function declarationOf(source: string, key: string): KeyDeclaration<unknown> | IgnoredKey {
  const declaration = DECLARATION_BY_PUBLISHED.get(key) ??
    (Object.hasOwn(IGNORED_KEYS, key) ? IGNORED_KEYS[key] : undefined);
  if (declaration === undefined) throw unknownKey(source, key);
  return declaration;
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
  const given = new Map<string, { value: unknown; source: string }>();
  const warnings: string[] = [];
  for (const { source, values } of layers) {
    const ignored: string[] = [];
    for (const [key, value] of Object.entries(values)) {
      if (key === SCHEMA_KEY) continue;
      const { schema, wanted } = declarationOf(source, key);
      if (!schema.safeParse(value).success) {
        throw new UserError(
          "config-value",
          `${source}: "${key}" must be ${wanted}; got ${show(value)}`,
        );
      }
      if (!Object.hasOwn(IGNORED_KEYS, key)) given.set(key, { value, source });
      else if (value !== null) ignored.push(key);
    }
    if (ignored.length > 0) {
      warnings.push(`${source}: no effect in training: ${ignored.join(", ")}`);
    }
  }

  const entries = configKeys().map(([name, key]) => {
    const value = given.has(key.published) ? given.get(key.published)!.value : key.default;
    if (value === undefined) {
      const source = layers[0]?.source ?? "configuration";
      throw new UserError(
        "config-missing-key",
        `${source}: "${key.published}" is missing; it must be ${key.wanted}`,
      );
    }
    return [name, value];
  });
  const config = Object.fromEntries(entries) as RunConfig;

  const sourceOf = (name: ConfigKey): string =>
    given.get(CONFIG_KEYS[name].published)?.source ?? layers[0]?.source ?? "configuration";
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

/** The layer of a configuration file's text, or of another JSON object such as `--overrides`. */
export function fileLayer(text: string, source: string): ConfigLayer {
  const value = parseJsonText(text, source);
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new UserError("config-value", `${source} must be a JSON object; got ${show(value)}`);
  }
  return { source, values: value as Readonly<Record<string, JsonValue>> };
}

/**
 * The layer of one `--set key=value`: the value is read as JSON, and as a bare string where it is
 * none.
 */
export function setLayer(assignment: string): ConfigLayer {
  const equals = assignment.indexOf("=");
  if (equals < 1) {
    throw new UserError("set-syntax", `--set must be key=value; got "${assignment}"`);
  }
  const text = assignment.slice(equals + 1);
  let value: JsonValue;
  try {
    value = JSON.parse(text);
  } catch {
    value = text;
  }
  return { source: "--set", values: { [assignment.slice(0, equals)]: value } };
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
