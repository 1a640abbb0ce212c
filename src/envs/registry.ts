/**
 * All environments by name. Definitions are loaded when asked for, so that a command pays only
 * for the simulator that it uses.
 */
import { UserError } from "../util/errors.ts";
import { didYouMean } from "../util/nearest.ts";
import type { EnvDefinition, EnvFactory } from "./env.ts";

type Loader = () => Promise<EnvDefinition>;

const LOADERS: ReadonlyMap<string, Loader> = new Map<string, Loader>([
  ["MetaPointEnvMomentum", async () => (await import("./point/momentum.ts")).momentum],
  [
    "MetaPointEnvMomentumModes",
    async () => (await import("./point/momentum_modes.ts")).momentumModes,
  ],
  [
    "MetaPointEnvMomentum1Mode",
    async () => (await import("./point/momentum_1_mode.ts")).momentum1Mode,
  ],
  [
    "MetaPointEnvMomentum2Modes",
    async () => (await import("./point/momentum_2_modes.ts")).momentum2Modes,
  ],
  [
    "MetaPointEnvMomentum6Modes",
    async () => (await import("./point/momentum_6_modes.ts")).momentum6Modes,
  ],
  ["MetaPointEnvCorner", async () => (await import("./point/corner.ts")).corner],
  ["MetaPointEnvWalls", async () => (await import("./point/walls.ts")).walls],
]);

/** Other names that are accepted: a published one, and the ones that are easily written instead. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ["MetaPointEnvMomentumSingleMode", "MetaPointEnvMomentum1Mode"],
  ["MetaPointEnvMomentumModes1Mode", "MetaPointEnvMomentum1Mode"],
  ["MetaPointEnvMomentumModes2Modes", "MetaPointEnvMomentum2Modes"],
  ["MetaPointEnvMomentumModes6Modes", "MetaPointEnvMomentum6Modes"],
]);

/** Names of all environments, aliases left out. */
export function envNames(): string[] {
  return [...LOADERS.keys()];
}

/**
 * The name under which `name` (perhaps an alias) is registered.
 * @throws UserError `env-unknown` with the nearest known name.
 */
export function resolveEnvName(name: string): string {
  const resolved = ALIASES.get(name) ?? name;
  if (LOADERS.has(resolved)) return resolved;
  const hint = didYouMean(name, [...LOADERS.keys(), ...ALIASES.keys()]);
  throw new UserError(
    "env-unknown",
    `Cannot find environment "${name}"` +
      (hint || `; known are ${envNames().join(", ")}`),
  );
}

/**
 * Loads an environment and sets its options.
 * @throws UserError `env-unknown`, `env-option`.
 */
export async function loadEnv(
  name: string,
  options: Readonly<Record<string, unknown>> = {},
): Promise<EnvFactory> {
  const definition = await LOADERS.get(resolveEnvName(name))!();
  return definition.configure(options);
}
