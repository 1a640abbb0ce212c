/**
 * Every key of a training configuration, declared once: name in the code, published name, type,
 * range, default, unit, help. The parser, the editor's JSON Schema, the option help and the type
 * {@link RunConfig} all come from this table.
 *
 * Published names and values are those of the four configurations of MMAML-rl; names in the code
 * follow this project's glossary. Left out: rules that need to know the environments or the
 * machine (`cli` checks those).
 */
import { z } from "zod";
import { SCHEMA_KEY } from "./layers.ts";
import {
  above,
  aboveUpTo,
  atLeast,
  between,
  flag,
  hiddenSizes,
  integer,
  type KeyDeclaration,
  oneOf,
  orNull,
  text,
  type ValueRule,
} from "./rules.ts";

export type { KeyDeclaration } from "./rules.ts";

/**
 * The keys that have an effect, by their name in the code. Defaults are the values common to the
 * published configurations.
 */
export const CONFIG_KEYS = {
  seed: {
    published: "seed",
    ...integer(0, 0xffff_ffff),
    default: 1,
    help: "Seed of everything random; the same seed gives the same results",
  },
  env: {
    published: "env",
    ...text("the name of an environment, or the path of one's own"),
    help:
      "Environment to train on: a name (`metarl envs` lists them), or the path of a module or " +
      "a JSON description, relative to this file",
  },
  mode: {
    published: "mode",
    ...orNull(integer(0)),
    default: null,
    help: "Restricts a multi-modal environment to this one mode (Multi-ProMP trains one per mode)",
  },
  rewardType: {
    published: "reward_type",
    ...orNull(oneOf(["dense", "dense_squared", "sparse"])),
    default: null,
    help: "Reward of the point environments; null: the environment's own",
  },
  sparseRewardRadius: {
    published: "sparse_reward_radius",
    ...orNull(atLeast(0)),
    default: null,
    unit: "m",
    help: "Radius of the point environments' sparse reward; null: the environment's own",
  },
  observeAllVelocities: {
    published: "observe_all_velocities",
    ...flag(),
    default: false,
    help: "Adds the third joint's velocity to the observation of the 3-link reacher",
  },
  terminate: {
    published: "terminate",
    ...orNull(oneOf(["fallen", "never"])),
    default: null,
    help: "Whether an episode ends when the robot falls, where the environment has the choice; " +
      "null: the environment's own",
  },
  compat: {
    published: "compat",
    ...oneOf(["none", "mmaml-rl"]),
    default: "none",
    help: 'Where the published code differs from the paper: "none" follows the paper, ' +
      '"mmaml-rl" the code (the task encoder sees 5 steps of each rollout)',
  },

  metaBatchSize: {
    published: "meta_batch_size",
    ...integer(1, 100_000),
    default: 40,
    unit: "tasks",
    help: "Tasks per iteration",
  },
  rolloutsPerTask: {
    published: "rollouts_per_meta_task",
    ...integer(1, 100_000),
    default: 20,
    unit: "rollouts",
    help: "Rollouts per task, before and after each inner step",
  },
  maxSteps: {
    published: "max_path_length",
    ...integer(1, 100_000),
    default: 100,
    unit: "steps",
    help: "Steps of one episode",
  },
  parallel: {
    published: "parallel",
    ...flag(),
    default: true,
    help: 'Samples on all cores; false: on one, unless "workers" says otherwise',
    freeOnResume: true,
  },
  workers: {
    published: "workers",
    ...orNull(integer(1, 1024)),
    default: null,
    help: "Sampling workers; null: one per core. Does not change results",
    freeOnResume: true,
  },
  device: {
    published: "device",
    ...oneOf(["auto", "webgpu", "cpu"]),
    default: "auto",
    help: "Where the kernels run; auto takes the CPU, or a GPU that is measured to be faster",
    freeOnResume: true,
  },

  baseline: {
    published: "baseline",
    ...oneOf(["LinearFeatureBaseline", "ZeroBaseline"]),
    default: "LinearFeatureBaseline",
    help: "Predictor of the return, fitted per task",
  },
  discount: {
    published: "discount",
    ...between(0, 1),
    default: 0.99,
    help: "Discount factor of the return, per step",
  },
  gaeLambda: {
    published: "gae_lambda",
    ...between(0, 1),
    default: 1,
    help: "Lambda of the generalised advantage estimate",
  },
  normalizeAdvantages: {
    published: "normalize_adv",
    ...flag(),
    default: true,
    help: "Gives the advantages of a task mean 0 and standard deviation 1",
  },
  positiveAdvantages: {
    published: "positive_adv",
    ...flag(),
    default: false,
    help: "Shifts the advantages of a task above 0",
  },

  hiddenSizes: {
    published: "hidden_sizes",
    ...hiddenSizes,
    default: [64, 64] as readonly number[],
    unit: "units",
    help: "Widths of the policy's hidden layers",
  },
  activation: {
    published: "hidden_nonlinearity",
    ...oneOf(["tanh", "relu"]),
    default: "tanh",
    help: "Nonlinearity of the policy's hidden layers",
  },
  learnStd: {
    published: "learn_std",
    ...flag(),
    default: true,
    help: "Trains the policy's standard deviation; false keeps it at init_std",
  },
  initStd: {
    published: "init_std",
    ...above(0),
    default: 1,
    help: "Standard deviation of the untrained policy, in units of the policy's action",
  },
  minStd: {
    published: "min_std",
    ...above(0),
    default: 1e-6,
    help: "Floor of the standard deviation before adaptation",
  },

  innerLr: {
    published: "inner_lr",
    ...atLeast(0),
    default: 0.1,
    help: "Step size of the inner steps",
  },
  innerSteps: {
    published: "num_inner_grad_steps",
    ...integer(1, 100),
    default: 2,
    unit: "steps",
    help: "Inner steps (adaptation) per task",
  },
  outerLr: {
    published: "learning_rate",
    ...atLeast(0),
    default: 1e-3,
    help: "Step size of Adam in the outer steps",
  },
  outerEpochs: {
    published: "num_promp_steps",
    ...integer(1, 1000),
    default: 5,
    unit: "steps",
    help: "Outer steps per iteration, on the same data",
  },
  iterations: {
    published: "n_itr",
    ...integer(1),
    default: 1001,
    unit: "iterations",
    help: "Iterations of sampling, adaptation and outer steps",
    freeOnResume: true,
  },
  clipOuter: {
    published: "clip_outer",
    ...flag(),
    default: true,
    help: "Clips the likelihood ratio of the outer objective",
  },
  clipEps: {
    published: "clip_eps",
    ...aboveUpTo(0, 1),
    default: 0.1,
    help: "The ratio is clipped to 1 - clip_eps .. 1 + clip_eps",
  },
  clipAnneal: {
    published: "anneal_factor",
    ...aboveUpTo(0, 1),
    default: 1,
    help: "Factor on clip_eps after every iteration",
  },
  innerKlCoeff: {
    published: "init_inner_kl_penalty",
    ...atLeast(0),
    default: 5e-4,
    help: "Weight of the inner KL penalty at the start",
  },
  adaptiveInnerKl: {
    published: "adaptive_inner_kl_penalty",
    ...flag(),
    default: false,
    help: "Halves or doubles the weight, per inner step, to keep the KL near target_inner_step",
  },
  innerKlTarget: {
    published: "target_inner_step",
    ...atLeast(0),
    default: 0,
    unit: "nats",
    help: "Set point of the inner KL for adaptive_inner_kl_penalty",
  },

  onDivergence: {
    published: "on_divergence",
    ...oneOf(["stop", "rollback", "halve-step"]),
    default: "stop",
    help: "What to do in an iteration that diverges: end the run, skip the iteration, or take it " +
      "again with half the step size (docs/runs.md)",
    freeOnResume: true,
  },
  maxCutRollouts: {
    published: "max_cut_rollouts",
    ...integer(0),
    default: 0,
    help:
      "Rollouts of a task that may end early since the environment gives a number that is not " +
      "finite; with more of them, or with all, the iteration has diverged",
    freeOnResume: true,
  },
  maxInnerKl: {
    published: "max_inner_kl",
    ...orNull(above(0)),
    default: 10,
    unit: "nats",
    help: "A task whose inner KL is larger has diverged; null: no bound",
    freeOnResume: true,
  },
  maxOuterKl: {
    published: "max_outer_kl",
    ...orNull(above(0)),
    default: 10,
    unit: "nats",
    help: "A task whose adapted policy the outer steps move further has diverged; null: no bound",
    freeOnResume: true,
  },
  maxReturnDrop: {
    published: "max_return_drop",
    ...orNull(above(0)),
    default: 1,
    help: "How far the return after adaptation may fall below the best moving average, relative " +
      "to its scale (docs/runs.md); null: no bound",
    freeOnResume: true,
  },

  cellSize: {
    published: "cell_size",
    ...integer(1, 4096),
    default: 64,
    unit: "units",
    help: "GRU cells of the task encoder (mmaml)",
  },
  useBetas: {
    published: "use_betas",
    ...flag(),
    default: false,
    help: "Modulation shifts the hidden layers as well as scaling them (mmaml)",
  },
  shiftGammas: {
    published: "shift_gammas",
    ...flag(),
    default: true,
    help: "Modulation scales by gamma + 1 instead of gamma (mmaml)",
  },
  mlpAfterGru: {
    published: "mlp_after_gru",
    ...flag(),
    default: true,
    help: "Two dense layers between GRU and pooling (mmaml)",
  },
  mlpAfterPool: {
    published: "mlp_after_pool",
    ...flag(),
    default: true,
    help: "Two dense layers between pooling and modulation (mmaml)",
  },

  logGradNorm: {
    published: "log_grad_norm",
    ...flag(),
    default: false,
    help: "Adds the norms of the outer gradient to progress.csv",
  },
  outDir: {
    published: "dump_path",
    ...orNull(text("the path of a new folder")),
    default: null,
    help: "Run folder to create; null: runs/<algorithm>-<env>-<seed>-<time>",
    freeOnResume: true,
  },
  initCheckpoint: {
    published: "restore_path",
    ...orNull(text("the path of a checkpoint or a run folder")),
    default: null,
    help: "Starts from these parameters, at iteration 0",
    freeOnResume: true,
  },
  saveSteps: {
    published: "save_steps",
    ...integer(1),
    default: 50,
    unit: "iterations",
    help: "A checkpoint is written each time so many iterations are done, and at the end",
    freeOnResume: true,
  },
  maxCheckpoints: {
    published: "max_checkpoints_to_keep",
    ...integer(1),
    default: 20,
    unit: "files",
    help: "Older checkpoints than the newest so many are deleted, unless another key keeps them",
    freeOnResume: true,
  },
  keepEveryHours: {
    published: "keep_checkpoint_every_n_hours",
    ...above(0),
    default: 1,
    unit: "hours",
    help: "Of the older checkpoints, one per so many hours is kept",
    freeOnResume: true,
  },
  keepEveryIterations: {
    published: "keep_checkpoint_every_n_iterations",
    ...orNull(integer(1)),
    default: null,
    unit: "iterations",
    help: "Of the older checkpoints, those at a multiple of this are kept",
    freeOnResume: true,
  },
} satisfies Record<string, KeyDeclaration<unknown>>;

