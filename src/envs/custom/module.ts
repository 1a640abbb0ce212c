/**
 * An environment of one's own as a module: its default export, or the export `environment`, is an
 * {@link EnvDefinition}. What is missing is said when it is loaded, not in the middle of a run.
 *
 * The compiled program loads JavaScript only: nothing in it could turn TypeScript into that.
 */
import { dirname, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { messageOf, UserError } from "../../util/errors.ts";
import type { Env, EnvDefinition, EnvFactory } from "../env.ts";
import { type Files, hashFiles, readFile } from "./files.ts";

/** Members by name, each with what `typeof` or a more exact word says of it. */
type Members = Readonly<Record<string, string>>;

const FACTORY: Members = { spec: "object", sampleTasks: "function", createInstance: "function" };

const SPEC: Members = {
  name: "string",
  description: "string",
  observation: "array",
  action: "array",
  rewardParts: "array",
  task: "array",
  modes: "number",
  maxSteps: "number",
  options: "array",
  obsDim: "number",
  actDim: "number",
  taskDim: "number",
  actionLow: "Float64Array",
  actionHigh: "Float64Array",
};

const INSTANCE: Members = {
  spec: "object",
  obs: "Float64Array",
  rewardParts: "Float64Array",
  reward: "number",
  terminated: "boolean",
  setTask: "function",
  reset: "function",
  step: "function",
  close: "function",
};

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (value instanceof Float64Array) return "Float64Array";
  return typeof value;
}

/** @throws UserError `env-module` naming the first member that is missing or of another kind. */
function requireMembers(value: unknown, members: Members, file: string, what: string): void {
  const found = kindOf(value);
  if (found !== "object") {
    throw new UserError("env-module", `${file}: ${what} must be an object; got ${found}`);
  }
  for (const [name, wanted] of Object.entries(members)) {
    const kind = kindOf((value as Record<string, unknown>)[name]);
    if (kind === wanted) continue;
    const found = kind === "undefined" ? "it is missing" : `got ${kind}`;
    throw new UserError(
      "env-module",
      `${file}: ${what} needs a member "${name}" (${wanted}); ${found}`,
    );
  }
}

/** A relative import, static or dynamic. */
const IMPORT = /(?:\bfrom|\bimport)\s*\(?\s*["'](\.{1,2}\/[^"']+)["']/g;

/** The module and those it imports from its own folder and below. */
function moduleFiles(path: string): Files {
  const files: Files = new Map();
  const folder = dirname(path);
  const visit = (file: string): void => {
    if (files.has(file)) return;
    const bytes = readFile(file, "environment");
    files.set(file, bytes);
    for (const [, specifier] of new TextDecoder().decode(bytes).matchAll(IMPORT)) {
      const imported = resolve(dirname(file), specifier);
      if (!relative(folder, imported).startsWith("..")) visit(imported);
    }
  };
  visit(path);
  return files;
}

function refuseTypeScript(path: string, file: string): void {
  if (!Deno.build.standalone || !/\.m?ts$/.test(path)) return;
  throw new UserError(
    "env-module",
    `Cannot load ${file}: the compiled metarl reads JavaScript modules only; turn it into one ` +
      `("deno bundle"), run metarl from source, or write a JSON description`,
  );
}

async function importModule(path: string, file: string): Promise<Record<string, unknown>> {
  try {
    return await import(pathToFileURL(path).href);
  } catch (error) {
    // Deno colours the place of an import
    const reason = stripVTControlCharacters(messageOf(error));
    throw new UserError("env-module", `Cannot load ${file}: ${reason}`, { cause: error });
  }
}

/** The factory with its members checked and the files' hash as version. */
function checkedFactory(factory: EnvFactory, version: string, file: string): EnvFactory {
  requireMembers(factory, FACTORY, file, "what configure() returns");
  requireMembers(factory.spec, SPEC, file, "the spec");
  return {
    spec: { ...factory.spec, version },
    sampleTasks: (random, iteration, count, mode) =>
      factory.sampleTasks(random, iteration, count, mode),
    async createInstance(): Promise<Env> {
      const env = await factory.createInstance();
      requireMembers(env, INSTANCE, file, "an instance");
      return env;
    },
  };
}

/**
 * Loads a module.
 * @param path absolute
 * @param file as the user knows it
 * @throws UserError `env-file`, `env-module`
 */
export async function loadModule(path: string, file: string): Promise<EnvDefinition> {
  refuseTypeScript(path, file);
  const version = await hashFiles(moduleFiles(path));
  const module = await importModule(path, file);
  const definition = (module.default ?? module.environment) as EnvDefinition | undefined;
  if (definition === undefined) {
    throw new UserError(
      "env-module",
      `${file} exports no environment; export an EnvDefinition as default or as "environment"`,
    );
  }
  requireMembers(definition, { configure: "function" }, file, "the exported environment");
  return {
    configure: (options) => checkedFactory(definition.configure(options), version, file),
  };
}
