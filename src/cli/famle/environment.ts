/** The environment that a FAMLE command works on. */
import { asFamleFactory, type FamleEnvFactory } from "../../envs/famle/famle_env.ts";
import { isEnvPath, loadEnv, resolveEnvName } from "../../envs/registry.ts";
import { UserError } from "../../util/errors.ts";

/** Environments of FAMLE, for messages and completions. */
export const FAMLE_ENVS = ["famle_reacher", "famle_ant"] as const;

/** The one that is taken where none is named. */
export const DEFAULT_ENV = "famle_reacher";

/**
 * The environment of this name.
 *
 * @throws UserError for an unknown name, or an environment whose robot can't be damaged
 */
export async function loadFamleEnv(name: string): Promise<FamleEnvFactory> {
  // a model or data may name it, and a path can be that of code
  const factory = isEnvPath(name) ? null : asFamleFactory(await loadEnv(resolveEnvName(name)));
  if (factory !== null) return factory;
  throw new UserError(
    "env-not-famle",
    `${name} has no situations to learn from; take one of ${FAMLE_ENVS.join(", ")}`,
  );
}