/** Name of a key in the code. */
export type ConfigKey = keyof typeof CONFIG_KEYS;

/**
 * A complete, valid configuration under the names of the code. What each field means, its range
 * and unit are in {@link CONFIG_KEYS}.
 */
export type RunConfig = {
  readonly [K in ConfigKey]: (typeof CONFIG_KEYS)[K]["schema"]["_zod"]["output"];
};

/** A published key that is accepted and checked, but has no effect on training. */
export interface IgnoredKey extends ValueRule<unknown> {
  /** Why: one clause. */
  readonly reason: string;
}

/** Published keys without effect, by their published name. */
export const IGNORED_KEYS: Readonly<Record<string, IgnoredKey>> = {
  step_size: { ...above(0), reason: "belongs to TRPO" },
  exploration: { ...flag(), reason: "belongs to E-MAML" },
  num_minibatches: { ...integer(1), reason: "all tasks form one batch" },
  target_outer_step: { ...atLeast(0), reason: "the outer KL is not penalised" },
  init_outer_kl_penalty: { ...atLeast(0), reason: "the outer KL is not penalised" },
  adaptive_outer_kl_penalty: { ...flag(), reason: "the outer KL is not penalised" },
  te_save_path: { ...orNull(text("the path of a folder")), reason: "training saves no embeddings" },
  num_embeddings: { ...integer(1), reason: "training saves no embeddings" },
};

