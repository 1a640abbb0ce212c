/**
 * All environments by name, and those of one's own by path. Definitions are loaded when asked for,
 * so that a command pays only for the simulator that it uses.
 */
import { resolve } from "node:path";
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
  [
    "AntRandGoalModeEnv",
    async () => (await import("./mujoco/ant_rand_goal_mode.ts")).antRandGoalMode,
  ],
  [
    "AntRandGoalMode1ModeEnv",
    async () => (await import("./mujoco/ant_rand_goal_mode_1_mode.ts")).antRandGoalMode1Mode,
  ],
  [
    "AntRandGoalMode2ModesEnv",
    async () => (await import("./mujoco/ant_rand_goal_mode_2_modes.ts")).antRandGoalMode2Modes,
  ],
  [
    "AntRandGoalMode6ModesEnv",
    async () => (await import("./mujoco/ant_rand_goal_mode_6_modes.ts")).antRandGoalMode6Modes,
  ],
  ["AntRandGoalEnv", async () => (await import("./mujoco/ant_rand_goal.ts")).antRandGoal],
  ["AntRandDirecEnv", async () => (await import("./mujoco/ant_rand_direc.ts")).antRandDirec],
  ["AntRandDirec2DEnv", async () => (await import("./mujoco/ant_rand_direc_2d.ts")).antRandDirec2D],
  ["Reacher3LinkEnv", async () => (await import("./mujoco/reacher_3_link.ts")).reacher3Link],
  [
    "Reacher3Link1ModeEnv",
    async () => (await import("./mujoco/reacher_3_link_1_mode.ts")).reacher3Link1Mode,
  ],
  [
    "Reacher3Link2ModeEnv",
    async () => (await import("./mujoco/reacher_3_link_2_mode.ts")).reacher3Link2Mode,
  ],
  [
    "Reacher3Link6ModeEnv",
    async () => (await import("./mujoco/reacher_3_link_6_mode.ts")).reacher3Link6Mode,
  ],
  ["ReacherEnv", async () => (await import("./mujoco/reacher.ts")).reacher],
  ["Reacher2ModeEnv", async () => (await import("./mujoco/reacher_2_mode.ts")).reacher2Mode],
  ["Reacher6ModeEnv", async () => (await import("./mujoco/reacher_6_mode.ts")).reacher6Mode],
  [
    "HalfCheetahRandDirecEnv",
    async () => (await import("./mujoco/half_cheetah_rand_direc.ts")).halfCheetahRandDirec,
  ],
  [
    "HalfCheetahRandVelEnv",
    async () => (await import("./mujoco/half_cheetah_rand_vel.ts")).halfCheetahRandVel,
  ],
  [
    "HalfCheetahTargetLocationEnv",
    async () => (await import("./mujoco/half_cheetah_target_loc.ts")).halfCheetahTargetLocation,
  ],
  [
    "HalfCheetahTargetSpeedEnv",
    async () => (await import("./mujoco/half_cheetah_target_speed.ts")).halfCheetahTargetSpeed,
  ],
  [
    "Walker2DRandDirecEnv",
    async () => (await import("./mujoco/walker2d_rand_direc.ts")).walker2DRandDirec,
  ],
  [
    "Walker2DRandVelEnv",
    async () => (await import("./mujoco/walker2d_rand_vel.ts")).walker2DRandVel,
  ],
  [
    "Walker2DTargetLocation",
    async () => (await import("./mujoco/walker2d_target_location.ts")).walker2DTargetLocation,
  ],
  [
    "Walker2DRandParamsEnv",
    async () => (await import("./mujoco/walker2d_rand_params.ts")).walker2DRandParams,
  ],
  [
    "HopperRandParamsEnv",
    async () => (await import("./mujoco/hopper_rand_params.ts")).hopperRandParams,
  ],
  ["SwimmerRandVelEnv", async () => (await import("./mujoco/swimmer_rand_vel.ts")).swimmerRandVel],
  [
    "SwimmerReach2ModesEnv",
    async () => (await import("./mujoco/swimmer_rand_goal_mode_2_modes.ts")).swimmerReach2Modes,
  ],
  [
    "SwimmerReach4ModesEnv",
    async () => (await import("./mujoco/swimmer_rand_goal_mode_4_modes.ts")).swimmerReach4Modes,
  ],
  [
    "HumanoidRandDirecEnv",
    async () => (await import("./mujoco/humanoid_rand_direc.ts")).humanoidRandDirec,
  ],
  [
    "HumanoidRandDirec2DEnv",
    async () => (await import("./mujoco/humanoid_rand_direc_2d.ts")).humanoidRandDirec2D,
  ],
  ["famle_reacher", async () => (await import("./famle/famle_reacher.ts")).famleReacher],
  ["famle_ant", async () => (await import("./famle/famle_ant.ts")).famleAnt],
]);

/** Other names that are accepted: a published one, and the ones that are easily written instead. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ["MetaPointEnvMomentumSingleMode", "MetaPointEnvMomentum1Mode"],
  ["MetaPointEnvMomentumModes1Mode", "MetaPointEnvMomentum1Mode"],
  ["MetaPointEnvMomentumModes2Modes", "MetaPointEnvMomentum2Modes"],
  ["MetaPointEnvMomentumModes6Modes", "MetaPointEnvMomentum6Modes"],
  ["AntRandGoalMode1ModesEnv", "AntRandGoalMode1ModeEnv"],
]);

/** Names of all environments, aliases left out. */
export function envNames(): string[] {
  return [...LOADERS.keys()];
}

/**
 * Whether `name` is the path of an environment of one's own: it holds a slash or ends in .json,
 * .ts, .js, .mts or .mjs.
 */
export function isEnvPath(name: string): boolean {
  return /[\\/]|\.(json|m?[jt]s)$/.test(name);
}

/** Whether `name` is the path of a module: loading that environment runs its code. */
export function isEnvModule(name: string): boolean {
  return isEnvPath(name) && /\.m?[jt]s$/.test(resolve(name));
}

/** Modules that the command line named. */
const namedModules = new Set<string>();

/** Says that the user named this file: its code may run. Gives it back. */
export function nameEnvModule(path: string): string {
  namedModules.add(resolve(path));
  return path;
}

/**
 * Refuses a module that only a file names: files are data, wherever they are from.
 *
 * @param where place that names it, the start of the message
 * @throws UserError `env-module-unnamed`
 */
export function checkModuleNamed(name: string, where: string): void {
  if (!isEnvModule(name) || namedModules.has(resolve(name))) return;
  throw new UserError(
    "env-module-unnamed",
    `${where} names the module ${name}, whose code would run; if you trust it, give it with --env`,
  );
}

/**
 * The name under which `name` (perhaps an alias) is registered; a path is its own name.
 * @throws UserError `env-unknown` with the nearest known name.
 */
export function resolveEnvName(name: string): string {
  if (isEnvPath(name)) return name;
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
 * @param name of a registered environment, or path of a file (docs/environments.md)
 * @throws UserError `env-unknown`, `env-option`, and what is wrong with a file.
 */
export async function loadEnv(
  name: string,
  options: Readonly<Record<string, unknown>> = {},
): Promise<EnvFactory> {
  if (isEnvPath(name)) {
    const { loadCustomEnv } = await import("./custom/load.ts");
    return (await loadCustomEnv(name)).configure(options);
  }
  const definition = await LOADERS.get(resolveEnvName(name))!();
  return definition.configure(options);
}
