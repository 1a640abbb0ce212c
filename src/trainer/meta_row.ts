/**
 * What came of one iteration of ProMP or MMAML, and its row in progress.csv
 * (docs/algorithms.md, "Columns of progress.csv").
 */
import type { MetaObjectiveSpec, MetaParams, MetaValues } from "../algos/meta_objective.ts";
import type { RunConfig } from "../config/schema.ts";
import type { EnvSpec } from "../envs/env.ts";
import type { PathStatistics } from "../rollout/processor.ts";
import type { TrajectoryBatch } from "../rollout/trajectory_batch.ts";
import { progressColumns, type ProgressRow } from "../run/log.ts";
import { type RunError, UserError } from "../util/errors.ts";
import { exp } from "../util/math.ts";
import { mean } from "../util/statistics.ts";
import { type Divergence, DivergenceKind, type GuardState } from "./divergence.ts";
import type { MetaState } from "./meta_state.ts";
import type { TaskReport } from "./sampler_protocol.ts";

/** What the workers made of one iteration. */
export interface Sampled {
  readonly reports: readonly TaskReport[];
  /** [K+1][M] */
  readonly steps: readonly (readonly TrajectoryBatch[])[];
  /** [K+1] */
  readonly statistics: readonly PathStatistics[];
  readonly environmentSteps: number;
}

/** What the outer steps made of it. */
export interface Learned {
  readonly state: MetaState;
  readonly before: MetaValues;
  readonly after: MetaValues;
  readonly gradientNorms: Record<string, number>;
}

/** How an iteration ended. */
export interface Outcome {
  /** `null` where sampling diverged. */
  readonly sampled: Sampled | null;
  /** `null` where no step was taken. */
  readonly learned: Learned | null;
  /** What diverged on the way. */
  readonly events: readonly Divergence[];
  /** Steps of all samplings that were not in vain. */
  readonly environmentSteps: number;
  /** The run ends with this. */
  readonly failure: RunError | null;
  /** As the iteration was done, or would have been. */
  readonly guard: GuardState;
}

/** Milliseconds spent by phase in one iteration. */
export interface PhaseTimes {
  /** Wall time of all rounds of sampling and adaptation. */
  inner: number;
  /** Wall time of the outer steps and what belongs to them. */
  outer: number;
}

/** Names of the columns of reward parts, where the reward has more than one. */
function rewardPartColumns(env: EnvSpec): string[] {
  if (env.rewardParts.length < 2) return [];
  return env.rewardParts.map(({ name }) => {
    const words = name.split(/[^A-Za-z0-9]+/).filter((word) => word !== "")
      .map((word) => word[0].toUpperCase() + word.slice(1));
    return `Average${words.join("")}Return`;
  });
}

/** Column with the number of what diverged, or of rollouts that were cut; 0: nothing. */
const DIVERGENCE_COLUMN = "Divergence";

const GRADIENT_COLUMNS = { policy: "GradNormPolicy", encoder: "GradNormEncoder" } as const;

function gradientColumns(config: RunConfig, spec: MetaObjectiveSpec): string[] {
  if (!config.logGradNorm) return [];
  const { policy, encoder } = GRADIENT_COLUMNS;
  return spec.encoder === null ? [policy] : [policy, encoder];
}

/**
 * Names of a run's columns.
 * @throws UserError `env-reward-parts` where two of them would be the same
 */
export function metaColumns(config: RunConfig, env: EnvSpec, spec: MetaObjectiveSpec): string[] {
  const columns = progressColumns(config.innerSteps, {
    perStep: rewardPartColumns(env),
    perIteration: [
      ...gradientColumns(config, spec),
      ...["InnerLr", "OuterLr", DIVERGENCE_COLUMN],
    ],
  });
  const twice = columns.find((name, i) => columns.indexOf(name) < i);
  if (twice === undefined) return columns;
  throw new UserError(
    "env-reward-parts",
    `Cannot log the reward parts of ${env.name}: two columns would be named "${twice}"; ` +
      "rename a part",
  );
}

/** Euclidean norm. */
function norm(vector: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < vector.length; i++) sum += vector[i] * vector[i];
  return Math.sqrt(sum);
}

/** The columns of the gradient's norms. */
export function gradientNorms({ policy, encoder }: MetaParams): Record<string, number> {
  return {
    [GRADIENT_COLUMNS.policy]: norm(policy),
    ...encoder === null ? {} : { [GRADIENT_COLUMNS.encoder]: norm(encoder) },
  };
}

