/** What a run depends on: written down when it starts, looked at when it is continued. */
import type { EnvSpec } from "../envs/env.ts";
import { describeMachine, jsonSha256, machineChanges, type Provenance } from "../run/provenance.ts";
import type { RunParams } from "../run/run_dir.ts";
import type { JsonValue } from "../util/json.ts";
import { VERSION } from "./version.ts";

/** The environment's tables, without the sizes that follow from them. */
function tablesOf({ obsDim: _o, actDim: _a, taskDim: _t, ...tables }: EnvSpec) {
  const { actionLow: _low, actionHigh: _high, ...given } = tables;
  return given;
}

/**
 * What a new run depends on.
 *
 * @param sources where each key was given
 * @param config the keys that decide the results
 */
export async function provenanceOf(
  sources: Readonly<Record<string, string>>,
  config: Readonly<Record<string, JsonValue>>,
  spec: EnvSpec,
): Promise<Provenance> {
  return {
    sources,
    configSha256: await jsonSha256(config),
    environmentSha256: await jsonSha256(tablesOf(spec)),
    machine: describeMachine(),
  };
}

/**
 * Lines for who continues a run: what is another one than when it was started.
 *
 * @param config the keys that decide the results, as params.json has them now
 */
export async function changesSince(
  run: string,
  { metarlVersion, provenance }: RunParams,
  config: Readonly<Record<string, JsonValue>>,
  spec: EnvSpec,
): Promise<string[]> {
  const isOurs = metarlVersion === VERSION;
  const lines = isOurs ? [] : [`${run} was started by metarl ${metarlVersion}, this is ${VERSION}`];
  if (provenance === undefined) return lines;
  if (provenance.environmentSha256 !== await jsonSha256(tablesOf(spec))) {
    lines.push(`the tables of ${spec.name} are others than when ${run} was started`);
  }
  // another version may have other keys
  if (isOurs && provenance.configSha256 !== await jsonSha256(config)) {
    lines.push(`the configuration in ${run}/params.json is not the one that it was started with`);
  }
  return [...lines, ...machineChanges(provenance.machine, describeMachine())];
}
