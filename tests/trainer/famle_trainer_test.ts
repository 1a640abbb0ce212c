/** Meta-training learns situations apart, is resumed exactly, and stops where it diverges. */
import assert from "node:assert/strict";
import { DynamicsModel } from "../../src/algos/dynamics_model.ts";
import { CpuDevice } from "../../src/compute/cpu/cpu_device.ts";
import { encodeCheckpoint } from "../../src/run/checkpoint.ts";
import {
  type FamleModel,
  modelFromCheckpoint,
  modelToCheckpoint,
} from "../../src/trainer/famle_model.ts";
import { type FamleTrainRequest, trainFamle } from "../../src/trainer/famle_trainer.ts";
import { RunError, UserError } from "../../src/util/errors.ts";
import { famleConfig, linearData, SMALL } from "./famle_support.ts";
import { MemoryWriter } from "./tiny.ts";

const FACTORS = [1, 0, -1];

async function train(changes: Partial<FamleTrainRequest> = {}) {
  const device = await CpuDevice.create({ threads: 1 });
  try {
    const result = await trainFamle(device, {
      data: linearData(FACTORS),
      config: famleConfig(SMALL),
      seed: 1,
      writer: null,
      resume: null,
      stop: new AbortController().signal,
      onBlock: () => {},
      ...changes,
    });
    assert.equal(device.liveTensors, 0);
    return result;
  } finally {
    await device.close();
  }
}

/** Of every situation's rows: mean squared error per row with each embedding. */
async function errorsOf(model: FamleModel): Promise<number[][]> {
  const device = await CpuDevice.create({ threads: 1 });
  const dynamics = new DynamicsModel(device, model.spec, model.normalizer);
  try {
    dynamics.setParams(model.params);
    const errors: number[][] = [];
    for (const { inputs, targets } of linearData(FACTORS).situations) {
      const rows = dynamics.upload(inputs, targets);
      errors.push(Array.from(await dynamics.errors(rows), (error) => error / rows.count));
      dynamics.free(rows);
    }
    return errors;
  } finally {
    dynamics.close();
    await device.close();
  }
}

Deno.test("trainFamle() learns to tell situations apart by their embeddings", async () => {
  const { model, finished } = await train();
  assert.ok(finished);
  assert.equal(model.spec.situations, FACTORS.length);
  for (const [g, errors] of (await errorsOf(model)).entries()) {
    assert.equal(errors.indexOf(Math.min(...errors)), g);
    // the variance of both outputs is 1 each, so a model that knows nothing has 2, and one that
    // knows all but the action's effect has 1
    assert.ok(errors[g] < 0.7, `situation ${g}: ${errors[g]}`);
  }
});

Deno.test("trainFamle() with one embedding can't tell situations apart", async () => {
  const { model } = await train({ config: famleConfig({ ...SMALL, embeddings: 1 }) });
  assert.equal(model.spec.situations, 1);
  const errors = (await errorsOf(model)).flat();
  // the action moves the first output by +a, 0, -a: the best answer for all three is 0, which
  // leaves its variance of 1 on the average
  const average = errors.reduce((sum, x) => sum + x, 0) / errors.length;
  assert.ok(average > 0.8, `error ${average}`);
});

Deno.test("trainFamle() goes on from a checkpoint to the same bytes", async () => {
  const whole = new MemoryWriter();
  await train({ writer: whole });
  const controller = new AbortController();
  const first = new MemoryWriter();
  const { finished } = await train({
    writer: first,
    stop: controller.signal,
    onBlock: ({ metaIterations }) => {
      if (metaIterations === 300) controller.abort();
    },
  });
  assert.ok(!finished);
  const stopped = first.checkpoints.at(-1)!;
  assert.equal(stopped.iteration, 300);
  const second = new MemoryWriter();
  await train({ writer: second, resume: stopped });
  assert.equal(second.firstIteration, 3);
  assert.deepEqual(await second.lastBytes(), await whole.lastBytes());
  assert.notDeepEqual(await first.lastBytes(), await whole.lastBytes());
  const rows = (writer: MemoryWriter) =>
    writer.results().map(({ Itr, MeanLoss }) => [Itr, MeanLoss]);
  assert.deepEqual([...rows(first), ...rows(second)], rows(whole));
});