/** Mean standard deviation that the batches were sampled with, over tasks and actions. */
function averagePolicyStd(batches: readonly TrajectoryBatch[]): number {
  return mean(batches.map(({ logStd, sizes }) => {
    let sum = 0;
    for (let a = 0; a < sizes.actDim; a++) sum += exp(logStd[a]);
    return sum / sizes.actDim;
  }));
}

/**
 * The row of an iteration; what was not computed is `null`.
 *
 * @param columns all names, in their order
 * @param before the state that the iteration began with
 * @param times of {@link timeColumns}
 */
export function metaRow(
  columns: readonly string[],
  config: RunConfig,
  env: EnvSpec,
  before: MetaState,
  outcome: Outcome,
  times: Readonly<Record<string, number | null>>,
): ProgressRow {
  const { sampled, learned, events, guard } = outcome;
  const row: Record<string, number | null> = {
    ...Object.fromEntries(columns.map((name) => [name, null])),
    Itr: before.iteration,
    n_timesteps: before.environmentSteps + outcome.environmentSteps,
  };
  sampled?.statistics.forEach((s, k) => {
    const extra = rewardPartColumns(env).map((name, r) => [name, s.rewardPartReturns[r]] as const);
    const values = {
      AverageReturn: s.averageReturn,
      AverageDiscountedReturn: s.averageDiscountedReturn,
      StdReturn: s.stdReturn,
      MaxReturn: s.maxReturn,
      MinReturn: s.minReturn,
      NumTrajs: s.numTrajs,
      AveragePolicyStd: averagePolicyStd(sampled.steps[k]),
      ...Object.fromEntries(extra),
    };
    for (const [name, value] of Object.entries(values)) row[`Step_${k}-${name}`] = value;
  });
  if (learned !== null) {
    Object.assign(row, {
      LossBefore: learned.before.loss,
      LossAfter: learned.after.loss,
      KLInner: mean(learned.after.innerKls.map(mean)),
      ...learned.gradientNorms,
    });
  }
  const hasCuts = sampled?.reports.some(({ firstCut }) => firstCut !== null) ?? false;
  return {
    ...row,
    KLCoeffInner: mean(before.klCoeff),
    InnerLr: config.innerLr * guard.innerLrScale,
    OuterLr: config.outerLr * guard.outerLrScale,
    [DIVERGENCE_COLUMN]: events[0]?.kind ?? (hasCuts ? DivergenceKind.CUT : 0),
    ...times,
  };
}

/**
 * Time columns, seconds, and shares of waiting. Work of the sampling workers counts as its share
 * of the wall time.
 *
 * @param reports of the tasks; `null` where sampling diverged
 * @param clock in ms: now, when the iteration began, when this process began the run
 */
export function timeColumns(
  reports: readonly TaskReport[] | null,
  poolSize: number,
  ms: PhaseTimes,
  { now, start, runStart }: {
    readonly now: number;
    readonly start: number;
    readonly runStart: number;
  },
): Record<string, number | null> {
  const share = (pick: (report: TaskReport) => number) => {
    if (reports === null) return null;
    const workers = Math.min(poolSize, reports.length);
    return reports.reduce((sum, report) => sum + pick(report), 0) / workers / 1000;
  };
  const seconds = (now - start) / 1000;
  const busy = share((report) => report.samplingMs + report.processingMs + report.innerStepMs);
  const idle = (part: number | null, whole: number) =>
    part === null || whole === 0 ? null : Math.max(0, 1 - part / whole);
  return {
    "Time": (now - runStart) / 1000,
    "ItrTime": seconds,
    "Time-Sampling": share(({ samplingMs }) => samplingMs),
    "Time-EnvStep": share(({ envStepMs }) => envStepMs),
    "Time-SampleProc": share(({ processingMs }) => processingMs),
    "Time-InnerStep": share(({ innerStepMs }) => innerStepMs),
    "Time-OuterStep": ms.outer / 1000,
    "Time-TotalInner": ms.inner / 1000,
    "Time-MAMLSteps": (ms.inner + ms.outer) / 1000,
    "Idle-Sampling": idle(busy, ms.inner / 1000),
    "Idle-Workers": idle(busy, seconds),
    "Idle-Device": idle(ms.outer / 1000, seconds),
  };
}
