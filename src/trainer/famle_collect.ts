/**
 * Collecting data of every training situation: episodes with random actions first, then episodes
 * planned with a model that is trained on the situation's data so far. Situations take turns, one
 * episode each. The loop, the model (one network of the published ensemble, which has one) and its
 * training are those of `offline_data_collection/*.py`.
 *
 * The state between episodes (data, models, moments of Adam) is a checkpoint, so collecting is
 * resumed exactly.
 */
import {
  DynamicsModel,
  MinibatchTraining,
  SequenceEvaluator,
  TORCH_ADAM,
} from "../algos/dynamics_model.ts";
import { newMoments } from "../algos/famle.ts";
import type { Device } from "../compute/device.ts";
import { dynamicsLayout, type DynamicsSpec } from "../compute/layout.ts";
import { type FamleConfig, publishedFamleConfig } from "../config/famle.ts";
import type { EnvSpec } from "../envs/env.ts";
import type { FamleEnv, FamleEnvFactory } from "../envs/famle/famle_env.ts";
import { initDynamics } from "../nn/init.ts";
import { createPlanner } from "../planning/registry.ts";
import { TransitionDataset } from "../rollout/transitions.ts";
import { type Checkpoint, type NamedTensor, tensorOf } from "../run/checkpoint.ts";
import type { RunWriter } from "../run/run_dir.ts";
import { RunError, UserError } from "../util/errors.ts";
import { normalizerOf } from "../util/normalizer.ts";
import { drawOrder } from "../util/permutation.ts";
import { KeyedRandom, Purpose } from "../util/prng.ts";
import { NO_FINITE_PLAN, notFinite, plannerOptions } from "./online_control.ts";

/** Name of the algorithm in a checkpoint's metadata. */
export const FAMLE_COLLECT = "famle-collect";

/** One episode of one situation. */
export interface CollectedEpisode {
  /** Number of the episode over all situations, from 0. */
  readonly episode: number;
  /** Which situation. */
  readonly situation: number;
  /** Whether it acted at random. */
  readonly isRandom: boolean;
  /** Sum of rewards. */
  readonly reward: number;
  /** Control steps. */
  readonly steps: number;
  /** Mean squared error per row of the model in the last pass; `null` where none was trained. */
  readonly modelLoss: number | null;
  /** Action sequences whose predicted return was not finite. */
  readonly nonFinite: number;
  /** Why it ended early; `null`: it did not. */
  readonly stopped: string | null;
  /** Wall time. */
  readonly seconds: number;
}

/** Everything collected. */
export interface CollectedData {
  /** Transitions of every situation. */
  readonly transitions: TransitionDataset;
  /** Of every situation: reward of every transition. */
  readonly rewards: readonly (readonly number[])[];
  /** Episodes done, over all situations. */
  readonly episodes: number;
}

/** What is asked for. */
export interface CollectRequest {
  /** The robot. */
  readonly factory: FamleEnvFactory;
  /** All settings. */
  readonly config: FamleConfig;
  /** Seed of everything random. */
  readonly seed: number;
  /** Data to add to, of the same situations: rows are appended to its `transitions`. */
  readonly given: CollectedData | null;
  /** Where progress and checkpoints go. */
  readonly writer: RunWriter;
  /** Checkpoint to continue from. */
  readonly resume: Checkpoint | null;
  /** Episodes between two dumps. */
  readonly dumpEvery: number;
  /**
   * Called for every dump, after the checkpoint, and at the end: writes the files that others read.
   */
  readonly onDump: (data: CollectedData) => void;
  /** Ends the collection after the present episode. */
  readonly stop: AbortSignal;
  /** Called after every episode. */
  readonly onEpisode: (report: CollectedEpisode) => void;
}

/** Network of the model that plans: one without embeddings, its output unlimited, as published. */
export function collectSpec(
  { obsDim, actDim }: EnvSpec,
  { collectHiddenSizes, activation }: FamleConfig,
): DynamicsSpec {
  return {
    inputDim: obsDim + actDim,
    outputDim: obsDim,
    situations: 0,
    embeddingDim: 0,
    hiddenSizes: collectHiddenSizes,
    activation,
    outputLimit: null,
  };
}

/** The model of one situation, with the optimiser's state; owns its tensors. */
class SituationModel {
  readonly #device: Device;
  readonly #spec: DynamicsSpec;
  readonly moments;
  params: Float32Array;
  /** Updates of Adam so far. */
  updates = 0;

  constructor(device: Device, spec: DynamicsSpec, random: KeyedRandom) {
    this.#device = device;
    this.#spec = spec;
    this.params = initDynamics(random, spec);
    this.moments = newMoments(device, dynamicsLayout(spec).size);
  }

