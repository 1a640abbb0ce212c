/** Collecting: who acts when, exact resume, files that come back, bad files. */
import assert from "node:assert/strict";
import { CpuDevice } from "../../src/compute/cpu/cpu_device.ts";
import { TransitionDataset } from "../../src/rollout/transitions.ts";
import { readNpy } from "../../src/run/npy.ts";
import { readNpz, writeNpz } from "../../src/run/npz.ts";
import {
  collectData,
  type CollectedEpisode,
  type CollectRequest,
} from "../../src/trainer/famle_collect.ts";
import { dataFiles, readData } from "../../src/trainer/famle_data.ts";
import { UserError } from "../../src/util/errors.ts";
import { inTemporaryFolder } from "../cli/metarl_process.ts";
import { testNeeding } from "../permissions.ts";
import { arm, famleConfig } from "./famle_support.ts";
import { MemoryWriter } from "./tiny.ts";

const CONFIG = famleConfig({
  iterations: 2,
  random_episodes: 1,
  collect_episode_length: 4,
  ensemble_hidden: [8],
  candidates: 50,
  horizon: 3,
});
const SITUATIONS = 11;

async function collect(changes: Partial<CollectRequest> = {}) {
  const factory = await arm();
  const device = await CpuDevice.create({ threads: 1 });
  const writer = new MemoryWriter();
  const episodes: CollectedEpisode[] = [];
  let dumps = 0;
  try {
    const { data, finished } = await collectData(device, {
      factory,
      config: CONFIG,
      seed: 1,
      given: null,
      writer,
      resume: null,
      dumpEvery: 100,
      onDump: () => dumps++,
      stop: new AbortController().signal,
      onEpisode: (report) => episodes.push(report),
      ...changes,
    });
    assert.equal(device.liveTensors, 0);
    return { factory, data, finished, writer, episodes, dumps };
  } finally {
    await device.close();
  }
}

Deno.test("collectData() acts at random first, then with the model, situation by situation", async () => {
  const { data, finished, episodes, dumps } = await collect();
  assert.ok(finished);
  assert.equal(episodes.length, 2 * SITUATIONS);
  episodes.forEach((report, e) => {
    assert.equal(report.situation, e % SITUATIONS);
    assert.equal(report.isRandom, e < SITUATIONS);
    assert.equal(report.modelLoss === null, report.isRandom);
    assert.equal(report.steps, 4);
  });
  for (let g = 0; g < SITUATIONS; g++) assert.equal(data.transitions.rows(g), 8);
  assert.equal(data.rewards[0].length, 8);
  assert.equal(dumps, 1);
});

Deno.test("collectData() ends where a model is not finite, and keeps the last dump", async () => {
  const writer = new MemoryWriter();
  const config = { ...CONFIG, collectLr: 1e38, collectEpochs: 20 };
  const attempt = collect({ config, writer, dumpEvery: 4 });
  await assert.rejects(attempt, /^RunError: Training the model that collects .* is (NaN|-?Inf)/);
  // the eleven random episodes, in dumps of four
  assert.deepEqual(writer.checkpoints.map(({ iteration }) => iteration), [4, 8]);
});

Deno.test("collectData() goes on from a checkpoint to the same bytes", async () => {
  const whole = await collect({ dumpEvery: 5 });
  const controller = new AbortController();
  const first = await collect({
    stop: controller.signal,
    // in the middle of the planned episodes, so that models and moments matter
    onEpisode: ({ episode }) => episode === 14 && controller.abort(),
  });
  assert.ok(!first.finished);
  const checkpoint = first.writer.checkpoints.at(-1)!;
  assert.equal(checkpoint.iteration, 15);
  const second = await collect({ resume: checkpoint });
  assert.deepEqual(await second.writer.lastBytes(), await whole.writer.lastBytes());
  assert.equal(second.writer.firstIteration, 15);
});

Deno.test("collectData() adds to given data, and goes on from a checkpoint of that", async () => {
  const { data: rows, factory } = await collect({ config: { ...CONFIG, collectIterations: 1 } });
  // collecting appends to what it is given
  const given = () => ({ ...rows, transitions: copyOf(rows.transitions) });
  const config = { ...CONFIG, collectIterations: 1, randomEpisodes: 0 };
  const { data, episodes, writer } = await collect({ given: given(), config });
  assert.ok(episodes.every(({ isRandom }) => !isRandom));
  assert.equal(data.transitions.rows(3), 8);
  assert.deepEqual(data.transitions.inputs(3, 0, 4), rows.transitions.inputs(3));
  assert.equal(data.rewards[3].length, 8);

  const controller = new AbortController();
  const first = await collect({
    given: given(),
    config,
    stop: controller.signal,
    onEpisode: ({ episode }) => episode === 4 && controller.abort(),
  });
  const second = await collect({ resume: first.writer.checkpoints.at(-1)!, config });
  assert.deepEqual(await second.writer.lastBytes(), await writer.lastBytes());

  await assert.rejects(
    collect({ given: { ...given(), transitions: new TransitionDataset(12, 5, 2) }, config }),
    (error) => error instanceof UserError && error.message.includes(factory.spec.name),
  );
});

