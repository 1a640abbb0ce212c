/** Values of options, checked. */
import type { EnvSpec } from "../envs/env.ts";
import { UserError } from "../util/errors.ts";

/**
 * A whole number that an option gives.
 *
 * @param standard where it is not given
 * @throws UserError `option-value`
 */
export function wholeOption(
  option: string,
  value: string | undefined,
  standard: number,
  least: number,
  most: number = Number.MAX_SAFE_INTEGER,
): number {
  if (value === undefined) return standard;
  const number = Number(value);
  if (value.trim() !== "" && Number.isInteger(number) && number >= least && number <= most) {
    return number;
  }
  const range = most === Number.MAX_SAFE_INTEGER
    ? `of at least ${least}`
    : `from ${least} to ${most}`;
  throw new UserError("option-value", `${option} must be a whole number ${range}; got ${value}`);
}

/** Largest seed: with as many seeds behind it as `famle adapt` takes it is far from the limit. */
const MAX_SEED = 0xffff_ffff;

/** The seed, 1 where none is given. @throws UserError `option-value` */
export function seedOption(value: string | undefined): number {
  return wholeOption("--seed", value, 1, 0, MAX_SEED);
}

/** So many inner steps have a key of their own. */
const MOST_STEPS = 100;

/** Inner steps that `--steps` gives, `null`: as in training. @throws UserError `option-value` */
export function stepsOption(value: string | undefined): number | null {
  return value === undefined ? null : wholeOption("--steps", value, 1, 1, MOST_STEPS);
}

/** Iterations that `--checkpoint` gives, `null`: the newest. @throws UserError `option-value` */
export function checkpointOption(value: string | undefined): number | null {
  return value === undefined ? null : wholeOption("--checkpoint", value, 0, 0);
}

const MOST_WORKERS = 1024;

/** Sampling workers: one per core where `--workers` is not given. @throws UserError `option-value` */
export function workersOption(value: string | undefined): number {
  return wholeOption("--workers", value, navigator.hardwareConcurrency, 1, MOST_WORKERS);
}

/** Throws where one of these options is given. @param other what it can't be combined with */
export function refuseOptions(options: Readonly<Record<string, unknown>>, other: string): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    throw new UserError("usage", `--${name} can't be combined with ${other}; leave it out`);
  }
}

/**
 * The mode of the tasks that `--mode` gives, `null` where it is not given.
 *
 * @throws UserError `option-value`
 */
export function modeOption(value: string | undefined, env: EnvSpec): number | null {
  if (value === undefined) return null;
  if (env.modes === 0) {
    throw new UserError("option-value", `--mode: ${env.name} has no modes; leave it out`);
  }
  return wholeOption("--mode", value, 0, 0, env.modes - 1);
}
