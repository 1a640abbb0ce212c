/**
 * Collects the rollouts of one task: E simulators are stepped together, so that the policy sees
 * one batch of E observations per step. Everything random is keyed by (seed, purpose, iteration,
 * task, round, rollout, step) and so independent of who samples what, when and how often.
 *
 * Nothing is allocated per step. Axis letters: E rollouts, T most steps, O observation, A action,
 * R reward parts; round k counts the adaptation steps taken before (0: before any).
 */
import { type Env, scaleAction } from "../envs/env.ts";
import { RunError } from "../util/errors.ts";
import { exp } from "../util/math.ts";
import { KeyedRandom, Purpose } from "../util/prng.ts";
import { packRollouts, type TrajectoryBatch } from "./trajectory_batch.ts";

/** The policy of one task, over buffers that it owns (e.g. inside of a kernel's memory). */
export interface RolloutPolicy {
  /**
   * [E, O] in; written by the sampler before every `forward`. Rows of ended rollouts keep old
   * values.
   */
  readonly obs: Float32Array;
  /** [E, A] out */
  readonly mean: Float32Array;
  /** mean = policy(obs), for all E rows. The two buffers must not move while sampling. */
  forward(): void;
}

/** Told when the sampler calls the environments, whose code may be anyone's. */
export interface OutsideCalls {
  /** Before: until {@link leave} the batch is not written. */
  enter(): void;
  /** After. What it throws ends the sampling. */
  leave(): void;
}

/** What to sample. */
export interface SampleJob {
  /** Number of the iteration; part of the random key. */
  readonly iteration: number;
  /** Index of the task in its iteration. */
  readonly task: number;
  /** k */
  readonly round: number;
  /** [D] the task */
  readonly taskRow: ArrayLike<number>;
  /** Gives the mean actions. */
  readonly policy: RolloutPolicy;
  /** [A] log standard deviation of the noise */
  readonly logStd: ArrayLike<number>;
  /** [A] what the batch records for it, where that differs (a floor) */
  readonly recordedLogStd?: ArrayLike<number>;
  /** Overwritten; its sizes say E and T. */
  readonly batch: TrajectoryBatch;
  /** Told around every `setTask`, `reset` and `step`. */
  readonly outside?: OutsideCalls;
}

/** Steps E environments of one kind; made once per worker. */
export class Sampler {
  readonly #envs: readonly Env[];
  readonly #random: KeyedRandom;
  /** [E] finite steps */
  readonly #lengths: Uint32Array;
  /** [E] 1: already broken when its episode began */
  readonly #brokenAtReset: Uint8Array;
  /** [A] */
  readonly #std: Float64Array;
  /** [E][A] in actuator units */
  readonly #controls: readonly Float64Array[];

  /** A sampler of `envs`, E instances of one environment (the caller keeps and closes them) */
  constructor(envs: readonly Env[], seed: number) {
    this.#envs = envs;
    this.#random = new KeyedRandom(seed);
    this.#lengths = new Uint32Array(envs.length);
    this.#brokenAtReset = new Uint8Array(envs.length);
    this.#std = new Float64Array(envs[0].spec.actDim);
    this.#controls = envs.map(({ spec }) => new Float64Array(spec.actDim));
  }

