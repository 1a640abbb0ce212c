/**
 * A robot in an unknown state of repair, controlled by a model that learns on the way: act,
 * observe, select the situation that explains the observations, adapt from the meta-trained
 * values, plan. The loop of the published `online_adaptation/*.py`; the learners are FAMLE with
 * its embeddings (one shared embedding: MAML) and a model from scratch (MBRL).
 *
 * Everything random is keyed by the seed, so results do not depend on speed or on threads:
 * selection and adaptation happen between control steps, never beside them.
 *
 * Axis letters: Z state, A action, T control steps of an episode, G situations.
 */
import {
  DynamicsModel,
  type DynamicsRowSet,
  MinibatchTraining,
  SequenceEvaluator,
  TORCH_ADAM,
} from "../algos/dynamics_model.ts";
import {
  adapt,
  adaptationRows,
  type AdaptSettings,
  drawSituation,
  mostLikely,
  newMoments,
  situationLikelihoods,
} from "../algos/famle.ts";
import type { Device } from "../compute/device.ts";
import type { DynamicsSpec } from "../compute/layout.ts";
import type { FamleConfig } from "../config/famle.ts";
import type { FamleEnv, FamleEnvFactory, Situation } from "../envs/famle/famle_env.ts";
import { initDynamics } from "../nn/init.ts";
import type { Planner } from "../planning/planner.ts";
import { createPlanner } from "../planning/registry.ts";
import { type StateBounds, TransitionDataset } from "../rollout/transitions.ts";
import { normalizerOf } from "../util/normalizer.ts";
import { KeyedRandom, Purpose } from "../util/prng.ts";
import { embeddingOf, type FamleModel } from "./famle_model.ts";
import { adaptationOrder } from "./famle_order.ts";

/** Predicted states are clamped to this before anything was observed, as published. */
const FIRST_BOUND = 1000;

/** What a key of SITUATION draws; never renumber. */
const FIRST_SITUATION = 0;
const SAMPLED_SITUATION = 1;

/** The last rows that a robot has observed, as views; `null`: all. */
function lastRows(observed: TransitionDataset, count: number | null) {
  const rows = observed.rows(0);
  const from = Math.max(0, rows - (count ?? rows));
  return { inputs: observed.inputs(0, from), targets: observed.targets(0, from) };
}

/** What a learner did with the observations. */
export interface LearnReport {
  /** Embedding that explains them best; `null` for a learner without. */
  readonly selected: number | null;
  /** [G] of every embedding; empty for a learner without. */
  readonly likelihoods: readonly number[];
  /** Mean squared normalised error per row of the model, before the adaptation and after it. */
  readonly errorBefore: number | null;
  /** After it. */
  readonly errorAfter: number | null;
  /** Rows that were used. */
  readonly rows: number;
  /** Wall time. */
  readonly seconds: number;
}

/** Turns observations into a model to plan with. */
interface Learner {
  /** Returns of action sequences under the present model; `null`: no model yet, act at random. */
  readonly evaluator: SequenceEvaluator | null;
  /** Embedding that it predicts with; `null`: a model without, or none yet. */
  readonly situation: number | null;
  /** Learns from all rows so far. @param adaptation number of this call, from 0 */
  learn(observed: TransitionDataset, adaptation: number): Promise<LearnReport>;
  close(): void;
}

/** What all learners are made with. */
interface LearnerContext {
  readonly device: Device;
  readonly config: FamleConfig;
  readonly random: KeyedRandom;
  /** Past rows that are used; `null`: all. */
  readonly adaptSteps: number | null;
}

function adaptSettings(config: FamleConfig): AdaptSettings {
  return {
    epochs: config.adaptEpochs,
    learningRate: config.adaptLr,
    batchSize: config.adaptBatchSize,
  };
}

/** Mean squared error per row with one embedding. */
async function rowError(
  model: DynamicsModel,
  rows: DynamicsRowSet,
  situation: number,
): Promise<number> {
  return (await model.errors(rows))[situation] / rows.count;
}

/** FAMLE, and with one embedding MAML: select, then adapt a copy of the meta-trained model. */
class MetaLearner implements Learner {
  readonly evaluator: SequenceEvaluator;
  situation: number;
  readonly #context: LearnerContext;
  readonly #sample: boolean;
  readonly #meta: DynamicsModel;
  readonly #adapted: DynamicsModel;

