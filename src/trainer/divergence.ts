/**
 * The guard against divergence: what counts as diverging in an iteration of ProMP or MMAML, and
 * what is done about it (docs/runs.md, "When a run diverges"). Everything that a decision depends
 * on is part of the run's state, so a resumed run decides the same.
 *
 * Left out: FAMLE, whose training ends where a loss is not finite.
 */
import type { MetaParams, MetaValues } from "../algos/meta_objective.ts";
import type { Layout } from "../compute/layout.ts";
import type { RunConfig } from "../config/schema.ts";
import { RunError } from "../util/errors.ts";

/** What went wrong; the numbers of the column `Divergence`. Never renumber. */
export const DivergenceKind = {
  /** A number of the environment, in more rollouts than `max_cut_rollouts` or in all of a task. */
  OBSERVATION: 1,
  /** A number of a worker: action, loss, KL or parameter of an inner step. */
  ADAPTATION: 2,
  /** Loss or KL of an outer step. */
  LOSS: 3,
  /** Gradient, or what Adam keeps of it. */
  GRADIENT: 4,
  /** Parameter after the outer steps. */
  PARAMETER: 5,
  /** Above `max_inner_kl`. */
  INNER_KL: 6,
  /** Above `max_outer_kl`. */
  OUTER_KL: 7,
  /** Fallen by more than `max_return_drop`. */
  RETURN: 8,
  /** As {@link OBSERVATION}, in fewer rollouts: they were cut, and the step was taken. */
  CUT: 9,
} as const;
/** One of the values of {@link DivergenceKind}. */
export type DivergenceKind = typeof DivergenceKind[keyof typeof DivergenceKind];

/** Whose step size has to be smaller; `none`: no step was taken before. */
export type Culprit = "inner" | "outer" | "none";

/** An iteration that diverged. Its message has iteration, task, kernel and value. */
export class Divergence extends RunError {
  /** A divergence with the code of the error that it is where it ends the run. */
  constructor(
    readonly kind: DivergenceKind,
    readonly culprit: Culprit,
    code: string,
    message: string,
  ) {
    super(code, message);
  }
}

/** Moving average of the return after adaptation. */
export interface ReturnTrack {
  /** Iterations that are in it. */
  readonly count: number;
  /** Its value. */
  readonly average: number;
  /** Its value when it first counted. */
  readonly first: number;
  /** Its largest value since then. */
  readonly best: number;
}

/** What the guard knows between iterations. */
export interface GuardState {
  /** Factor on `inner_lr`, a power of 1/2. */
  readonly innerLrScale: number;
  /** Factor on `learning_rate`, a power of 1/2. */
  readonly outerLrScale: number;
  /** Events since the last iteration that was done. */
  readonly eventsInARow: number;
  readonly returns: ReturnTrack;
}

/** The guard of a run that begins. */
export const NEW_GUARD: GuardState = {
  innerLrScale: 1,
  outerLrScale: 1,
  eventsInARow: 0,
  returns: { count: 0, average: 0, first: 0, best: 0 },
};

/** Events in a row that end a run whatever it does about them. */
export const MOST_EVENTS = 10;

/** Weight of the newest return in the moving average, and iterations until it counts. */
const [AVERAGE_WEIGHT, AVERAGE_START] = [0.1, 10];

/** What is done about an event. */
export interface Reaction {
  /** Ends the run, goes on with the next iteration, or takes this one again. */
  readonly action: "end" | "skip" | "again";
  /** The guard from here on. */
  readonly guard: GuardState;
  /** The same for people. */
  readonly text: string;
}

const ADVICE = "go on with --resume and --on-divergence rollback or halve-step, or start again " +
  "with a lower learning_rate or inner_lr";

/** Of an environment that broke. */
const ADVICE_BROKEN = "go on with --resume and --on-divergence rollback, or leave such rollouts " +
  "out with --set max_cut_rollouts=N";

/** Decides about an event of an iteration that began (or begins again) with `guard`. */
export function reactTo(
  { kind, culprit }: Divergence,
  guard: GuardState,
  config: Pick<RunConfig, "onDivergence" | "innerLr" | "outerLr">,
): Reaction {
  const eventsInARow = guard.eventsInARow + 1;
  const end = (reason: string): Reaction => ({
    action: "end",
    guard,
    text: `the state before this iteration is kept; ${reason}`,
  });
  if (config.onDivergence === "stop") {
    return end(kind === DivergenceKind.OBSERVATION ? ADVICE_BROKEN : ADVICE);
  }
  if (eventsInARow >= MOST_EVENTS) {
    return end(
      `this is event ${eventsInARow} without an iteration between them that was done: start again ` +
        "with a lower learning_rate or inner_lr",
    );
  }
  if (config.onDivergence === "rollback") {
    return { action: "skip", guard: { ...guard, eventsInARow }, text: "no step is taken" };
  }
  switch (culprit) {
    case "none":
      return end("no step was taken before it, so none can be smaller; go on with rollback");
    case "inner": {
      const innerLrScale = guard.innerLrScale / 2;
      const text = `again with inner_lr ${config.innerLr * innerLrScale}`;
      return { action: "again", guard: { ...guard, eventsInARow, innerLrScale }, text };
    }
    case "outer": {
      const outerLrScale = guard.outerLrScale / 2;
      const isPast = kind === DivergenceKind.RETURN;
      const rate = `learning_rate ${config.outerLr * outerLrScale}`;
      return {
        action: isPast ? "skip" : "again",
        guard: { ...guard, eventsInARow, outerLrScale },
        text: isPast ? `no step is taken, later ones with ${rate}` : `again with ${rate}`,
      };
    }
  }
}

