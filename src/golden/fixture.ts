/**
 * Reading golden fixtures: JSON files whose numbers an implementation has to reproduce. What a
 * file holds is told by its keys, so any folder with the same schema works.
 */
import { messageOf, UserError } from "../util/errors.ts";

/** Numbers nested to any depth. */
export type Nested = number | readonly Nested[];

/** A named set of nested arrays, e.g. the tensors of a policy. */
export type Tensors = Readonly<Record<string, Nested>>;

/** Kinds of fixture, by what they check. */
export type FixtureKind =
  | "adam"
  | "distributions"
  | "encoder"
  | "meta"
  | "point_env"
  | "sample_processing"
  | "famle"
  | "physics";

/** One fixture file. */
export interface Fixture {
  /** File name without `.json`. */
  readonly name: string;
  readonly kind: FixtureKind;
  readonly content: Readonly<Record<string, unknown>>;
}

/** All numbers of a nested array in row-major order. */
export function flatten(nested: Nested): number[] {
  return typeof nested === "number" ? [nested] : nested.flatMap(flatten);
}

/** Kind of a fixture by its keys, `null` for none that is known. */
function kindOf(content: Record<string, unknown> | null): FixtureKind | null {
  if (content === null) return null;
  const first = Array.isArray(content.cases) ? content.cases[0] : content;
  if (typeof first !== "object" || first === null) return null;
  const has = (...keys: string[]) => keys.every((key) => key in first);
  if (has("algorithm", "policy", "steps")) return "meta";
  if (has("upstream_gradient", "encoder")) return "encoder";
  if (has("paths", "gae_lambda")) return "sample_processing";
  if (has("goal", "initial_position", "actions")) return "point_env";
  if (has("params", "meta_training") || has("params", "tasks_in")) return "famle";
  if (has("facts", "trajectory")) return "physics";
  if (has("old", "new", "advantages")) return "distributions";
  if (has("gradients", "beta1", "initial")) return "adam";
  return null;
}

/**
 * A fixture from what its file holds.
 * @param path for messages
 * @throws UserError `golden-schema` for keys that match no known fixture
 */
export function fixtureOf(name: string, value: unknown, path: string): Fixture {
  const content = value as Record<string, unknown> | null;
  const kind = kindOf(content);
  if (content === null || kind === null) {
    throw new UserError("golden-schema", `${path}: its keys match no known fixture`);
  }
  // The physics files state their engine instead of a schema version.
  if (kind !== "physics" && content.schema !== 1) {
    throw new UserError("golden-schema", `${path}: schema is ${content.schema}, wanted 1`);
  }
  return { name, kind, content };
}

/**
 * A fixture from the text of its file.
 * @param path for messages
 * @throws UserError `golden-file` for text that is not JSON, `golden-schema` for keys that match no
 * known fixture
 */
export function parseFixture(name: string, text: string, path: string): Fixture {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UserError("golden-file", `${path}: not a JSON file (${messageOf(error)})`);
  }
  return fixtureOf(name, value, path);
}

/**
 * All `*.json` files of a folder in alphabetical order.
 * @throws UserError for a missing or empty folder, a file that is not JSON or of no known schema.
 */
export async function readFixtures(directory: string): Promise<Fixture[]> {
  const names: string[] = [];
  try {
    for await (const entry of Deno.readDir(directory)) {
      if (entry.isFile && entry.name.endsWith(".json")) names.push(entry.name);
    }
  } catch (error) {
    throw new UserError("golden-folder", `${directory}: cannot be read (${messageOf(error)})`);
  }
  if (names.length === 0) {
    throw new UserError("golden-folder", `${directory}: no .json fixture in this folder`);
  }
  const fixtures: Fixture[] = [];
  for (const name of names.sort()) {
    const path = `${directory}/${name}`;
    let text;
    try {
      text = await Deno.readTextFile(path);
    } catch (error) {
      throw new UserError("golden-file", `${path}: cannot be read (${messageOf(error)})`);
    }
    fixtures.push(parseFixture(name.slice(0, -".json".length), text, path));
  }
  return fixtures;
}