  constructor(context: LearnerContext, model: FamleModel, sample: boolean) {
    const { device, config, random } = context;
    this.#context = context;
    this.#sample = sample;
    this.#meta = new DynamicsModel(device, model.spec, model.normalizer);
    this.#adapted = new DynamicsModel(device, model.spec, model.normalizer);
    this.#meta.setParams(model.params);
    this.#adapted.setParams(model.params);
    this.evaluator = new SequenceEvaluator(this.#adapted, config);
    // nothing is known yet: any situation, as published, or the one that was asked for
    random.at(Purpose.SITUATION, 0, FIRST_SITUATION);
    this.situation = config.firstSituation === null
      ? random.integer(model.spec.situations)
      : embeddingOf(model.spec, config.firstSituation);
    this.evaluator.setSituation(this.situation);
  }

  async learn(observed: TransitionDataset, adaptation: number): Promise<LearnReport> {
    const start = performance.now();
    const { device, config, random, adaptSteps } = this.#context;
    const { inputs, targets } = lastRows(observed, adaptSteps);
    const rows = this.#meta.upload(inputs, targets);
    try {
      const errors = await this.#meta.errors(rows);
      const likelihoods = situationLikelihoods(errors, rows.count);
      random.at(Purpose.SITUATION, adaptation, SAMPLED_SITUATION);
      const selected = this.#sample
        ? drawSituation(likelihoods, random.uniform())
        : mostLikely(likelihoods);
      await device.submit([this.#adapted.copyFrom(this.#meta)]);
      const settings = adaptSettings(config);
      const order = adaptationOrder(
        random,
        adaptation,
        rows.count,
        adaptationRows(settings, rows.count),
        settings.epochs,
      );
      await adapt(this.#adapted, rows, selected, settings, order);
      this.situation = selected;
      this.evaluator.setSituation(selected);
      return {
        selected,
        likelihoods: [...likelihoods],
        errorBefore: errors[selected] / rows.count,
        errorAfter: await rowError(this.#adapted, rows, selected),
        rows: rows.count,
        seconds: (performance.now() - start) / 1000,
      };
    } finally {
      this.#meta.free(rows);
    }
  }

  close(): void {
    this.evaluator.close();
    this.#meta.close();
    this.#adapted.close();
  }
}

/**
 * MBRL: a model of the same size without embeddings, trained from scratch on everything observed,
 * in the units of these observations. Acts at random before it has seen anything.
 */
class ScratchLearner implements Learner {
  readonly situation = null;
  readonly #context: LearnerContext;
  readonly #spec: DynamicsSpec;
  #model: DynamicsModel | null = null;
  #evaluator: SequenceEvaluator | null = null;

  constructor(context: LearnerContext, inputDim: number, outputDim: number) {
    const { config } = context;
    this.#context = context;
    this.#spec = {
      inputDim,
      outputDim,
      situations: 0,
      embeddingDim: 0,
      hiddenSizes: config.hiddenSizes,
      activation: config.activation,
      outputLimit: config.outputLimit,
    };
  }

  get evaluator(): SequenceEvaluator | null {
    return this.#evaluator;
  }

  async learn(observed: TransitionDataset, adaptation: number): Promise<LearnReport> {
    const start = performance.now();
    const { device, config, random, adaptSteps } = this.#context;
    const part = lastRows(observed, adaptSteps);
    this.close();
    const normalizer = normalizerOf([part], this.#spec.inputDim, this.#spec.outputDim);
    const model = new DynamicsModel(device, this.#spec, normalizer);
    model.setParams(initDynamics(random, this.#spec));
    this.#model = model;
    this.#evaluator = new SequenceEvaluator(model, config);
    const rows = model.upload(part.inputs, part.targets);
    const batch = Math.min(config.adaptBatchSize, rows.count);
    const taken = rows.count - rows.count % batch;
    const updates = config.scratchEpochs * taken / batch;
    const moments = newMoments(device, model.params.size);
    const training = new MinibatchTraining(model, rows, 0, batch, updates, {
      ...TORCH_ADAM,
      lr: config.scratchLr,
      firstStep: 1,
      ...moments,
    });
    try {
      training.setOrder(
        adaptationOrder(random, adaptation, rows.count, taken, config.scratchEpochs),
      );
      await device.submit([training.command]);
      const losses = await training.readLosses();
      const lastEpoch = losses.subarray(losses.length - taken / batch);
      return {
        selected: null,
        likelihoods: [],
        errorBefore: null,
        errorAfter: lastEpoch.reduce((sum, x) => sum + x, 0) / lastEpoch.length,
        rows: rows.count,
        seconds: (performance.now() - start) / 1000,
      };
    } finally {
      training.close();
      device.free(moments.m);
      device.free(moments.v);
      model.free(rows);
    }
  }

  close(): void {
    this.#evaluator?.close();
    this.#model?.close();
    this.#evaluator = null;
    this.#model = null;
  }
}

/** One stretch of control between two acts of learning. */
export interface EpisodeReport {
  /** From 0. */
  readonly episode: number;
  /** State of repair while it ran. */
  readonly damage: Situation;
  /** Sum of the environment's rewards. */
  readonly reward: number;
  /** Control steps done; fewer than asked for where the episode had to be stopped. */
  readonly steps: number;
  /** Why it was stopped before its end; `null`: it was not. */
  readonly stopped: string | null;
  /** Action sequences whose predicted return was not finite. */
  readonly nonFinite: number;
  /** Embedding that planned; `null`: a model without, or none yet. */
  readonly plannedWith: number | null;
  /** Observations [steps + 1, Z], row by row. */
  readonly observations: Float64Array;
  /** [steps, A] what was done. */
  readonly actions: Float64Array;
  /** What was learned afterwards; `null` where nothing was observed. */
  readonly learned: LearnReport | null;
  /** Wall time of planning. */
  readonly planSeconds: number;
  /** Wall time of the simulator. */
  readonly stepSeconds: number;
}

/** Which learner controls. */
export type ControlMethod =
  | { readonly kind: "meta"; readonly model: FamleModel; readonly sample: boolean }
  | { readonly kind: "scratch" };

/** What a robot is asked to do. */
export interface ControlRequest {
  /** The robot. */
  readonly factory: FamleEnvFactory;
  /** How its model learns. */
  readonly method: ControlMethod;
  /** All settings. */
  readonly config: FamleConfig;
  /** Seed of everything random. */
  readonly seed: number;
  /** State of repair at the start. */
  readonly damage: Situation;
  /** Episodes; with `online` stretches of one mission that is never reset. */
  readonly episodes: number;
  /** Control steps of an episode or stretch. */
  readonly steps: number;
  /** One mission without resets. */
  readonly online: boolean;
  /** Past rows that learning uses; `null`: all. */
  readonly adaptSteps: number | null;
  /** Probability of another damage before each stretch but the first; online only. */
  readonly damageProbability: number;
  /** What such a damage is. */
  readonly drawDamage: (random: KeyedRandom) => Situation;
  /** Ends the control after the present episode. */
  readonly stop: AbortSignal;
  /** Called after every episode. */
  readonly onEpisode: (report: EpisodeReport) => void;
}

/** Most elites of the planners that have some. */
const ELITES = 50;

/** Options of the planner that make it evaluate `candidates` sequences in all. */
export function plannerOptions(config: FamleConfig): Record<string, number> {
  const { planner, candidates } = config;
  if (planner === "random") return { candidates };
  // iCEM's 5 rounds shrink by 1.25: 2975 + 2380 + ... = 10,000; the others have 5 equal ones
  const share = planner === "icem" ? 0.2975 : 0.2;
  const population = Math.max(2, Math.round(share * candidates));
  if (planner === "mppi") return { population };
  return { population, elites: Math.min(ELITES, population >> 1) };
}

/** Why an episode is stopped where no sequence has a finite score. */
export const NO_FINITE_PLAN = "no action sequence has a finite predicted return";

/** Names the first number of a state [Z] that is not finite; `null`: all are. */
export function notFinite(
  state: Float64Array,
  names: readonly { readonly name: string }[],
): string | null {
  const at = state.findIndex((value) => !Number.isFinite(value));
  return at < 0 ? null : `${names[at].name} is ${state[at]}`;
}

/** The learner that a request asks for; the caller closes it. */
function makeLearner(
  context: LearnerContext,
  { factory: { spec }, method }: ControlRequest,
): Learner {
  return method.kind === "scratch"
    ? new ScratchLearner(context, spec.obsDim + spec.actDim, spec.obsDim)
    : new MetaLearner(context, method.model, method.sample);
}

/** One robot under control; see the module's header. */
class Control {
  readonly #random: KeyedRandom;
  readonly #rows: TransitionDataset;
  readonly #planner: Planner;
  readonly #learner: Learner;
  readonly #env: FamleEnv;
  readonly #state: Float64Array;
  readonly #action: Float64Array;
  #bounds: StateBounds;
  #damage: Situation;
  #isReset = false;

  constructor(device: Device, readonly request: ControlRequest, env: FamleEnv) {
    const { factory: { spec }, config, seed, adaptSteps, damage } = request;
    this.#random = new KeyedRandom(seed);
    this.#rows = new TransitionDataset(spec.obsDim, spec.actDim, 1);
    this.#planner = createPlanner(config.planner, {
      horizon: config.horizon,
      actionLow: spec.actionLow,
      actionHigh: spec.actionHigh,
    }, plannerOptions(config));
    this.#env = env;
    this.#state = new Float64Array(spec.obsDim);
    this.#action = new Float64Array(spec.actDim);
    this.#bounds = {
      low: new Float64Array(spec.obsDim).fill(-FIRST_BOUND),
      high: new Float64Array(spec.obsDim).fill(FIRST_BOUND),
    };
    this.#damage = damage;
    env.setTask(damage.row);
    // the last one: nothing behind it can fail and leave its tensors
    this.#learner = makeLearner({ device, config, random: this.#random, adaptSteps }, request);
  }

  /** One episode or stretch, and what is learned from it. */
  async episode(episode: number): Promise<EpisodeReport> {
    const { request: { online, damageProbability, drawDamage, factory, steps } } = this;
    const env = this.#env, random = this.#random;
    if (online && episode > 0) {
      random.at(Purpose.DAMAGE, episode);
      if (random.uniform() < damageProbability) {
        this.#damage = drawDamage(random);
        env.setDamage(this.#damage.row);
      }
    }
    if (!online || !this.#isReset) {
      env.reset(random.at(Purpose.ENV_RESET, episode));
      this.#planner.reset();
      this.#isReset = true;
    }
    const { evaluator, situation: plannedWith } = this.#learner;
    evaluator?.setReward(env.stageReward());
    evaluator?.setBounds(this.#bounds.low, this.#bounds.high);
    const observations = [...env.obs];
    const actions: number[] = [];
    let reward = 0, done = 0, nonFinite = 0, planSeconds = 0, stepSeconds = 0;
    let stopped = notFinite(env.obs, factory.spec.observation);
    while (done < steps && stopped === null) {
      this.#state.set(env.obs);
      const planStart = performance.now();
      const plan = await this.#chooseAction(evaluator, episode, done);
      planSeconds += (performance.now() - planStart) / 1000;
      nonFinite += plan.nonFinite;
      if (!plan.found) {
        stopped = NO_FINITE_PLAN;
        break;
      }
      const stepStart = performance.now();
      env.step(this.#action);
      stepSeconds += (performance.now() - stepStart) / 1000;
      stopped = notFinite(env.obs, factory.spec.observation);
      if (stopped !== null) break;
      this.#rows.append(0, this.#state, this.#action, env.obs);
      observations.push(...env.obs);
      actions.push(...this.#action);
      reward += env.reward;
      done++;
    }
    // a state that is not finite can't be gone on from
    if (stopped !== null) this.#isReset = false;
    const report = {
      episode,
      damage: this.#damage,
      reward,
      steps: done,
      stopped,
      nonFinite,
      plannedWith,
      observations: Float64Array.from(observations),
      actions: Float64Array.from(actions),
      planSeconds,
      stepSeconds,
    };
    if (this.#rows.totalRows === 0) return { ...report, learned: null };
    const learned = await this.#learner.learn(this.#rows, episode);
    this.#bounds = this.#rows.bounds(0);
    return { ...report, learned };
  }

  /** Fills `#action`. */
  async #chooseAction(
    evaluator: SequenceEvaluator | null,
    episode: number,
    step: number,
  ): Promise<{ found: boolean; nonFinite: number }> {
    const { actionLow, actionHigh } = this.request.factory.spec;
    if (evaluator === null) {
      this.#random.at(Purpose.COLLECT, episode, 0, 0, 0, step);
      for (let a = 0; a < this.#action.length; a++) {
        this.#action[a] = this.#random.uniformRange(actionLow[a], actionHigh[a]);
      }
      return { found: true, nonFinite: 0 };
    }
    evaluator.setState(this.#state);
    const plan = await this.#planner.plan(evaluator.evaluate, this.#random, {
      iteration: episode,
      step,
    });
    this.#action.set(plan.action);
    return { found: plan.score > -Infinity, nonFinite: plan.nonFinite };
  }

  close(): void {
    this.#learner.close();
  }
}

/**
 * Controls a robot and gives a report per episode.
 *
 * @throws RunError `not-finite` where a model's error is not finite
 */
export async function controlRobot(
  device: Device,
  request: ControlRequest,
): Promise<EpisodeReport[]> {
  const env = await request.factory.createInstance();
  const reports: EpisodeReport[] = [];
  try {
    const control = new Control(device, request, env);
    try {
      for (let e = 0; e < request.episodes && !request.stop.aborted; e++) {
        const report = await control.episode(e);
        reports.push(report);
        request.onEpisode(report);
        // lets an interrupt through
        await new Promise((resolve) => setTimeout(resolve));
      }
    } finally {
      control.close();
    }
  } finally {
    env.close();
  }
  return reports;
}
