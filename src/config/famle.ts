/**
 * Every setting of FAMLE, declared once. Published names are those of the settings in the
 * published scripts (`online_adaptation/*.py`, `offline_data_collection/*.py`); defaults are the
 * published values of the reacher. What differs for another environment stands in
 * {@link FAMLE_DEFAULTS}.
 */
import { type ConfigLayer, mergeLayers } from "./layers.ts";
import {
  above,
  between,
  hiddenSizes,
  integer,
  type KeyDeclaration,
  oneOf,
  orNull,
} from "./rules.ts";

/** Planners by name. */
export const PLANNERS = ["random", "cem", "icem", "mppi"] as const;

/** What reads a setting: collecting data, meta-training, or control with adaptation. */
export type FamleUse = "collect" | "train" | "adapt";

/** One key of FAMLE's settings. */
export interface FamleKeyDeclaration extends KeyDeclaration<unknown> {
  /** What reads it. */
  readonly usedBy: readonly FamleUse[];
}

/** The keys, by their name in the code. */
export const FAMLE_KEYS = {
  hiddenSizes: {
    published: "hidden_layers",
    usedBy: ["train"],
    ...hiddenSizes,
    default: [70, 50],
    help: "Widths of the dynamics model's hidden layers",
  },
  activation: {
    published: "hidden_activation",
    usedBy: ["collect", "train"],
    ...oneOf(["relu", "tanh"]),
    default: "relu",
    help: "Nonlinearity of the hidden layers",
  },
  outputLimit: {
    published: "output_limit",
    usedBy: ["train"],
    ...orNull(above(0)),
    default: 10,
    unit: "standard deviations",
    help: "The model's normalised output is tanh times this; null: unlimited",
  },
  embeddingSize: {
    published: "embedding_size",
    usedBy: ["train"],
    ...integer(1, 256),
    default: 8,
    help: "Numbers of a situation's embedding",
  },
  embeddings: {
    published: "embeddings",
    usedBy: ["train"],
    ...orNull(integer(1, 4096)),
    default: null,
    help: "Number of embeddings, situation g has number g modulo this; null: one per situation; " +
      "1 is a single shared start",
  },
  metaIterations: {
    published: "meta_iter",
    usedBy: ["train"],
    ...integer(1),
    default: 5000,
    help: "Meta-iterations; each works on one situation, in turn",
  },
  metaStep: {
    published: "meta_step",
    usedBy: ["train"],
    ...between(0, 1),
    default: 0.3,
    help: "First step from the old towards the trained parameters; decays linearly to 0",
  },
  innerPasses: {
    published: "inner_iter",
    usedBy: ["train"],
    ...integer(1),
    default: 10,
    help: "Passes over a situation's rows in a meta-iteration",
  },
  innerLr: {
    published: "inner_step",
    usedBy: ["train"],
    ...above(0),
    default: 1e-4,
    help: "Step size of SGD on the sum of squared errors of a minibatch",
  },
  metaBatchSize: {
    published: "meta_batch_size",
    usedBy: ["train"],
    ...integer(1),
    default: 32,
    unit: "rows",
    help: "Minibatch of meta-training",
  },
  innerSampleSize: {
    published: "inner_sample_size",
    usedBy: ["train"],
    ...orNull(integer(1)),
    default: 500,
    unit: "rows",
    help: "Rows that a pass draws from a situation's data; null: all",
  },
  adaptEpochs: {
    published: "epoch",
    usedBy: ["adapt"],
    ...integer(1),
    default: 20,
    help: "Passes over the observed rows in an adaptation",
  },
  adaptLr: {
    published: "learning_rate",
    usedBy: ["adapt"],
    ...above(0),
    default: 1e-4,
    help: "Step size of Adam in an adaptation",
  },
  adaptBatchSize: {
    published: "minibatch_size",
    usedBy: ["adapt"],
    ...integer(1),
    default: 32,
    unit: "rows",
    help: "Minibatch of an adaptation",
  },
  firstSituation: {
    published: "first_situation",
    usedBy: ["adapt"],
    ...orNull(integer(0)),
    default: null,
    help: "Situation that plans before anything was observed, from 0 (healthy); null: a random one",
  },
  planner: {
    published: "planner",
    usedBy: ["collect", "adapt"],
    ...oneOf(PLANNERS),
    default: "random",
    help: "How action sequences are searched",
  },
  horizon: {
    published: "horizon",
    usedBy: ["collect", "adapt"],
    ...integer(1, 200),
    default: 10,
    unit: "control steps",
    help: "How far the planner looks ahead",
  },
  candidates: {
    published: "candidates",
    usedBy: ["collect", "adapt"],
    ...integer(1, 1_000_000),
    default: 10_000,
    help: "Action sequences that the planner evaluates in a control step",
  },
  discount: {
    published: "discount",
    usedBy: ["collect", "adapt"],
    ...between(0, 1),
    default: 1,
    help: "Weight of a planned step relative to the one before it",
  },
  episodeLength: {
    published: "episode_length",
    usedBy: ["adapt"],
    ...integer(1),
    default: 50,
    unit: "control steps",
    help: "Length of an episode",
  },
  collectIterations: {
    published: "iterations",
    usedBy: ["collect"],
    ...integer(1),
    default: 10,
    help: "Collection: episodes of every situation, random ones included",
  },
  randomEpisodes: {
    published: "random_episodes",
    usedBy: ["collect"],
    ...integer(0),
    default: 10,
    help: "Collection: how many of these episodes act at random",
  },
  collectEpisodeLength: {
    published: "collect_episode_length",
    usedBy: ["collect"],
    ...integer(1),
    default: 100,
    unit: "control steps",
    help: "Collection: length of an episode",
  },
  collectHiddenSizes: {
    published: "ensemble_hidden",
    usedBy: ["collect"],
    ...hiddenSizes,
    default: [50, 50],
    help: "Collection: hidden layers of the model that plans",
  },
  collectEpochs: {
    published: "ensemble_epoch",
    usedBy: ["collect"],
    ...integer(1),
    default: 5,
    help: "Collection: passes over a situation's rows before an episode",
  },
  collectBatchSize: {
    published: "ensemble_batch_size",
    usedBy: ["collect"],
    ...integer(1),
    default: 1024,
    unit: "rows",
    help: "Collection: minibatch of the model that plans",
  },
  collectLr: {
    published: "ensemble_learning_rate",
    usedBy: ["collect"],
    ...above(0),
    default: 1e-3,
    help: "Collection: step size of Adam",
  },
  scratchEpochs: {
    published: "scratch_epoch",
    usedBy: ["adapt"],
    ...integer(1),
    default: 50,
    help: "Baseline from scratch (mbrl): passes over the observed rows before an episode",
  },
  scratchLr: {
    published: "scratch_learning_rate",
    usedBy: ["adapt"],
    ...above(0),
    default: 1e-3,
    help: "Baseline from scratch (mbrl): step size of Adam",
  },
  saveSteps: {
    published: "save_steps",
    usedBy: ["train"],
    ...integer(1),
    default: 500,
    unit: "meta-iterations",
    help: "A checkpoint is written every so many meta-iterations",
    freeOnResume: true,
  },
} satisfies Record<string, FamleKeyDeclaration>;

