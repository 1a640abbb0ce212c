import assert from "node:assert/strict";
import type { ProgressRow } from "../../src/run/log.ts";
import { RunError } from "../../src/util/errors.ts";
import type { MetaAlgorithm } from "../../src/trainer/types.ts";
import { MemoryWriter, tinyConfig, train } from "./tiny.ts";
import { testNeeding } from "../permissions.ts";

const test = testNeeding("read");

const ALGORITHMS: MetaAlgorithm[] = ["promp", "mmaml"];

for (const algorithm of ALGORITHMS) {
  test(`${algorithm}: 1, 2 and 5 workers give the same rows and the same checkpoint`, async () => {
    const runs = [];
    for (const workers of [1, 2, 5]) {
      const { writer } = await train(algorithm, tinyConfig(), { workers });
      runs.push({ rows: writer.results(), bytes: await writer.lastBytes() });
    }
    assert.equal(runs[0].rows.length, 2);
    assert.deepEqual(runs[1], runs[0]);
    assert.deepEqual(runs[2], runs[0]);
  });

  test(`${algorithm}: 4 iterations equal 2, resumed for 2 more`, async () => {
    const whole = (await train(algorithm, tinyConfig({ n_itr: 4 }))).writer;
    const first = (await train(algorithm, tinyConfig({ n_itr: 2 }))).writer;
    const resume = first.checkpoints[0];
    const second = (await train(algorithm, tinyConfig({ n_itr: 4 }), { resume })).writer;
    assert.equal(second.firstIteration, 2);
    assert.deepEqual([...first.results(), ...second.results()], whole.results());
    assert.deepEqual(await second.lastBytes(), await whole.lastBytes());
  });
}

test("another seed gives other numbers", async () => {
  const one = (await train("promp", tinyConfig({ n_itr: 1 }))).writer.results();
  const other = (await train("promp", tinyConfig({ n_itr: 1, seed: 2 }))).writer.results();
  assert.notEqual(one[0]["Step_0-AverageReturn"], other[0]["Step_0-AverageReturn"]);
});

test("every row has the columns that were announced, in that order", async () => {
  const { writer } = await train("mmaml", tinyConfig({ n_itr: 1, log_grad_norm: true }));
  assert.deepEqual(Object.keys(writer.rows[0]).sort(), [...writer.columns].sort());
  assert(writer.rows[0]["GradNormPolicy"]! > 0);
  assert(writer.rows[0]["GradNormEncoder"]! > 0);
});

test("n_timesteps counts all environment steps since the start of the run", async () => {
  const { writer } = await train("promp", tinyConfig());
  // 5 tasks x 3 rollouts x 12 steps x 3 rounds, and point environments never end early
  assert.deepEqual(writer.rows.map((row) => row["n_timesteps"]), [540, 1080]);
});

test("shares of waiting follow from the times of the phases", async () => {
  const { writer } = await train("mmaml", tinyConfig({ n_itr: 3 }), { workers: 2 });
  for (const row of writer.rows) {
    const time = (name: string) => row[`Time-${name}`]!;
    const busy = time("Sampling") + time("SampleProc") + time("InnerStep");
    const near = (name: string, wanted: number) =>
      assert.ok(Math.abs(row[name]! - wanted) < 1e-9, `${name}: ${row[name]}, not ${wanted}`);
    near("Idle-Sampling", 1 - busy / time("TotalInner"));
    near("Idle-Workers", 1 - busy / row["ItrTime"]!);
    near("Idle-Device", 1 - time("OuterStep") / row["ItrTime"]!);
    assert.ok(row["Idle-Workers"]! >= row["Idle-Sampling"]! && row["Idle-Workers"]! < 1);
  }
});

test("--init takes the parameters, and neither the counters nor the optimiser", async () => {
  const first = (await train("promp", tinyConfig())).writer.checkpoints[0];
  const { writer } = await train("promp", tinyConfig({ n_itr: 1, learning_rate: 0 }), {
    init: first,
  });
  const second = writer.checkpoints[0];
  assert.equal(second.iteration, 1);
  const tensor = (from: typeof first, name: string) =>
    Array.from(from.tensors.find((t) => t.name === name)!.data);
  assert.deepEqual(tensor(second, "policy.W0"), tensor(first, "policy.W0"));
  // one Adam step from zero moments: m = 0.1 g (two outer steps, the second decays the first)
  assert.notDeepEqual(tensor(second, "adam.m.policy.W0"), tensor(first, "adam.m.policy.W0"));
});

test("a checkpoint of another network is refused with the tensor's name", async () => {
  const { writer } = await train("promp", tinyConfig({ n_itr: 1 }));
  const resume = writer.checkpoints[0];
  await assert.rejects(
    train("promp", tinyConfig({ hidden_sizes: [8, 9] }), { resume }),
    /"policy.W1" is \[8,8\], this configuration needs \[8,9\]/,
  );
  await assert.rejects(
    train("mmaml", tinyConfig(), { resume }),
    /no tensor "encoder.gru_kernel"/,
  );
});

