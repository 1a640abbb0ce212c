import assert from "node:assert/strict";
import { asFamleFactory, type FamleEnvFactory } from "../../../src/envs/famle/famle_env.ts";
import { loadEnv } from "../../../src/envs/registry.ts";
import { KeyedRandom, Purpose } from "../../../src/util/prng.ts";

/** A FAMLE environment by name. */
export async function famle(
  name: string,
  options: Record<string, unknown> = {},
): Promise<FamleEnvFactory> {
  const factory = asFamleFactory(await loadEnv(name, options));
  assert.ok(factory !== null, `${name} is not a FAMLE environment`);
  return factory;
}

/** Uniform action [size] of step t, the same in every episode. */
export function randomAction(size: number, t: number): Float64Array {
  const random = new KeyedRandom(4).at(Purpose.TEST_DATA, 0, 0, 0, 0, t);
  return Float64Array.from({ length: size }, () => random.uniformRange(-1, 1));
}

/** The random numbers that episode e starts with. */
export function startOf(e = 0): KeyedRandom {
  return new KeyedRandom(4).at(Purpose.ENV_RESET, 0, 0, 0, e);
}

/** Values agree within `tolerance`. */
export function near(found: number, wanted: number, tolerance: number, what = ""): void {
  assert.ok(Math.abs(found - wanted) <= tolerance, `${what} ${found}, wanted ${wanted}`);
}