/** The same rows in a dataset of its own. */
function copyOf(rows: TransitionDataset): TransitionDataset {
  const { stateDim, actDim, situations } = rows;
  const copy = new TransitionDataset(stateDim, actDim, situations);
  for (let g = 0; g < situations; g++) {
    for (let row = 0; row < rows.rows(g); row++) {
      const inputs = rows.inputs(g, row, row + 1), targets = rows.targets(g, row, row + 1);
      copy.appendDelta(g, inputs.subarray(0, stateDim), inputs.subarray(stateDim), targets);
    }
  }
  return copy;
}

Deno.test("collectData() writes the data of a checkpoint that has all episodes", async () => {
  const { writer } = await collect();
  const again = await collect({ resume: writer.checkpoints.at(-1)! });
  assert.ok(again.finished);
  assert.equal(again.dumps, 1);
  assert.deepEqual(again.episodes, []);
});

Deno.test("collectData() counts sequences without a finite return and stops the episode", async () => {
  // one step, so large that what the model makes of its weights overflows
  const config = {
    ...CONFIG,
    ...{ collectLr: 1e30, collectEpochs: 1, collectBatchSize: 4, collectHiddenSizes: [16, 16, 16] },
  };
  const { episodes } = await collect({ config });
  const planned = episodes.slice(SITUATIONS);
  assert.ok(planned.every(({ nonFinite }) => nonFinite === CONFIG.candidates));
  assert.ok(planned.every(({ steps, stopped }) => steps === 0 && /no action/.test(stopped!)));
});

testNeeding("read", "write")("readData() gives back what dataFiles() wrote", async () => {
  const { data, factory } = await collect();
  await inTemporaryFolder(async (folder) => {
    for (const [name, bytes] of dataFiles(data, factory, 7)) {
      await Deno.writeFile(`${folder}/${name}`, bytes);
    }
    const stored = await readData(folder, () => arm());
    assert.deepEqual(stored.env, { name: factory.spec.name, version: factory.spec.version });
    assert.equal(stored.inputDim, 17);
    assert.equal(stored.outputDim, 12);
    stored.situations.forEach((situation, g) => {
      assert.equal(situation.name, factory.situations[g].name);
      assert.deepEqual(situation.row, factory.situations[g].row);
      assert.deepEqual(situation.inputs, data.transitions.inputs(g));
      assert.deepEqual(situation.targets, data.transitions.targets(g));
    });
    assert.deepEqual(stored.collected.rewards, data.rewards);
    const mismatches = readNpy(await Deno.readFile(`${folder}/mismatches.npy`), "mismatches.npy");
    assert.deepEqual(mismatches.shape, [SITUATIONS, factory.spec.taskDim]);
  });
});

testNeeding("read", "write")("readData() refuses bad files in one line", async () => {
  const { data, factory } = await collect();
  const files = dataFiles(data, factory, 7);
  const arrays = () => Object.fromEntries(readNpz(files.get("transitions.npz")!, "x"));
  const withArrays = (change: (all: ReturnType<typeof arrays>) => void) => {
    const all = arrays();
    change(all);
    return writeNpz(all);
  };
  const cases: [string, Map<string, Uint8Array>, RegExp][] = [
    ["nothing there", new Map(), /there are no data in/],
    [
      "truncated",
      new Map([...files, ["transitions.npz", files.get("transitions.npz")!.slice(0, -100)]]),
      /transitions\.npz/,
    ],
    ["empty", new Map([...files, ["mismatches.npy", new Uint8Array(0)]]), /mismatches\.npy/],
    [
      "other size",
      new Map([...files, [
        "transitions.npz",
        withArrays((all) => {
          all.targets_0 = { type: "float64", shape: [8, 3], data: new Float64Array(24) };
        }),
      ]]),
      /"targets_0" in .* is \[8,3\], wanted \[8,12\]/,
    ],
    [
      "NaN",
      new Map([...files, [
        "transitions.npz",
        withArrays((all) => {
          (all.inputs_2.data as Float64Array)[5] = NaN;
        }),
      ]]),
      /row 0 of situation 2: entry 5 of its state is NaN/,
    ],
    [
      "no rows",
      new Map([...files, [
        "transitions.npz",
        withArrays((all) => {
          for (const [name, width] of [["inputs", 17], ["targets", 12]] as const) {
            all[`${name}_4`] = { type: "float64", shape: [0, width], data: new Float64Array(0) };
          }
          all.costs_4 = { type: "float64", shape: [0], data: new Float64Array(0) };
        }),
      ]]),
      /situation "joint 3 dead" has no rows/,
    ],
    [
      "another environment's description",
      new Map([...files, ["data.json", new TextEncoder().encode('{"metarl_data": 2}')]]),
      /data\.json was not written by metarl famle collect/,
    ],
  ];
  for (const [name, content, wanted] of cases) {
    await inTemporaryFolder(async (folder) => {
      for (const [file, bytes] of content) await Deno.writeFile(`${folder}/${file}`, bytes);
      await assert.rejects(
        readData(folder, () => arm()),
        (error) => {
          assert.ok(error instanceof UserError, `${name}: ${error}`);
          assert.match(error.message, wanted, name);
          assert.ok(!error.message.includes("\n"));
          return true;
        },
      );
    });
  }
});
