/** Whether runs can be laid beside each other: what decides which fresh tasks they get and what those pay. */
import { CONFIG_KEYS } from "../config/schema.ts";
import { envOptions } from "../trainer/specs.ts";
import type { LoadedRun } from "./load_run.ts";

/** An option that changes what the policy sees, and not what it is paid for. */
const OBSERVATION_OPTION = "observe_all_velocities";

type Comparable = Pick<LoadedRun, "config" | "env">;

/** By published name what decides tasks and rewards; options that the environment lacks don't. */
function taskSettings({ config, env: { spec } }: Comparable): Map<string, string> {
  const { [OBSERVATION_OPTION]: _, ...options } = envOptions(config, spec);
  const settings = {
    "version of the environment": spec.version,
    [CONFIG_KEYS.maxSteps.published]: config.maxSteps,
    ...options,
  };
  return new Map(
    Object.entries(settings).map(([key, value]) => [
      key,
      typeof value === "string" ? value : JSON.stringify(value ?? null),
    ]),
  );
}

/**
 * Why returns of two runs in fresh tasks can't be compared, e.g. `max_path_length 100 and 200`; ""
 * where they can: then the same seed and mode give both the same tasks, starts and rewards.
 */
export function taskDifference(a: Comparable, b: Comparable): string {
  const [one, other] = [a.env.spec.name, b.env.spec.name];
  if (one !== other) return `${CONFIG_KEYS.env.published} ${one} and ${other}`;
  const [first, second] = [taskSettings(a), taskSettings(b)];
  return [...first.keys()]
    .filter((key) => first.get(key) !== second.get(key))
    .map((key) => `${key} ${first.get(key)} and ${second.get(key)}`)
    .join(", ");
}

/** The mode that all of these runs were trained in; `null`: in all modes, or in different ones. */
export function commonMode(runs: readonly Pick<LoadedRun, "config">[]): number | null {
  const [mode, ...others] = new Set(runs.map(({ config }) => config.mode));
  return others.length === 0 ? mode ?? null : null;
}
