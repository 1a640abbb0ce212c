/**
 * What a run depends on, for params.json: where its settings came from, check sums of settings and
 * environment, the machine and what it was run by; and what of it is another one when a run is
 * continued.
 */
import { cpus } from "node:os";
import type { JsonValue } from "../util/json.ts";

/** The machine, and what metarl ran in. */
export interface Machine {
  /** Operating system and processor architecture, e.g. `linux x86_64`. */
  readonly platform: string;
  /** Model of the processor; `null` where the system doesn't tell. */
  readonly cpu: string | null;
  /** Logical cores. */
  readonly cores: number;
  /** Main memory in GiB; `null` where the system doesn't tell. */
  readonly memoryGiB: number | null;
  /** Version of Deno. */
  readonly deno: string;
  /** Version of V8. */
  readonly v8: string;
}

/** Where the settings and the numbers of a run come from. */
export interface Provenance {
  /** Keys that were given, by published name: in which file or by which option. */
  readonly sources: Readonly<Record<string, string>>;
  /** SHA-256 of the keys that decide the results. */
  readonly configSha256: string;
  /** SHA-256 of the environment's tables. */
  readonly environmentSha256: string;
  /** Where it was started. */
  readonly machine: Machine;
}

type Is = (value: JsonValue | undefined) => boolean;
const isText: Is = (value) => typeof value === "string";
const isNumber: Is = (value) => typeof value === "number";
const isTextOrNull: Is = (value) => value === null || isText(value);
const isNumberOrNull: Is = (value) => value === null || isNumber(value);
const isSha256: Is = (value) => typeof value === "string" && /^[0-9a-f]{64}$/.test(value);

const MACHINE: Readonly<Record<keyof Machine, Is>> = {
  platform: isText,
  cpu: isTextOrNull,
  cores: isNumber,
  memoryGiB: isNumberOrNull,
  deno: isText,
  v8: isText,
};

/** Whether a value is an object whose fields are as they have to be; it may have others. */
function isObjectOf(value: JsonValue | undefined, fields: Readonly<Record<string, Is>>): boolean {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return false;
  const object = value as Readonly<Record<string, JsonValue>>;
  return Object.entries(fields).every(([name, is]) => is(object[name]));
}

const PROVENANCE: Readonly<Record<keyof Provenance, Is>> = {
  sources: (value) => isObjectOf(value, {}) && Object.values(value!).every(isText),
  configSha256: isSha256,
  environmentSha256: isSha256,
  machine: (value) => isObjectOf(value, MACHINE),
};

/** The provenance in a file; `undefined` where there is none, `null` where it is something else. */
export function parseProvenance(value: JsonValue | undefined): Provenance | null | undefined {
  if (value === undefined) return undefined;
  return isObjectOf(value, PROVENANCE) ? value as unknown as Provenance : null;
}

function cpuModel(): string | null {
  try {
    return cpus()[0]?.model.trim() || null;
  } catch {
    return null; // not allowed to look
  }
}

function memoryGiB(): number | null {
  try {
    return Math.round(Deno.systemMemoryInfo().total / 2 ** 30);
  } catch {
    return null; // not allowed to look
  }
}

/** The machine that this process runs on. */
export function describeMachine(): Machine {
  return {
    platform: `${Deno.build.os} ${Deno.build.arch}`,
    cpu: cpuModel(),
    cores: navigator.hardwareConcurrency,
    memoryGiB: memoryGiB(),
    deno: Deno.version.deno,
    v8: Deno.version.v8,
  };
}

/** SHA-256, in hexadecimal, of a value's JSON. */
export async function jsonSha256(value: unknown): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What of a machine numbers may depend on, in words. */
const MACHINE_PARTS: readonly (readonly [keyof Machine, string])[] = [
  ["platform", "the platform"],
  ["cpu", "the processor"],
  ["deno", "Deno"],
  ["v8", "V8"],
];

/** One line for each thing that numbers may depend on and that is another one than before. */
export function machineChanges(before: Machine, now: Machine): string[] {
  return MACHINE_PARTS
    .filter(([part]) => before[part] !== null && now[part] !== null && before[part] !== now[part])
    .map(([part, name]) =>
      `${name} was ${before[part]}, is ${now[part]}: numbers may differ slightly`
    );
}

/**
 * A line where the kernels run on something else than before, as the device describes itself;
 * `null` where they do not. The number of threads changes no result.
 */
export function deviceChange(before: string | null, now: string): string | null {
  const kind = (description: string) => description.replace(/, \d+ threads?$/, "");
  if (before === null || kind(before) === kind(now)) return null;
  return `the run was on ${before}, is on ${now}: numbers may differ slightly`;
}
