/** Environments of one's own, by the path of their file: a module or a JSON description. */
import { basename, dirname, extname, join, relative, resolve } from "node:path";
import { UserError } from "../../util/errors.ts";
import type { EnvDefinition } from "../env.ts";
import { Model } from "../mujoco/model.ts";
import { describedDefinition } from "./described_env.ts";
import { parseDescription } from "./description.ts";
import { type Files, hashFiles, readFile, readMjcf } from "./files.ts";
import { loadModule } from "./module.ts";

/** Definitions of this thread by path and version, each with its compiled model. */
const loaded = new Map<string, Promise<EnvDefinition>>();

/** The path as a user would type it: relative where it lies below the current folder. */
function shown(path: string): string {
  const fromHere = relative(Deno.cwd(), path);
  return fromHere.startsWith("..") ? path : fromHere;
}

async function loadDescription(path: string): Promise<EnvDefinition> {
  const file = shown(path);
  const files: Files = new Map();
  const bytes = readFile(path, "environment");
  files.set(path, bytes);
  const description = parseDescription(new TextDecoder().decode(bytes), file);
  const modelPath = join(dirname(path), description.model);
  const modelFile = shown(modelPath);
  const { mjcf, others } = readMjcf(modelPath, dirname(path), files, `${file}: "model"`);
  const version = await hashFiles(files);
  const key = `${path} ${version}`;
  let definition = loaded.get(key);
  if (definition === undefined) {
    const name = description.name ?? basename(path, extname(path));
    definition = Model.compile(modelFile, mjcf, Object.fromEntries(others)).then((model) => {
      try {
        return describedDefinition(file, description, { modelFile, model, version, name });
      } catch (error) {
        model.close();
        throw error;
      }
    });
    loaded.set(key, definition);
    // the same files may be compiled where this once failed for want of memory
    definition.catch(() => loaded.delete(key));
  }
  return await definition;
}

/**
 * Loads an environment from a file.
 * @param path of a description (.json) or a module (.ts, .js)
 * @throws UserError `env-file`, `env-description`, `env-expression`, `mjcf`, `env-module`
 */
export async function loadCustomEnv(path: string): Promise<EnvDefinition> {
  const absolute = resolve(path);
  switch (extname(absolute)) {
    case ".json":
      return await loadDescription(absolute);
    case ".ts":
    case ".mts":
    case ".js":
    case ".mjs":
      return await loadModule(absolute, shown(absolute));
    default:
      throw new UserError(
        "env-file",
        `Cannot use ${path} as an environment; give a module (.ts, .js) or a description (.json)`,
      );
  }
}