  /**
   * Trains on all rows, with a normaliser of these rows.
   * @param keyed positioned anew for every pass
   * @returns the model, which the caller closes, and its loss
   * @throws RunError `not-finite`
   */
  async train(
    inputs: Float64Array,
    targets: Float64Array,
    config: FamleConfig,
    keyed: (pass: number) => KeyedRandom,
  ): Promise<{ model: DynamicsModel; loss: number }> {
    const { inputDim, outputDim } = this.#spec;
    const normalizer = normalizerOf([{ inputs, targets }], inputDim, outputDim);
    const model = new DynamicsModel(this.#device, this.#spec, normalizer);
    try {
      model.setParams(this.params);
      const loss = await this.#passes(model, inputs, targets, config, keyed);
      const bad = this.params.find((value) => !Number.isFinite(value)) ?? loss;
      if (!Number.isFinite(bad)) {
        throw new RunError(
          "not-finite",
          `Training the model that collects diverged: ${
            bad === loss ? "its loss" : "a parameter"
          } ` +
            `is ${bad} (kernel dynamics_train); lower ensemble_learning_rate`,
        );
      }
      return { model, loss };
    } catch (error) {
      model.close();
      throw error;
    }
  }

  /** Trains `model` in place; gives the mean squared error per row in the last pass. */
  async #passes(
    model: DynamicsModel,
    inputs: Float64Array,
    targets: Float64Array,
    config: FamleConfig,
    keyed: (pass: number) => KeyedRandom,
  ): Promise<number> {
    const rows = model.upload(inputs, targets);
    const batch = Math.min(config.collectBatchSize, rows.count);
    const whole = Math.floor(rows.count / batch), rest = rows.count % batch;
    const order = new Uint32Array(rows.count), scratch = new Uint32Array(rows.count);
    let loss = 0;
    try {
      for (let pass = 0; pass < config.collectEpochs; pass++) {
        drawOrder(keyed(pass), rows.count, rows.count, scratch, order, 0);
        let squared = 0;
        // an incomplete last minibatch is trained on too, other than in FAMLE's own training
        for (const [updates, size, from] of [[whole, batch, 0], [1, rest, whole * batch]]) {
          if (size === 0) continue;
          const training = new MinibatchTraining(model, rows, 0, size, updates, {
            ...TORCH_ADAM,
            lr: config.collectLr,
            firstStep: this.updates + 1,
            ...this.moments,
          });
          try {
            training.setOrder(order.slice(from, from + updates * size));
            await this.#device.submit([training.command]);
            const losses = await training.readLosses();
            squared += losses.reduce((sum, x) => sum + x, 0) * size;
          } finally {
            training.close();
          }
          this.updates += updates;
        }
        loss = squared / rows.count;
      }
      this.params = Float32Array.from(await model.readParams());
    } finally {
      model.free(rows);
    }
    return loss;
  }

  close(): void {
    this.#device.free(this.moments.m);
    this.#device.free(this.moments.v);
  }
}

/** Rows and rewards out of a checkpoint. */
function dataFrom(checkpoint: Checkpoint, factory: FamleEnvFactory): CollectedData {
  const { obsDim, actDim } = factory.spec;
  const count = factory.situations.length;
  const transitions = new TransitionDataset(obsDim, actDim, count);
  const rewards: number[][] = [];
  for (let g = 0; g < count; g++) {
    const rows = checkpoint.counters[`rows_${g}`] ?? 0;
    const inputs = tensorOf(checkpoint, `inputs_${g}`, [rows, obsDim + actDim]);
    const targets = tensorOf(checkpoint, `targets_${g}`, [rows, obsDim]);
    for (let row = 0; row < rows; row++) {
      const at = row * (obsDim + actDim);
      transitions.appendDelta(
        g,
        inputs.subarray(at, at + obsDim),
        inputs.subarray(at + obsDim, at + obsDim + actDim),
        targets.subarray(row * obsDim, (row + 1) * obsDim),
      );
    }
    rewards.push([...tensorOf(checkpoint, `rewards_${g}`, [rows])]);
  }
  return { transitions, rewards, episodes: checkpoint.iteration };
}

/** One collection under way. */
class Collection {
  readonly #random: KeyedRandom;
  readonly #spec: DynamicsSpec;
  readonly #transitions: TransitionDataset;
  readonly #rewards: number[][];
  readonly #models: SituationModel[];
  readonly #action: Float64Array;
  readonly #state: Float64Array;
  #episodes: number;

