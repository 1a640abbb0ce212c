/** What several runs of `famle adapt` amount to: means over seeds, episodes until recovery, tests. */
import type { EpisodeReport } from "../../trainer/online_control.ts";
import { mean, meanInterval, MOST_PAIRS, pairedTestLess } from "../../util/statistics.ts";

/** Who controls. */
export type MethodName = "healthy" | "famle" | "maml" | "mbrl";

/** For people. */
export const METHOD_LABELS: Readonly<Record<MethodName, string>> = {
  healthy: "healthy robot",
  famle: "FAMLE",
  maml: "one embedding (MAML)",
  mbrl: "from scratch (MBRL)",
};

/** All episodes of one method, by seed. */
export interface MethodRuns {
  /** Who controlled. */
  readonly method: MethodName;
  /** [seeds][episodes] */
  readonly runs: readonly (readonly EpisodeReport[])[];
}

/** Share of the healthy robot's reward that counts as recovered. */
const RECOVERED = 0.9;
/** The same for people. */
export const RECOVERED_TEXT = "90 % of healthy";
/** Its reward is the mean over so many of its last episodes. */
const LAST_EPISODES = 5;

/** Summary of one method. */
export interface MethodSummary {
  /** Who controlled. */
  readonly method: MethodName;
  /** [episodes] mean over seeds, and half of the 95 % interval (`null` with one seed). */
  readonly perEpisode: readonly { readonly mean: number; readonly halfWidth: number | null }[];
  /** Mean of the last five episodes, over seeds. */
  readonly last: { readonly mean: number; readonly halfWidth: number | null };
  /** [seeds] episodes until 90 % of the healthy reward; `null`: not within the episodes. */
  readonly recovery: readonly (number | null)[] | null;
  /** Mean of it; a run that did not recover counts as one episode more than there are. */
  readonly meanRecovery: { readonly mean: number; readonly halfWidth: number | null } | null;
  /** Episodes that were stopped before their end. */
  readonly stopped: number;
  /** Action sequences whose predicted return was not finite. */
  readonly nonFinite: number;
}

function rewardsOf(run: readonly EpisodeReport[]): number[] {
  return run.map(({ reward }) => reward);
}

/** Mean reward of the last episodes of one run. */
function lastReward(run: readonly EpisodeReport[]): number {
  return mean(rewardsOf(run).slice(-LAST_EPISODES));
}

/** Reward of the healthy robot: mean over its last episodes and all seeds; `null`: none ran. */
export function healthyReward(methods: readonly MethodRuns[]): number | null {
  const healthy = methods.find(({ method }) => method === "healthy");
  return healthy === undefined ? null : mean(healthy.runs.map(lastReward));
}

/**
 * Reward that counts as recovered; `null` where the healthy robot's is not known, or not above 0:
 * then 90 % of it is no less than it, and says nothing.
 */
export function recoveredReward(healthy: number | null): number | null {
  return healthy === null || healthy <= 0 ? null : RECOVERED * healthy;
}

/** Episodes until the reward reaches `wanted`; `null`: never. */
export function episodesUntil(rewards: readonly number[], wanted: number): number | null {
  const at = rewards.findIndex((reward) => reward >= wanted);
  return at < 0 ? null : at + 1;
}

/** Summary of one method. @param healthy the healthy robot's reward, `null`: not known */
export function summarize({ method, runs }: MethodRuns, healthy: number | null): MethodSummary {
  const episodes = Math.min(...runs.map((run) => run.length));
  const wanted = recoveredReward(healthy);
  const recovery = wanted === null || method === "healthy"
    ? null
    : runs.map((run) => episodesUntil(rewardsOf(run), wanted));
  const sum = (count: (report: EpisodeReport) => number) =>
    runs.flat().reduce((total, report) => total + count(report), 0);
  return {
    method,
    perEpisode: Array.from(
      { length: episodes },
      (_, e) => meanInterval(runs.map((run) => run[e].reward)),
    ),
    last: meanInterval(runs.map(lastReward)),
    recovery,
    meanRecovery: recovery === null ? null : meanInterval(
      recovery.map((count, seed) => count ?? runs[seed].length + 1),
    ),
    stopped: sum(({ stopped }) => stopped === null ? 0 : 1),
    nonFinite: sum(({ nonFinite }) => nonFinite),
  };
}

/** Seeds from which a test of differences says something: 2^-5 is below 5 %. */
const LEAST_PAIRS = 5;

/** How FAMLE's episodes until recovery compare with another method's. */
export interface RecoveryTest {
  /** The other method. */
  readonly than: MethodName;
  /** One-sided p of the exact paired permutation test that FAMLE needs fewer. */
  readonly p: number;
  /** Seeds that it compares: the first 20, where there are more. */
  readonly pairs: number;
}

/** Tests of FAMLE against the other methods, all with the same seeds; empty with too few. */
export function recoveryTests(methods: readonly MethodRuns[]): RecoveryTest[] {
  const wanted = recoveredReward(healthyReward(methods));
  const famle = methods.find(({ method }) => method === "famle");
  if (wanted === null || famle === undefined || famle.runs.length < LEAST_PAIRS) return [];
  const pairs = Math.min(famle.runs.length, MOST_PAIRS);
  const counts = ({ runs }: MethodRuns) =>
    runs.slice(0, pairs)
      .map((run) => episodesUntil(rewardsOf(run), wanted) ?? run.length + 1);
  return methods
    .filter(({ method }) => method === "maml" || method === "mbrl")
    .map((other) => ({
      than: other.method,
      p: pairedTestLess(counts(famle), counts(other)),
      pairs,
    }));
}

/** `12.3 ± 0.4`, or without the interval where there is none. */
export function formatInterval(
  { mean: middle, halfWidth }: { readonly mean: number; readonly halfWidth: number | null },
  digits = 1,
): string {
  const text = middle.toFixed(digits);
  return halfWidth === null ? text : `${text} ± ${halfWidth.toFixed(digits)}`;
}

/** The table at the end, line by line. */
export function resultTable(summaries: readonly MethodSummary[]): string[] {
  const episodes = Math.max(...summaries.map(({ perEpisode }) => perEpisode.length));
  const shown = [...new Set([0, 1, 2, 4, 9].filter((e) => e < episodes - 1))];
  const head = [
    "reward per episode",
    ...shown.map((e) => `${e + 1}.`),
    `last ${Math.min(LAST_EPISODES, episodes)}`,
    `until ${RECOVERED_TEXT}`,
  ];
  const rows = summaries.map(({ method, perEpisode, last, recovery, meanRecovery }) => {
    const missed = recovery?.filter((count) => count === null).length ?? 0;
    const never = missed === 0 ? "" : `, ${missed} of ${recovery!.length} never`;
    return [
      METHOD_LABELS[method],
      ...shown.map((e) => perEpisode[e] === undefined ? "" : formatInterval(perEpisode[e])),
      formatInterval(last),
      meanRecovery === null
        ? "-"
        : missed === recovery!.length
        ? "never"
        : `${formatInterval(meanRecovery)} episodes${never}`,
    ];
  });
  const table = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...table.map((row) => row[column].length)));
  return table.map((row) =>
    row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])
    ).join("  ").trimEnd()
  );
}
