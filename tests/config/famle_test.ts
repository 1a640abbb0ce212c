/**
 * FAMLE's settings: every key does something wherever it says so, and stands in docs/famle.md with
 * its defaults. A key that is declared and not listed here fails the first test.
 */
import assert from "node:assert/strict";
import { unusedSettings } from "../../src/cli/famle/settings.ts";
import { CpuDevice } from "../../src/compute/cpu/cpu_device.ts";
import {
  FAMLE_KEYS,
  type FamleKey,
  type FamleUse,
  PLANNERS,
  publishedFamleConfig,
  resolveFamleConfig,
} from "../../src/config/famle.ts";
import { PLANNER_NAMES } from "../../src/planning/registry.ts";
import { collectData } from "../../src/trainer/famle_collect.ts";
import { trainFamle } from "../../src/trainer/famle_trainer.ts";
import { type ControlMethod, controlRobot } from "../../src/trainer/online_control.ts";
import type { JsonValue } from "../../src/util/json.ts";
import { testNeeding } from "../permissions.ts";
import { arm, armModel, famleConfig, linearData, SMALL } from "../trainer/famle_support.ts";
import { MemoryWriter } from "../trainer/tiny.ts";

type Values = Readonly<Record<string, JsonValue>>;

const KEYS = Object.keys(FAMLE_KEYS) as FamleKey[];

/** Value of every key that changes what a small run gives. */
const CHANGED: Readonly<Record<FamleKey, JsonValue>> = {
  hiddenSizes: [7],
  activation: "tanh",
  outputLimit: 0.5,
  embeddingSize: 3,
  embeddings: 1,
  metaIterations: 200,
  metaStep: 0.1,
  innerPasses: 2,
  innerLr: 1e-3,
  metaBatchSize: 8,
  innerSampleSize: 20,
  adaptEpochs: 5,
  adaptLr: 1e-2,
  adaptBatchSize: 3,
  firstSituation: 2,
  planner: "cem",
  horizon: 2,
  candidates: 30,
  discount: 0.1,
  episodeLength: 7,
  collectIterations: 3,
  randomEpisodes: 2,
  collectEpisodeLength: 5,
  collectHiddenSizes: [7],
  collectEpochs: 2,
  collectBatchSize: 3,
  collectLr: 1e-2,
  scratchEpochs: 5,
  scratchLr: 1e-1,
  saveSteps: 50,
};

const CONTROL = { candidates: 60, horizon: 4, episode_length: 6, epoch: 2, scratch_epoch: 2 };

/** What a small run gives, by what is done. */
const RUNS: Readonly<Record<FamleUse, (values: Values) => Promise<unknown>>> = {
  async train(values) {
    const device = await CpuDevice.create({ threads: 1 });
    const writer = new MemoryWriter();
    const config = famleConfig({ ...SMALL, meta_iter: 100, ...values });
    try {
      const { model } = await trainFamle(device, {
        data: linearData([1, 0, -1]),
        config,
        seed: 1,
        writer,
        resume: null,
        stop: new AbortController().signal,
        onBlock: () => {},
      });
      return [...model.params];
    } finally {
      await device.close();
    }
  },
  async collect(values) {
    const device = await CpuDevice.create({ threads: 1 });
    const small = {
      iterations: 2,
      random_episodes: 1,
      collect_episode_length: 4,
      ensemble_hidden: [8],
      candidates: 60,
      horizon: 4,
    };
    try {
      const { data } = await collectData(device, {
        factory: await arm(),
        config: famleConfig({ ...small, ...values }),
        seed: 1,
        given: null,
        writer: new MemoryWriter(),
        resume: null,
        dumpEvery: 100,
        onDump: () => {},
        stop: new AbortController().signal,
        onEpisode: () => {},
      });
      return data.rewards;
    } finally {
      await device.close();
    }
  },
  async adapt(values) {
    const device = await CpuDevice.create({ threads: 1 });
    const factory = await arm();
    const config = famleConfig({ ...CONTROL, ...values });
    const model = armModel(factory, famleConfig({ hidden_layers: [12] }));
    // as the command does: the model from scratch has the size of the others
    const { hiddenSizes, activation, outputLimit } = model.spec;
    const methods: ControlMethod[] = [{ kind: "meta", model, sample: false }, { kind: "scratch" }];
    const results: unknown[] = [];
    try {
      for (const method of methods) {
        const reports = await controlRobot(device, {
          factory,
          method,
          config: { ...config, hiddenSizes, activation, outputLimit },
          seed: 1,
          damage: factory.testDamage,
          episodes: 2,
          steps: config.episodeLength,
          online: false,
          adaptSteps: null,
          damageProbability: 0,
          drawDamage: () => factory.testDamage,
          stop: new AbortController().signal,
          onEpisode: () => {},
        });
        results.push(
          reports.map(({ reward, learned, plannedWith }) => [
            reward,
            learned?.errorAfter,
            plannedWith,
          ]),
        );
      }
      return results;
    } finally {
      await device.close();
    }
  },
};