  constructor(readonly device: Device, readonly request: CollectRequest, readonly env: FamleEnv) {
    const { factory, config, seed, given, resume } = request;
    const { spec, situations } = factory;
    this.#random = new KeyedRandom(seed);
    this.#spec = collectSpec(spec, config);
    const start = resume !== null ? dataFrom(resume, factory) : given;
    this.#transitions = start?.transitions ??
      new TransitionDataset(spec.obsDim, spec.actDim, situations.length);
    this.#rewards = start?.rewards.map((list) => [...list]) ?? situations.map(() => []);
    this.#episodes = resume === null ? 0 : resume.iteration;
    this.#action = new Float64Array(spec.actDim);
    this.#state = new Float64Array(spec.obsDim);
    this.#models = situations.map(() => new SituationModel(device, this.#spec, this.#random));
    try {
      if (resume !== null) this.#restoreModels(resume);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #restoreModels(checkpoint: Checkpoint): void {
    const { size } = dynamicsLayout(this.#spec);
    this.#models.forEach((model, g) => {
      model.params = Float32Array.from(tensorOf(checkpoint, `params_${g}`, [size]));
      this.device.write(model.moments.m, tensorOf(checkpoint, `adam_m_${g}`, [size]));
      this.device.write(model.moments.v, tensorOf(checkpoint, `adam_v_${g}`, [size]));
      model.updates = checkpoint.counters[`updates_${g}`] ?? 0;
    });
  }

  get data(): CollectedData {
    return { transitions: this.#transitions, rewards: this.#rewards, episodes: this.#episodes };
  }

  async run(): Promise<boolean> {
    const { factory: { situations }, config, writer, stop, dumpEvery, resume } = this.request;
    const total = config.collectIterations * situations.length;
    writer.startProgress(
      ["Itr", "Situation", "Random", "Reward", "Steps", "ModelLoss", "NonFinite", "ItrTime"],
      this.#episodes,
    );
    let dumped = this.#episodes;
    while (this.#episodes < total && !stop.aborted) {
      const report = await this.#episode(this.#episodes);
      writer.appendRow({
        Itr: report.episode,
        Situation: report.situation,
        Random: report.isRandom ? 1 : 0,
        Reward: report.reward,
        Steps: report.steps,
        ModelLoss: report.modelLoss,
        NonFinite: report.nonFinite,
        ItrTime: report.seconds,
      });
      this.#episodes++;
      this.request.onEpisode(report);
      if (this.#episodes - dumped >= dumpEvery) {
        await this.#dump();
        dumped = this.#episodes;
      }
      // lets an interrupt through
      await new Promise((resolve) => setTimeout(resolve));
    }
    if (this.#episodes > dumped) await this.#dump();
    // what was stopped between the checkpoint and the files has older files
    else if (resume !== null) this.request.onDump(this.data);
    return this.#episodes >= total;
  }

  async #dump(): Promise<void> {
    await this.request.writer.saveCheckpoint(await this.#checkpoint(), {
      maxCheckpoints: 1,
      keepEveryHours: 1e9,
      keepEveryIterations: null,
    });
    this.request.onDump(this.data);
  }