/** Path of an environment of one's own, in the JSON Schema. */
const ENV_FILE = /[/\\]|\.(json|m?[jt]s)$/;

/** All keys with an effect: `[name in the code, declaration]`, in the order of the table. */
export function configKeys(): [ConfigKey, KeyDeclaration<unknown>][] {
  return Object.entries(CONFIG_KEYS) as [ConfigKey, KeyDeclaration<unknown>][];
}

/**
 * The JSON Schema (draft 2020-12) of a configuration file, for editors.
 *
 * @param environments names to propose and to check for `env`
 */
export function configJsonSchema(environments: readonly string[]): Record<string, unknown> {
  const shape: Record<string, z.ZodType> = {
    [SCHEMA_KEY]: z.string().optional().describe("Path of this schema, for editors"),
  };
  for (const [name, key] of configKeys()) {
    const unit = key.unit === undefined ? "" : ` [${key.unit}]`;
    const base = name === "env" && environments.length > 0
      ? z.union([z.enum(environments as [string, ...string[]]), z.string().regex(ENV_FILE)])
      : key.schema;
    const described = base.describe(`${key.help}${unit}`);
    shape[key.published] = key.default === undefined ? described : described.default(key.default);
  }
  for (const [published, key] of Object.entries(IGNORED_KEYS)) {
    shape[published] = key.schema.optional().describe(`No effect: ${key.reason}`);
  }
  const schema = z.toJSONSchema(z.strictObject(shape), { io: "input" });
  return { title: "metarl training configuration", ...schema };
}
