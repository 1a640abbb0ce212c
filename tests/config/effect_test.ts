/**
 * Every key of the configuration does something: a tiny training run with the key changed ends
 * with other numbers, or, for a key that may not change numbers, shows the effect it is there for.
 * A key that is declared and not listed here fails the first test.
 */
import assert from "node:assert/strict";
import { CONFIG_KEYS, type ConfigKey, configKeys } from "../../src/config/schema.ts";
import { loadEnv } from "../../src/envs/registry.ts";
import type { Checkpoint } from "../../src/run/checkpoint.ts";
import type { Retention } from "../../src/run/run_dir.ts";
import { trainMeta } from "../../src/trainer/meta_trainer.ts";
import { envOptions } from "../../src/trainer/specs.ts";
import { lacks } from "../permissions.ts";
import { MemoryWriter, tinyConfig } from "../trainer/tiny.ts";

const NEEDS_WORKERS = lacks("read");

type Values = Readonly<Record<string, unknown>>;

/** Steps so large that ratios reach the clip's borders, and that the guard would refuse them. */
const LARGE_STEPS: Values = {
  learning_rate: 0.1,
  clip_eps: 0.01,
  max_inner_kl: null,
  max_outer_kl: null,
  max_return_drop: null,
};

/** Value that changes the numbers, and what else both runs need so that it can. */
const CHANGES_NUMBERS: Readonly<Partial<Record<ConfigKey, readonly [unknown, Values?]>>> = {
  seed: [2],
  env: ["MetaPointEnvMomentum6Modes"],
  mode: [1],
  rewardType: ["dense_squared"],
  sparseRewardRadius: [9, { reward_type: "sparse" }],
  compat: ["mmaml-rl"],
  metaBatchSize: [4],
  rolloutsPerTask: [2],
  maxSteps: [11],
  baseline: ["ZeroBaseline"],
  discount: [0.9],
  gaeLambda: [0.9],
  normalizeAdvantages: [false],
  positiveAdvantages: [true],
  hiddenSizes: [[8, 7]],
  activation: ["relu"],
  learnStd: [false],
  initStd: [0.5],
  // the floor is where the first iteration starts, so the second one is below it in places
  minStd: [1],
  innerLr: [0.02],
  innerSteps: [1],
  outerLr: [0.02],
  outerEpochs: [1],
  iterations: [3],
  clipOuter: [false, LARGE_STEPS],
  clipEps: [0.02, LARGE_STEPS],
  clipAnneal: [0.5, LARGE_STEPS],
  innerKlCoeff: [0.5],
  adaptiveInnerKl: [true, { target_inner_step: 1 }],
  innerKlTarget: [1e-9, { target_inner_step: 1, adaptive_inner_kl_penalty: true }],
  cellSize: [5],
  useBetas: [true],
  shiftGammas: [false],
  mlpAfterGru: [false],
  mlpAfterPool: [false],
  logGradNorm: [true],
};

/** Keys that may not change numbers, or can't yet, and where their effect is tested. */
const TESTED_ELSEWHERE: readonly ConfigKey[] = [
  // below
  ...["observeAllVelocities", "terminate"] as const,
  ...["saveSteps", "device", "maxCheckpoints"] as const,
  ...["keepEveryHours", "keepEveryIterations"] as const,
  // tests/trainer/divergence_test.ts
  ...["onDivergence", "maxInnerKl", "maxOuterKl", "maxReturnDrop", "maxCutRollouts"] as const,
  // tests/cli/train_test.ts
  ...["parallel", "workers", "outDir", "initCheckpoint"] as const,
];

/** Keeps the retention rules too. */
class RecordingWriter extends MemoryWriter {
  readonly retentions: Retention[] = [];

  override saveCheckpoint(checkpoint: Checkpoint, retention?: Retention): Promise<string> {
    this.retentions.push(retention!);
    return super.saveCheckpoint(checkpoint);
  }
}

async function run(values: Values): Promise<RecordingWriter> {
  const writer = new RecordingWriter();
  await trainMeta({
    algorithm: "mmaml",
    config: tinyConfig(values),
    writer,
    resume: null,
    init: null,
    workers: 1,
    stop: new AbortController().signal,
  }, { onIteration() {}, onNotice() {} });
  return writer;
}

/** Numbers that a run gave: rows without times, parameters and optimiser state. */
async function numbersOf(values: Values): Promise<string> {
  const writer = await run(values);
  const tensors = writer.checkpoints.at(-1)!.tensors.map(({ name, data }) => [name, [...data]]);
  return JSON.stringify([writer.results(), tensors]);
}

Deno.test("every key is listed with its effect", () => {
  const listed = [...Object.keys(CHANGES_NUMBERS), ...TESTED_ELSEWHERE].sort();
  assert.deepEqual(listed, configKeys().map(([name]) => name).sort());
});

Deno.test({
  name: "every key that decides the results changes them",
  ignore: NEEDS_WORKERS,
  async fn() {
    const plain = new Map<string, string>();
    for (const [name, [value, also = {}]] of Object.entries(CHANGES_NUMBERS)) {
      const { published } = CONFIG_KEYS[name as ConfigKey];
      const base = JSON.stringify(also);
      if (!plain.has(base)) plain.set(base, await numbersOf(also));
      assert.notEqual(await numbersOf({ ...also, [published]: value }), plain.get(base), published);
    }
  },
});

Deno.test({
  name: "device, save_steps and the rules for keeping checkpoints reach their places",
  ignore: NEEDS_WORKERS,
  async fn() {
    const writer = await run({
      n_itr: 3,
      save_steps: 2,
      max_checkpoints_to_keep: 7,
      keep_checkpoint_every_n_hours: 8,
      keep_checkpoint_every_n_iterations: 9,
    });
    assert.deepEqual(writer.checkpoints.map(({ iteration }) => iteration), [2, 3]);
    const { maxCheckpoints, keepEveryHours, keepEveryIterations } = writer.retentions[0];
    assert.deepEqual([maxCheckpoints, keepEveryHours, keepEveryIterations], [7, 8, 9]);
    assert.match(writer.device, /^cpu/, "the tiny configuration asks for it");
  },
});

Deno.test({
  name: "terminate: never lets a training's episodes run to their length",
  ignore: NEEDS_WORKERS,
  async fn() {
    const steps = async (terminate: string | null) => {
      const writer = await run({
        env: "Walker2DRandDirecEnv",
        max_path_length: 40,
        meta_batch_size: 2,
        n_itr: 1,
        terminate,
      });
      return writer.rows[0].n_timesteps;
    };
    // tasks x rounds x rollouts x steps
    const whole = 2 * 3 * 3 * 40;
    assert.equal(await steps("never"), whole);
    const ended = await steps("fallen");
    assert.ok(ended! < whole, "an untrained walker falls");
    assert.equal(await steps(null), ended, "the environment's own choice");
  },
});

Deno.test("observe_all_velocities reaches the environments that have it", async () => {
  const { spec } = await loadEnv("MetaPointEnvMomentum");
  const options = [
    { name: "observe_all_velocities", meaning: "", kind: "boolean", default: false },
  ] as const;
  const config = tinyConfig({ observe_all_velocities: true });
  assert.deepEqual(envOptions(config, { ...spec, options }), { observe_all_velocities: true });
});
