/**
 * Merging what the user gave, layer by layer, and checking it against a table of keys. Every layer
 * keeps its source, so that a message names where the refused value was given.
 */
import { type JsonValue, parseJsonText } from "../util/json.ts";
import { UserError } from "../util/errors.ts";
import { nearest } from "../util/nearest.ts";
import type { KeyDeclaration, ValueRule } from "./rules.ts";

/** Values under published key names, and where they were given. */
export interface ConfigLayer {
  /** File name or option, e.g. `--set`; the start of an error message about one of the values. */
  readonly source: string;
  /** By published key name. */
  readonly values: Readonly<Record<string, JsonValue>>;
}

/** Where each key that was given got its value, by published name: later layers win. */
export function sourcesOf(layers: readonly ConfigLayer[]): Record<string, string> {
  const sources: Record<string, string> = {};
  for (const { source, values } of layers) {
    for (const key of Object.keys(values)) if (key !== SCHEMA_KEY) sources[key] = source;
  }
  return sources;
}

/** Keys by their name in the code. */
export type KeyTable = Readonly<Record<string, KeyDeclaration<unknown>>>;

/** Merged values. */
export interface MergedKeys {
  /** By name in the code, defaults included. */
  readonly values: Readonly<Record<string, unknown>>;
  /** Lines about keys without effect. */
  readonly warnings: readonly string[];
  /** Where a key's value was given, the start of an error message about it. */
  readonly sourceOf: (name: string) => string;
}

/** Name of the key that tells an editor where the JSON Schema is. */
export const SCHEMA_KEY = "$schema";

/** A value as the user may have written it, short enough for one line. */
export function showValue(value: unknown): string {
  const text = typeof value === "number" ? String(value) : JSON.stringify(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}

function unknownKey(
  source: string,
  key: string,
  table: KeyTable,
  ignored: Readonly<Record<string, ValueRule<unknown>>>,
): UserError {
  const publishedOf = new Map(
    Object.entries(table).map(([name, { published }]) => [name, published] as const),
  );
  // a name of the code stands for its published name
  const known = [...publishedOf.values(), ...Object.keys(ignored), ...publishedOf.keys()];
  const meant = nearest(key, known);
  const end = meant === null ? "" : `; did you mean "${publishedOf.get(meant) ?? meant}"?`;
  return new UserError("config-unknown-key", `${source}: "${key}" is not a known key${end}`);
}

/**
 * Merges the layers over the defaults and checks every key.
 *
 * @param ignored published keys that are checked but have no effect
 * @throws UserError naming the source and the key of the first value that is refused
 */
export function mergeLayers(
  table: KeyTable,
  layers: readonly ConfigLayer[],
  ignored: Readonly<Record<string, ValueRule<unknown>>> = {},
): MergedKeys {
  const byPublished = new Map(Object.values(table).map((key) => [key.published, key]));
  const given = new Map<string, { value: unknown; source: string }>();
  const warnings: string[] = [];
  for (const { source, values } of layers) {
    const unread: string[] = [];
    for (const [key, value] of Object.entries(values)) {
      if (key === SCHEMA_KEY) continue;
      const rule: ValueRule<unknown> | undefined = byPublished.get(key) ??
        (Object.hasOwn(ignored, key) ? ignored[key] : undefined);
      if (rule === undefined) throw unknownKey(source, key, table, ignored);
      if (!rule.schema.safeParse(value).success) {
        throw new UserError(
          "config-value",
          `${source}: "${key}" must be ${rule.wanted}; got ${showValue(value)}`,
        );
      }
      if (byPublished.has(key)) given.set(key, { value, source });
      else if (value !== null) unread.push(key);
    }
    if (unread.length > 0) warnings.push(`${source}: no effect in training: ${unread.join(", ")}`);
  }
  const first = layers[0]?.source ?? "configuration";
  const entries = Object.entries(table).map(([name, key]) => {
    const value = given.has(key.published) ? given.get(key.published)!.value : key.default;
    if (value === undefined) {
      throw new UserError(
        "config-missing-key",
        `${first}: "${key.published}" is missing; it must be ${key.wanted}`,
      );
    }
    return [name, value];
  });
  return {
    values: Object.fromEntries(entries),
    warnings,
    sourceOf: (name) => given.get(table[name].published)?.source ?? first,
  };
}

/** The layer of a configuration file's text, or of another JSON object such as `--overrides`. */
export function fileLayer(text: string, source: string): ConfigLayer {
  const value = parseJsonText(text, source);
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new UserError("config-value", `${source} must be a JSON object; got ${showValue(value)}`);
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