for (const use of ["train", "collect", "adapt"] as const) {
  Deno.test(`every setting that ${use} reads changes what it gives`, async () => {
    const plain = JSON.stringify(await RUNS[use]({}));
    assert.equal(JSON.stringify(await RUNS[use]({})), plain, "the same seed, the same numbers");
    for (const key of KEYS) {
      const { published, usedBy, ...others } = FAMLE_KEYS[key];
      if ("freeOnResume" in others) continue;
      const uses: readonly FamleUse[] = usedBy;
      const changed = JSON.stringify(await RUNS[use]({ [published]: CHANGED[key] }));
      if (uses.includes(use)) assert.notEqual(changed, plain, published);
      else assert.equal(changed, plain, `${published} is not said to be read`);
    }
  });
}

Deno.test("save_steps is how often a checkpoint is written", async () => {
  const device = await CpuDevice.create({ threads: 1 });
  try {
    const saved = async (steps: number) => {
      const writer = new MemoryWriter();
      await trainFamle(device, {
        data: linearData([1, -1]),
        config: famleConfig({ ...SMALL, meta_iter: 400, save_steps: steps }),
        seed: 1,
        writer,
        resume: null,
        stop: new AbortController().signal,
        onBlock: () => {},
      });
      return writer.checkpoints.map(({ iteration }) => iteration);
    };
    assert.deepEqual(await saved(100), [100, 200, 300, 400]);
    assert.deepEqual(await saved(250), [300, 400]);
  } finally {
    await device.close();
  }
});

Deno.test("the planners that a setting names are those that there are", () => {
  assert.deepEqual(PLANNERS, PLANNER_NAMES);
});

Deno.test("unusedSettings() names what --set gives and nothing reads", () => {
  const options = { set: ["horizon=3", "meta_iter=5", "epoch=1"] };
  assert.deepEqual(unusedSettings(options, ["train", "adapt"]), []);
  assert.deepEqual(unusedSettings(options, ["adapt"]), [
    "warning: --set: no effect here: meta_iter",
  ]);
  assert.deepEqual(unusedSettings({}, ["adapt"]), []);
});

testNeeding("read")("docs/famle.md has every setting with its defaults", async () => {
  const docs = await Deno.readTextFile(new URL("../../docs/famle.md", import.meta.url));
  const rows = docs.split("\n").map((line) => line.split("|").map((cell) => cell.trim()))
    .filter((cells) => cells.length === 6 && /^`\w+`$/.test(cells[1]));
  const shown = rows.map(([, name, reacher, ant]) => [name.slice(1, -1), reacher, ant]);
  const valueOf = (text: string): JsonValue => {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  };
  for (const [at, env] of [[1, "famle_reacher"], [2, "famle_ant"]] as const) {
    assert.deepEqual(
      Object.fromEntries(shown.map((row) => [row[0], valueOf(row[at])])),
      publishedFamleConfig(resolveFamleConfig(env, [])),
    );
  }
});