test("learn_std false keeps the standard deviation at init_std", async () => {
  const { writer } = await train("mmaml", tinyConfig({ learn_std: false, init_std: 0.5 }));
  for (const row of writer.rows) {
    for (const k of [0, 1, 2]) {
      const std = row[`Step_${k}-AveragePolicyStd`]!;
      // ln and exp in float32
      assert(Math.abs(std - 0.5) < 1e-6, `step ${k}: ${std}`);
    }
  }
});

test("the published encoder window changes MMAML's adaptation and nothing before it", async () => {
  const ours = (await train("mmaml", tinyConfig({ n_itr: 1 }))).writer.results()[0];
  const theirs =
    (await train("mmaml", tinyConfig({ n_itr: 1, compat: "mmaml-rl" }))).writer.results()[0];
  assert.equal(theirs["Step_0-AverageReturn"], ours["Step_0-AverageReturn"]);
  assert.notEqual(theirs["Step_1-AverageReturn"], ours["Step_1-AverageReturn"]);
});

test("a diverging run stops with the place and keeps the last good state", async () => {
  const good = (await train("promp", tinyConfig({ n_itr: 2 }))).writer;
  const writer = new MemoryWriter();
  const config = tinyConfig({ n_itr: 50, learning_rate: 1e30 });
  await assert.rejects(
    train("promp", config, { resume: good.checkpoints[0], writer }),
    /^RunError: iteration 2, .* is (NaN|-?Infinity) .*; the state before this iteration is kept/,
  );
  assert.equal(writer.rows.length, 1);
  assert(writer.rows[0]["Divergence"]! > 0);
  assert.deepEqual(writer.checkpoints.map(({ iteration }) => iteration), [2]);
  assert.deepEqual(writer.checkpoints[0].tensors, good.checkpoints[0].tensors);
});

test("an iteration whose row can't be written is in no checkpoint", async () => {
  class FullDisk extends MemoryWriter {
    override appendRow(row: ProgressRow): void {
      if (row["Itr"] === 2) throw new RunError("write-failed", "No space left on device");
      super.appendRow(row);
    }
  }
  const writer = new FullDisk();
  await assert.rejects(train("promp", tinyConfig({ n_itr: 5 }), { writer }), /No space left/);
  // rows 0 and 1: a resumed run has to write row 2 again
  assert.deepEqual(writer.checkpoints.map(({ iteration }) => iteration), [2]);
});

test("ProMP learns: the return after adaptation rises on one mode of the point mass", async () => {
  const { writer } = await train(
    "promp",
    tinyConfig({
      env: "MetaPointEnvMomentum1Mode",
      meta_batch_size: 10,
      rollouts_per_meta_task: 10,
      max_path_length: 20,
      num_inner_grad_steps: 1,
      hidden_sizes: [16],
      n_itr: 40,
      num_promp_steps: 5,
      learning_rate: 0.01,
    }),
    { workers: 2 },
  );
  const returns = writer.rows.map((row) => row["Step_1-AverageReturn"]!);
  const average = (xs: number[]) => xs.reduce((sum, x) => sum + x, 0) / xs.length;
  const [start, end] = [average(returns.slice(0, 5)), average(returns.slice(-5))];
  // The goal lies 7 away and 20 steps of at most 0.1 more speed each can reach it; standing still
  // is worth about -141, going straight about -70.
  assert(start < -130 && end > -110, `from ${start} to ${end}`);
});

test("Adam's step count goes on over iterations", async () => {
  const lr = 0.01;
  const changes = { num_promp_steps: 1, learning_rate: lr };
  const [one, two] = await Promise.all(
    [1, 2].map(async (n_itr) =>
      (await train("promp", tinyConfig({ ...changes, n_itr }))).writer.checkpoints[0]
    ),
  );
  const tensor = (from: typeof one, name: string) =>
    from.tensors.find((t) => t.name === name)!.data;
  const [before, after] = [one, two].map((from) => tensor(from, "policy.W1"));
  const [m, v] = ["adam.m.policy.W1", "adam.v.policy.W1"].map((name) => tensor(two, name));
  // the second step of all: lr sqrt(1 - b2^2) / (1 - b1^2) m / (sqrt(v) + 1e-8), golden README
  const rate = lr * Math.sqrt(1 - 0.999 ** 2) / (1 - 0.9 ** 2);
  for (let i = 0; i < after.length; i++) {
    const expected = before[i] - rate * m[i] / (Math.sqrt(v[i]) + 1e-8);
    // float32 parameters of about 1
    assert(Math.abs(after[i] - expected) < 1e-6, `entry ${i}: ${after[i]}, wanted ${expected}`);
  }
});
