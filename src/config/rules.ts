/**
 * What a configuration key's value may be: validator and words, for error messages, the editor's
 * JSON Schema and the types. The tables of keys: `schema.ts` (ProMP, MMAML), `famle.ts`.
 */
import { z } from "zod";

/** What a key's value may be: the validator and the same thing in words, for error messages. */
export interface ValueRule<T> {
  /** Accepts the value or says why not. */
  readonly schema: z.ZodType<T>;
  /** Completes the sentence `"key" must be ...`. */
  readonly wanted: string;
}

/** One key of the configuration. */
export interface KeyDeclaration<T> extends ValueRule<T> {
  /** Name in files, `--set` and progress messages: the published one where there is one. */
  readonly published: string;
  /** Value of a key that is not given; a key without one has to be given. */
  readonly default?: T;
  /** Unit of a number, where it has one. */
  readonly unit?: string;
  /** One sentence, no full stop. */
  readonly help: string;
  /**
   * Changing it changes no result (or only that of a run that diverges), so a resumed run may have
   * another value.
   */
  readonly freeOnResume?: true;
}

/** A whole number. */
export function integer(min: number, max: number = Number.MAX_SAFE_INTEGER): ValueRule<number> {
  const upper = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  return { schema: z.number().int().min(min).max(max), wanted: `a whole number ${upper}` };
}

/** A number with a least value. */
export function atLeast(min: number): ValueRule<number> {
  return { schema: z.number().min(min), wanted: `a number of at least ${min}` };
}

/** A number above a limit. */
export function above(min: number): ValueRule<number> {
  return { schema: z.number().gt(min), wanted: `a number above ${min}` };
}

/** A number of a closed range. */
export function between(min: number, max: number): ValueRule<number> {
  return { schema: z.number().min(min).max(max), wanted: `a number from ${min} to ${max}` };
}

/** A number above one limit and up to another. */
export function aboveUpTo(min: number, max: number): ValueRule<number> {
  return {
    schema: z.number().gt(min).max(max),
    wanted: `a number above ${min} and at most ${max}`,
  };
}

/** True or false. */
export function flag(): ValueRule<boolean> {
  return { schema: z.boolean(), wanted: "true or false" };
}

/** A string that is not empty. @param wanted what it is, in words */
export function text(wanted: string): ValueRule<string> {
  return { schema: z.string().min(1), wanted };
}

/** One of some strings. */
export function oneOf<const T extends readonly [string, ...string[]]>(
  values: T,
): ValueRule<T[number]> {
  const quoted = values.map((value) => `"${value}"`);
  return {
    schema: z.enum(values) as z.ZodType<T[number]>,
    wanted: `${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`,
  };
}

/** What the rule allows, or null. */
export function orNull<T>(rule: ValueRule<T>): ValueRule<T | null> {
  return { schema: rule.schema.nullable(), wanted: `${rule.wanted}, or null` };
}

/** Most hidden layers that a network may have: as many as the kernels are written for. */
const MAX_HIDDEN_LAYERS = 4;

/** Widths of hidden layers. */
export const hiddenSizes: ValueRule<readonly number[]> = {
  schema: z.array(z.number().int().min(1).max(4096)).min(1).max(MAX_HIDDEN_LAYERS).readonly(),
  wanted: `a list of 1 to ${MAX_HIDDEN_LAYERS} whole numbers from 1 to 4096`,
};