/** The track with one more return. */
export function trackReturn(track: ReturnTrack, value: number): ReturnTrack {
  const count = track.count + 1;
  const average = track.count === 0
    ? value
    : track.average + AVERAGE_WEIGHT * (value - track.average);
  if (count < AVERAGE_START) return { count, average, first: 0, best: 0 };
  if (count === AVERAGE_START) return { count, average, first: average, best: average };
  return { count, average, first: track.first, best: Math.max(track.best, average) };
}

/** Whether the average is the best since it counts. */
export function isNewBest({ count, best }: ReturnTrack, before: ReturnTrack): boolean {
  return count === AVERAGE_START || (count > AVERAGE_START && best > before.best);
}

/**
 * Compares a return after adaptation with the best so far.
 *
 * @param spread standard deviation over the rollouts
 * @param maxDrop bound; `null`: none
 * @throws Divergence where it has collapsed
 */
export function checkReturn(
  { count, first, best }: ReturnTrack,
  value: number,
  spread: number,
  maxDrop: number | null,
  iteration: number,
): void {
  if (maxDrop === null || count < AVERAGE_START) return;
  const least = best - maxDrop * Math.max(Math.abs(best), best - first, spread);
  if (value >= least) return;
  throw new Divergence(
    DivergenceKind.RETURN,
    "outer",
    "diverged",
    `iteration ${iteration}, all tasks: the average return after adaptation is ${value}, below ` +
      `${least}, which is max_return_drop (${maxDrop}) times its scale under the best moving ` +
      `average (${best})`,
  );
}

/** Where values of the objective come from. */
export interface ValuesPlace {
  readonly iteration: number;
  /** e.g. `before outer step 2` */
  readonly when: string;
  readonly culprit: Culprit;
}

/** @throws Divergence where a loss or a KL is not finite, or a KL is above its bound */
export function checkValues(
  values: MetaValues,
  { maxInnerKl, maxOuterKl }: Pick<RunConfig, "maxInnerKl" | "maxOuterKl">,
  { iteration, when, culprit }: ValuesPlace,
): void {
  const named: [string, readonly number[]][] = [
    ...values.innerSurrogates.map((v, k) => [`inner surrogate of step ${k}`, v] as const),
    ...values.innerKls.map((v, k) => [`inner KL of step ${k}`, v] as const),
    ["outer surrogate", values.outerSurrogates],
    ["outer KL", values.outerKls],
  ] as [string, readonly number[]][];
  const fail = (kind: DivergenceKind, task: number, found: string) => {
    throw new Divergence(
      kind,
      culprit,
      kind === DivergenceKind.LOSS ? "not-finite" : "diverged",
      `iteration ${iteration}, task ${task}: the ${found} (kernel surrogate_gradient, ${when})`,
    );
  };
  for (const [name, numbers] of named) {
    const task = numbers.findIndex((value) => !Number.isFinite(value));
    if (task >= 0) fail(DivergenceKind.LOSS, task, `${name} is ${numbers[task]}`);
  }
  const bounded = (
    kind: DivergenceKind,
    name: string,
    kls: readonly number[],
    key: string,
    bound: number | null,
  ) => {
    const task = bound === null ? -1 : kls.findIndex((kl) => kl > bound);
    if (task >= 0) fail(kind, task, `${name} is ${kls[task]}, above ${key} (${bound})`);
  };
  values.innerKls.forEach((kls, k) =>
    bounded(DivergenceKind.INNER_KL, `inner KL of step ${k}`, kls, "max_inner_kl", maxInnerKl)
  );
  bounded(DivergenceKind.OUTER_KL, "outer KL", values.outerKls, "max_outer_kl", maxOuterKl);
}

/** Networks that a parameter vector is of. */
type Networks = readonly (readonly ["policy" | "encoder", Layout])[];

/** The first number that is not finite: `policy.W0 is NaN` and its network; `null`: none. */
function notFinite(
  vectors: MetaParams,
  networks: Networks,
): { readonly network: "policy" | "encoder"; readonly text: string } | null {
  for (const [network, { entries }] of networks) {
    const flat = vectors[network]!;
    const at = flat.findIndex((value) => !Number.isFinite(value));
    if (at < 0) continue;
    const { name } = entries.find(({ offset, size }) => at < offset + size)!;
    return { network, text: `${network}.${name} is ${flat[at]}` };
  }
  return null;
}

/** Kernels that the gradient of a network comes from. */
const GRADIENT_KERNELS = { policy: "inner_step_pullback", encoder: "encoder_backward" } as const;

/**
 * A gradient that was not finite stays in the moments for good, so these tell of all outer steps.
 * @throws Divergence
 */
export function checkMoments(
  { m, v }: { readonly m: MetaParams; readonly v: MetaParams },
  networks: Networks,
  iteration: number,
): void {
  for (const [name, vectors] of [["gradient's mean", m], ["gradient's mean square", v]] as const) {
    const found = notFinite(vectors, networks);
    if (found === null) continue;
    throw new Divergence(
      DivergenceKind.GRADIENT,
      "outer",
      "not-finite",
      `iteration ${iteration}, all tasks: the ${name} of ${found.text} ` +
        `(kernel ${GRADIENT_KERNELS[found.network]})`,
    );
  }
}

/** @throws Divergence */
export function checkParams(params: MetaParams, networks: Networks, iteration: number): void {
  const found = notFinite(params, networks);
  if (found === null) return;
  throw new Divergence(
    DivergenceKind.PARAMETER,
    "outer",
    "not-finite",
    `iteration ${iteration}, all tasks: parameter ${found.text} after the outer steps (kernel adam)`,
  );
}