Deno.test("trainFamle() refuses to go on with other data or another network", async () => {
  const writer = new MemoryWriter();
  const config = famleConfig({ ...SMALL, meta_iter: 100 });
  await train({ writer, config });
  const resume = writer.checkpoints.at(-1)!;
  const refused = (changes: Partial<FamleTrainRequest>, wanted: RegExp) =>
    assert.rejects(
      train({ resume, config: famleConfig(SMALL), ...changes }),
      (error) => error instanceof UserError && wanted.test(error.message),
    );
  await refused({ data: linearData(FACTORS, 48, 6) }, /data are not those/);
  await refused({ data: linearData([1, 0.5, -1]) }, /data are not those/);
  await refused({ data: linearData([1, 0]) }, /its model is/);
  await refused({ config: famleConfig({ ...SMALL, hidden_layers: [9] }) }, /its model is/);
});

Deno.test("trainFamle() gives other parameters for another seed", async () => {
  const config = famleConfig({ ...SMALL, meta_iter: 100 });
  const { model: one } = await train({ config });
  const { model: two } = await train({ config, seed: 2 });
  assert.notDeepEqual(one.params, two.params);
});

Deno.test("trainFamle() stops where the model diverges and keeps the checkpoint before", async () => {
  const writer = new MemoryWriter();
  const config = famleConfig({ ...SMALL, inner_step: 1e6 });
  await assert.rejects(
    train({ writer, config }),
    (error) => error instanceof RunError && /lower inner_step/.test(error.message),
  );
  assert.deepEqual(writer.checkpoints, []);
});

Deno.test("trainFamle() refuses a single situation and samples below a minibatch", async () => {
  await assert.rejects(
    train({ data: linearData([1]) }),
    (error) => error instanceof UserError && /at least 2/.test(error.message),
  );
  await assert.rejects(
    train({ config: famleConfig({ ...SMALL, inner_sample_size: 8 }) }),
    (error) => error instanceof UserError && /inner_sample_size/.test(error.message),
  );
});

Deno.test("a model survives its file", async () => {
  const config = famleConfig({ ...SMALL, meta_iter: 100 });
  const { model } = await train({ config });
  const checkpoint = modelToCheckpoint(model, config);
  const again = modelFromCheckpoint(checkpoint, "test");
  assert.deepEqual(again, model);
  assert.deepEqual(
    await encodeCheckpoint(modelToCheckpoint(again, config)),
    await encodeCheckpoint(checkpoint),
  );
});

Deno.test("modelFromCheckpoint() refuses what is no model", async () => {
  const config = famleConfig({ ...SMALL, meta_iter: 100 });
  const checkpoint = modelToCheckpoint((await train({ config })).model, config);
  const refused = (changes: Partial<typeof checkpoint>, wanted: RegExp) =>
    assert.throws(
      () => modelFromCheckpoint({ ...checkpoint, ...changes }, "x.safetensors"),
      (error) => error instanceof UserError && wanted.test(error.message),
    );
  refused({ algorithm: "promp" }, /x\.safetensors is a checkpoint of promp/);
  refused({ config: { ...checkpoint.config, hidden_layers: "wide" } }, /"hidden_layers" is "wide"/);
  refused({ tensors: checkpoint.tensors.filter(({ name }) => name !== "W0") }, /no tensor "W0"/);
  refused({ tensors: [] }, /x\.safetensors has no tensor/);
  // more than any memory holds: told from the tensors that there are, before room is made
  const huge = { ...checkpoint.config, hidden_layers: [1e7, 1e7] };
  refused({ config: huge }, /tensor "W0" is \[/);
});

Deno.test("trainFamle() refuses more embeddings than situations", async () => {
  await assert.rejects(
    train({ config: famleConfig({ ...SMALL, embeddings: 4 }) }),
    (error) => error instanceof UserError && /at most .* got 4 for data of 3/.test(error.message),
  );
});

Deno.test("modelToCheckpoint() refuses a parameter that is not finite", async () => {
  const config = famleConfig({ ...SMALL, meta_iter: 100 });
  const { model } = await train({ config });
  const params = model.params.slice();
  params[params.length - 1] = NaN;
  assert.throws(
    () => modelToCheckpoint({ ...model, params }, config),
    (error) =>
      error instanceof RunError && /Parameter b1 of the dynamics model is NaN/.test(
        error.message,
      ),
  );
});