/** Name of a key in the code. */
export type FamleKey = keyof typeof FAMLE_KEYS;

/** All settings; ranges and units are in {@link FAMLE_KEYS}. */
export type FamleConfig = {
  readonly [K in FamleKey]: (typeof FAMLE_KEYS)[K]["schema"]["_zod"]["output"];
};

/**
 * Values that differ from the reacher's, by environment: published ones, but for what takes hours
 * on a CPU. For the ant these were 10,000 candidates, episodes of 1000 steps, and data of 120
 * episodes of 1000 steps per situation, 100 of them random.
 */
export const FAMLE_DEFAULTS: Readonly<Record<string, ConfigLayer["values"]>> = {
  famle_reacher: { episode_length: 50 },
  famle_ant: {
    hidden_layers: [200, 200, 100],
    embedding_size: 5,
    meta_iter: 20_000,
    minibatch_size: 512,
    horizon: 20,
    candidates: 1000,
    episode_length: 200,
    iterations: 20,
    random_episodes: 20,
    collect_episode_length: 250,
    ensemble_hidden: [200, 200, 100],
    ensemble_batch_size: 64,
  },
};

/**
 * Settings for an environment: the table's defaults, then the environment's, then the layers.
 *
 * @throws UserError naming the source and the key of the first value that is refused
 */
export function resolveFamleConfig(env: string, layers: readonly ConfigLayer[]): FamleConfig {
  const own = { source: `defaults of ${env}`, values: FAMLE_DEFAULTS[env] ?? {} };
  return mergeLayers(FAMLE_KEYS, [own, ...layers]).values as FamleConfig;
}

/** The settings under their published names: what params.json and checkpoints keep. */
export function publishedFamleConfig(config: FamleConfig): ConfigLayer["values"] {
  const keys = Object.entries(FAMLE_KEYS) as [FamleKey, KeyDeclaration<unknown>][];
  return Object.fromEntries(
    keys.map(([name, { published }]) => [published, config[name]]),
  ) as ConfigLayer["values"];
}