  async #checkpoint(): Promise<Checkpoint> {
    const { factory: { spec }, config } = this.request;
    const tensors: NamedTensor[] = [];
    const counters: Record<string, number> = {};
    for (const [g, model] of this.#models.entries()) {
      const rows = this.#transitions.rows(g);
      counters[`rows_${g}`] = rows;
      counters[`updates_${g}`] = model.updates;
      const add = (name: string, shape: number[], data: NamedTensor["data"]) =>
        tensors.push({ name: `${name}_${g}`, shape, data });
      add("inputs", [rows, spec.obsDim + spec.actDim], this.#transitions.inputs(g));
      add("targets", [rows, spec.obsDim], this.#transitions.targets(g));
      add("rewards", [rows], Float64Array.from(this.#rewards[g]));
      add("params", [model.params.length], model.params);
      for (const name of ["m", "v"] as const) {
        const moment = await this.device.read(model.moments[name]);
        add(`adam_${name}`, [moment.length], Float32Array.from(moment));
      }
    }
    return {
      algorithm: FAMLE_COLLECT,
      iteration: this.#episodes,
      counters,
      config: {
        ...publishedFamleConfig(config),
        env: spec.name,
        env_version: spec.version,
        seed: this.request.seed,
      },
      tensors,
    };
  }

  async #episode(episode: number): Promise<CollectedEpisode> {
    const start = performance.now();
    const { factory: { situations }, config } = this.request;
    const situation = episode % situations.length;
    const round = Math.floor(episode / situations.length);
    const isRandom = round < config.randomEpisodes || this.#transitions.rows(situation) === 0;
    this.env.setTask(situations[situation].row);
    this.env.reset(this.#random.at(Purpose.ENV_RESET, round, situation));
    const run = isRandom
      ? { modelLoss: null, nonFinite: 0, ...this.#actRandomly(round, situation) }
      : await this.#actPlanned(round, situation);
    return {
      episode,
      situation,
      isRandom,
      ...run,
      seconds: (performance.now() - start) / 1000,
    };
  }

  /** One step with `#action`; gives why the episode has to end, or `null`. */
  #step(situation: number): { reward: number; stopped: string | null } {
    const { spec } = this.request.factory;
    this.#state.set(this.env.obs);
    this.env.step(this.#action);
    const stopped = notFinite(this.env.obs, spec.observation);
    if (stopped !== null) return { reward: 0, stopped };
    this.#transitions.append(situation, this.#state, this.#action, this.env.obs);
    this.#rewards[situation].push(this.env.reward);
    return { reward: this.env.reward, stopped: null };
  }

  #actRandomly(round: number, situation: number) {
    const { factory: { spec }, config } = this.request;
    let reward = 0, steps = 0;
    for (; steps < config.collectEpisodeLength; steps++) {
      this.#random.at(Purpose.COLLECT, round, situation, 0, 0, steps);
      for (let a = 0; a < spec.actDim; a++) {
        this.#action[a] = this.#random.uniformRange(spec.actionLow[a], spec.actionHigh[a]);
      }
      const step = this.#step(situation);
      if (step.stopped !== null) return { reward, steps, stopped: step.stopped };
      reward += step.reward;
    }
    return { reward, steps, stopped: null };
  }

  async #actPlanned(round: number, situation: number) {
    const { factory: { spec }, config } = this.request;
    const { low, high } = this.#transitions.bounds(situation);
    const { model, loss: modelLoss } = await this.#models[situation].train(
      this.#transitions.inputs(situation).slice(),
      this.#transitions.targets(situation).slice(),
      config,
      (pass) => this.#random.at(Purpose.TRAINING_ORDER, round, situation, 0, 0, pass),
    );
    const evaluator = new SequenceEvaluator(model, config);
    try {
      const planner = createPlanner(config.planner, {
        horizon: config.horizon,
        actionLow: spec.actionLow,
        actionHigh: spec.actionHigh,
      }, plannerOptions(config));
      evaluator.setReward(this.env.stageReward());
      evaluator.setBounds(low, high);
      let reward = 0, steps = 0, nonFinite = 0;
      let stopped: string | null = null;
      while (steps < config.collectEpisodeLength) {
        evaluator.setState(this.env.obs);
        const at = { iteration: round, task: situation, step: steps };
        const plan = await planner.plan(evaluator.evaluate, this.#random, at);
        nonFinite += plan.nonFinite;
        if (plan.score === -Infinity) {
          stopped = NO_FINITE_PLAN;
          break;
        }
        this.#action.set(plan.action);
        const step = this.#step(situation);
        stopped = step.stopped;
        if (stopped !== null) break;
        reward += step.reward;
        steps++;
      }
      return { reward, steps, stopped, modelLoss, nonFinite };
    } finally {
      evaluator.close();
      model.close();
    }
  }

  close(): void {
    for (const model of this.#models) model.close();
  }
}

/** Throws where data to add to are not of the situations that are collected. */
function checkGiven(
  { transitions }: CollectedData,
  { spec, situations }: FamleEnvFactory,
): void {
  const { stateDim, actDim, situations: count } = transitions;
  if (stateDim === spec.obsDim && actDim === spec.actDim && count === situations.length) return;
  throw new UserError(
    "data-size",
    `Cannot add to these data: they have ${count} situations of ${stateDim} states and ${actDim} ` +
      `actions, ${spec.name} has ${situations.length} of ${spec.obsDim} and ${spec.actDim}`,
  );
}

/**
 * Collects data of all training situations.
 *
 * @returns the data and whether all episodes are done
 * @throws UserError `data-size` where given data are of another robot
 */
export async function collectData(
  device: Device,
  request: CollectRequest,
): Promise<{ data: CollectedData; finished: boolean }> {
  const { given } = request;
  if (given !== null) checkGiven(given, request.factory);
  const env = await request.factory.createInstance();
  try {
    const collection = new Collection(device, request, env);
    try {
      const finished = await collection.run();
      return { data: collection.data, finished };
    } finally {
      collection.close();
    }
  } finally {
    env.close();
  }
}