  /**
   * Fills `job.batch` (all but `advantages` and `discountedReturns`). A rollout ends when it
   * terminates, after T steps, or when the simulator gives an observation, a reward or a part of
   * one that is not finite: the step that did is dropped and the rollout marked in `nonFinite`;
   * {@link brokenRollout} says what it was.
   * @returns milliseconds spent inside of the environments' `step`
   * @throws RunError `policy-not-finite` where the policy gives an action that is not finite,
   * `env-not-finite` where no rollout has a single finite step.
   */
  sample(job: SampleJob): number {
    const { policy, batch } = job;
    const { rollouts, maxSteps, obsDim, actDim } = batch.sizes;
    this.#checkSizes(job);
    this.#start(job);
    let stepMs = 0;
    let active = 0;
    for (let e = 0; e < rollouts; e++) active += 1 - batch.nonFinite[e];
    for (let t = 0; t < maxSteps && active > 0; t++) {
      for (let e = 0; e < rollouts; e++) {
        if (ended(batch, e)) continue;
        const { obs } = this.#envs[e];
        const row = (e * maxSteps + t) * obsDim;
        for (let i = 0; i < obsDim; i++) {
          batch.obs[row + i] = obs[i];
          policy.obs[e * obsDim + i] = obs[i];
        }
      }
      policy.forward();
      for (let e = 0; e < rollouts; e++) {
        if (!ended(batch, e)) this.#act(job, e, t, (e * maxSteps + t) * actDim);
      }
      // stepped one after the other, so that two looks at the clock do for all of them
      job.outside?.enter();
      const start = performance.now();
      for (let e = 0; e < rollouts; e++) {
        if (!ended(batch, e)) this.#envs[e].step(this.#controls[e]);
      }
      stepMs += performance.now() - start;
      job.outside?.leave();
      for (let e = 0; e < rollouts; e++) {
        if (ended(batch, e)) continue;
        this.#record(batch, e, t);
        if (ended(batch, e)) active--;
      }
    }
    for (let e = 0; e < rollouts; e++) batch.truncated[e] = ended(batch, e) ? 0 : 1;
    packRollouts(batch, this.#lengths);
    if (batch.offsets[rollouts] === 0) {
      throw new RunError(
        "env-not-finite",
        `Cannot sample ${place(job)}: ${this.#envs[0].spec.name} gives numbers that are not ` +
          `finite in the first step of every rollout (${this.brokenRollout(batch)})`,
      );
    }
    return stepMs;
  }

  /**
   * Where the first of the rollouts that were cut broke, and its number, after the batch was
   * sampled and before anything else is: `rollout 2, step 7: observation x is NaN`; `null`: none
   * was cut.
   */
  brokenRollout({ nonFinite }: TrajectoryBatch): string | null {
    const e = nonFinite.indexOf(1);
    if (e < 0) return null;
    const { obs, reward, rewardParts, spec } = this.#envs[e];
    const bad = (value: number) => !isFinite32(value);
    const when = this.#brokenAtReset[e] === 1 ? "at its start" : `step ${this.#lengths[e]}`;
    const [o, r] = [obs.findIndex(bad), rewardParts.findIndex(bad)];
    const found = o >= 0
      ? `observation ${spec.observation[o].name} is ${inWords(obs[o])}`
      : r >= 0
      ? `the reward's part ${spec.rewardParts[r].name} is ${inWords(rewardParts[r])}`
      : `the reward is ${inWords(reward)}`;
    return `rollout ${e}, ${when}: ${found}`;
  }

  /** Resets all environments to the task and clears what a rollout accumulates. */
  #start(job: SampleJob): void {
    const { batch } = job;
    for (let a = 0; a < this.#std.length; a++) this.#std[a] = exp(job.logStd[a]);
    this.#lengths.fill(0);
    batch.terminated.fill(0);
    batch.nonFinite.fill(0);
    batch.returns.fill(0);
    batch.rewardPartSums.fill(0);
    job.outside?.enter();
    for (let e = 0; e < this.#envs.length; e++) {
      const env = this.#envs[e];
      env.setTask(job.taskRow);
      env.reset(this.#random.at(Purpose.ENV_RESET, job.iteration, job.task, job.round, e));
    }
    job.outside?.leave();
    for (let e = 0; e < this.#envs.length; e++) {
      const isBroken = !allFinite(this.#envs[e].obs);
      this.#brokenAtReset[e] = batch.nonFinite[e] = isBroken ? 1 : 0;
    }
  }

  /** Step t of rollout e: draws the action and records it at element `row`. */
  #act(job: SampleJob, e: number, t: number, row: number): void {
    const { batch, policy } = job;
    const { actDim } = batch.sizes;
    const { actionLow, actionHigh } = this.#envs[e].spec;
    const control = this.#controls[e];
    const recorded = job.recordedLogStd ?? job.logStd;
    const random = this.#random;
    random.at(Purpose.ACTION_NOISE, job.iteration, job.task, job.round, e, t);
    for (let a = 0; a < actDim; a++) {
      const mean = policy.mean[e * actDim + a];
      batch.mean[row + a] = mean;
      batch.logStd[row + a] = recorded[a];
      batch.actions[row + a] = mean + this.#std[a] * random.normal();
      // the simulator gets the rounded action: what is recorded is what was done
      const action = batch.actions[row + a];
      if (!Number.isFinite(action)) {
        throw new RunError(
          "policy-not-finite",
          `Cannot sample ${place(job)}: action ${a} of rollout ${e}, step ${t} is ${action} ` +
            `(mean ${mean}, standard deviation ${this.#std[a]})`,
        );
      }
      control[a] = scaleAction(action, actionLow[a], actionHigh[a]);
    }
  }

  /** What step t of rollout e led to. */
  #record(batch: TrajectoryBatch, e: number, t: number): void {
    const { maxSteps, rewardParts } = batch.sizes;
    const env = this.#envs[e];
    if (!isFinite32(env.reward) || !allFinite(env.rewardParts) || !allFinite(env.obs)) {
      batch.nonFinite[e] = 1;
      return;
    }
    batch.rewards[e * maxSteps + t] = env.reward;
    batch.returns[e] += env.reward;
    for (let r = 0; r < rewardParts; r++) {
      batch.rewardPartSums[e * rewardParts + r] += env.rewardParts[r];
    }
    this.#lengths[e] = t + 1;
    if (env.terminated) batch.terminated[e] = 1;
  }

  #checkSizes(job: SampleJob): void {
    const { sizes } = job.batch;
    const { spec } = this.#envs[0];
    const found = [sizes.rollouts, sizes.obsDim, sizes.actDim, sizes.rewardParts];
    const wanted = [this.#envs.length, spec.obsDim, spec.actDim, spec.rewardParts.length];
    const buffers = [job.policy.obs.length, job.policy.mean.length, job.logStd.length];
    const wantedBuffers = [found[0] * found[1], found[0] * found[2], found[2]];
    if (String(found) !== String(wanted) || String(buffers) !== String(wantedBuffers)) {
      throw new RangeError(
        `Cannot sample ${spec.name}: batch is [rollouts, obs, actions, reward parts] = [${found}]` +
          `, environments are [${wanted}]; policy obs, mean, logStd have ${buffers} numbers, ` +
          `wanted ${wantedBuffers}`,
      );
    }
  }
}

function ended(batch: TrajectoryBatch, e: number): boolean {
  return (batch.terminated[e] | batch.nonFinite[e]) !== 0;
}

/** Beyond this a float32 is infinite. */
const LARGEST_FLOAT32 = 3.4028234663852886e38;

/** Whether `value` is a finite number also as float32. */
function isFinite32(value: number): boolean {
  return Math.abs(value) <= LARGEST_FLOAT32;
}

/** A number that {@link isFinite32} refuses. */
function inWords(value: number): string {
  return Number.isFinite(value) ? `${value}, infinite as float32` : `${value}`;
}

function allFinite(values: Float64Array): boolean {
  for (let i = 0; i < values.length; i++) if (!isFinite32(values[i])) return false;
  return true;
}

function place(job: SampleJob): string {
  return `iteration ${job.iteration}, task ${job.task}, round ${job.round}`;
}
