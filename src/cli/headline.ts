/** What a run is going to do, in one line. */
import type { RunConfig } from "../config/schema.ts";
import type { MetaAlgorithm } from "../trainer/types.ts";
import { VERSION } from "./version.ts";

/** How many sampling workers: as asked, or one per core; never more than there are tasks. */
export function workerCount(config: RunConfig): number {
  const wanted = config.workers ?? (config.parallel ? navigator.hardwareConcurrency : 1);
  return Math.min(wanted, config.metaBatchSize);
}

/** Version, algorithm, environment, seed, size. */
export function headline(algorithm: MetaAlgorithm, config: RunConfig, workers: number): string {
  const compat = config.compat === "none" ? "" : `, compat ${config.compat}`;
  const mode = config.mode === null ? "" : `, mode ${config.mode}`;
  return `metarl ${VERSION}: ${algorithm} on ${config.env}${mode}, seed ${config.seed}` +
    `${compat}, ${config.iterations} iterations, ${workers} workers`;
}
