import assert from "node:assert/strict";
import type { EnvFactory } from "../../../src/envs/env.ts";
import { MujocoEnv } from "../../../src/envs/mujoco/mujoco_env.ts";
import { envNames, loadEnv } from "../../../src/envs/registry.ts";
import { type KeyedRandom, Purpose } from "../../../src/util/prng.ts";

/** Names of the MuJoCo environments of `src/envs/mujoco`. */
export function mujocoNames(): string[] {
  return envNames().filter((name) => !/^(MetaPoint|famle_)/.test(name));
}

/** A simulator and its factory. */
export async function open(
  name: string,
  options: Record<string, unknown> = {},
): Promise<{ factory: EnvFactory; env: MujocoEnv }> {
  const factory = await loadEnv(name, options);
  const env = await factory.createInstance();
  assert.ok(env instanceof MujocoEnv, `${name} is not a MuJoCo environment`);
  return { factory, env };
}

/** Fills `action` with uniform controls of step t of rollout e. */
export function drawAction(
  env: MujocoEnv,
  random: KeyedRandom,
  e: number,
  t: number,
): Float64Array {
  const { actDim, actionLow, actionHigh } = env.spec;
  const action = new Float64Array(actDim);
  random.at(Purpose.TEST_DATA, 0, 0, 0, e, t);
  for (let a = 0; a < actDim; a++) action[a] = random.uniformRange(actionLow[a], actionHigh[a]);
  return action;
}

/** The first task of an iteration, set and started. */
export function begin(
  factory: EnvFactory,
  env: MujocoEnv,
  random: KeyedRandom,
  e = 0,
): Float64Array {
  const row = factory.sampleTasks(random, e, 1).rows;
  env.setTask(row);
  env.reset(random.at(Purpose.ENV_RESET, 0, 0, 0, e));
  return row;
}

/** Values agree but for the rounding of a few operations. */
export function close(found: number, wanted: number, what: string): void {
  const allowed = 1e-12 * (1 + Math.abs(wanted));
  assert.ok(Math.abs(found - wanted) <= allowed, `${what}: ${found}, wanted ${wanted}`);
}
