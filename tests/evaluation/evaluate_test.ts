/** Tests of src/evaluation/: loading a run, fresh tasks, summaries, agreement with training. */
import assert from "node:assert/strict";
import type { RunConfig } from "../../src/config/schema.ts";
import type { Env } from "../../src/envs/env.ts";
import { loadEnv } from "../../src/envs/registry.ts";
import { commonMode, taskDifference } from "../../src/evaluation/comparison.ts";
import {
  adaptToTask,
  evaluate,
  type EvaluationRequest,
  FIRST_ITERATION,
  TASKS_PER_GROUP,
} from "../../src/evaluation/evaluate.ts";
import { isLaterVersion, type LoadedRun, loadRun } from "../../src/evaluation/load_run.ts";
import { cutText, pairedDifference, summarize } from "../../src/evaluation/summary.ts";
import { readProgress } from "../../src/run/log.ts";
import type { MetaAlgorithm } from "../../src/trainer/types.ts";
import { UserError } from "../../src/util/errors.ts";
import { KeyedRandom, Purpose } from "../../src/util/prng.ts";
import { mean } from "../../src/util/statistics.ts";
import { inTemporaryFolder } from "../cli/metarl_process.ts";
import { lacks } from "../permissions.ts";
import { PARAMS } from "../run/sample_run.ts";
import { withCutRollouts, withPoint } from "../trainer/changed_point.ts";
import { tinyConfig, train } from "../trainer/tiny.ts";
import { trainInto } from "./trained_run.ts";

const VERSION = "0.1.0";
const NEEDS = lacks("read", "write");

const REQUEST: EvaluationRequest = { tasks: 6, steps: 2, seed: 1, mode: null, workers: 1 };

function runTest(
  name: string,
  algorithm: MetaAlgorithm,
  changes: Readonly<Record<string, unknown>>,
  body: (run: LoadedRun) => Promise<void>,
): void {
  Deno.test({
    name,
    ignore: NEEDS,
    fn: () =>
      inTemporaryFolder(async (folder) => {
        await trainInto(`${folder}/run`, algorithm, changes);
        await body(await loadRun(`${folder}/run`, { checkpoint: null, version: VERSION }));
      }),
  });
}

/** Trained until adaptation and training both show in the returns. */
const LEARNING = {
  env: "MetaPointEnvMomentum1Mode",
  meta_batch_size: 20,
  rollouts_per_meta_task: 5,
  max_path_length: 30,
  hidden_sizes: [16, 16],
  learning_rate: 0.02,
  inner_lr: 0.05,
  n_itr: 40,
};

for (const algorithm of ["promp", "mmaml"] as const) {
  runTest(
    `evaluate() of the last checkpoint of ${algorithm} agrees with the training log`,
    algorithm,
    LEARNING,
    async (run) => {
      const { rows } = readProgress(`${run.path}/progress.csv`);
      const request = { ...REQUEST, tasks: 20 };
      const { all } = summarize(await evaluate(run, request), run.env.spec.modes);
      const last = rows[rows.length - 1];
      all.returns.forEach(({ mean, low, high }, k) => {
        // both are means over 20 tasks: their difference varies sqrt(2) times as much as one
        const tolerance = Math.SQRT2 * (high - low) / 2;
        const logged = last[`Step_${k}-AverageReturn`]!;
        assert.ok(Math.abs(mean - logged) < tolerance, `step ${k}: ${mean}, logged ${logged}`);
        // and the check would see another checkpoint: training moved the returns by more
        const first = rows[0][`Step_${k}-AverageReturn`]!;
        assert.ok(Math.abs(first - logged) > 2 * tolerance, `step ${k}: ${first} -> ${logged}`);
      });
    },
  );
}

runTest("evaluate() gives the same numbers with one worker and two", "mmaml", {}, async (run) => {
  const one = await evaluate(run, { ...REQUEST, tasks: 45 });
  const two = await evaluate(run, { ...REQUEST, tasks: 45, workers: 2 });
  assert.deepEqual(two.returns, one.returns);
  assert.deepEqual(two.embeddings, one.embeddings);
  assert.equal(one.tasks.count, 45);
  assert.equal(one.environmentSteps, 45 * 3 * 3 * 12); // tasks x rounds x rollouts x steps
});

runTest("evaluate() takes tasks that training never draws", "promp", {}, async (run) => {
  const { tasks } = await evaluate(run, { ...REQUEST, tasks: 50 });
  const random = new KeyedRandom(REQUEST.seed);
  const trained = new Set<number>();
  for (let i = 0; i < 200; i++) {
    run.env.sampleTasks(random, i, 50).rows.forEach((value) => trained.add(value));
  }
  assert.ok(tasks.rows.every((value) => !trained.has(value)));
  // tasks 40 .. are those of the second group
  const second = run.env.sampleTasks(random, FIRST_ITERATION + 1, 50 - TASKS_PER_GROUP);
  assert.deepEqual(tasks.rows.subarray(TASKS_PER_GROUP * 2), second.rows);
});

runTest("evaluate() takes more inner steps than training did", "mmaml", {}, async (run) => {
  const two = await evaluate(run, REQUEST);
  const four = await evaluate(run, { ...REQUEST, steps: 4 });
  assert.equal(four.returns.length, 5);
  assert.deepEqual(four.returns.slice(0, 3), two.returns);
  assert.notDeepEqual(four.returns[4], four.returns[2]);
});

runTest("evaluate() adapts with the run's own inner step size", "promp", {}, async (run) => {
  const adapted = await evaluate(run, REQUEST);
  const still = await evaluate({ ...run, config: { ...run.config, innerLr: 0 } }, REQUEST);
  assert.deepEqual(still.returns[0], adapted.returns[0]);
  for (const k of [1, 2]) {
    adapted.returns[k].forEach((value, m) => assert.notEqual(still.returns[k][m], value));
  }
});

runTest("evaluate() restricts tasks to one mode", "promp", {}, async (run) => {
  const { tasks } = await evaluate(run, { ...REQUEST, tasks: 30, mode: 2 });
  assert.deepEqual([...new Set(tasks.modes)], [2]);
});

runTest("evaluate() lays rest and oracle beside the policy", "promp", {}, async (run) => {
  const { doNothing, oracle } = await evaluate(run, { ...REQUEST, tasks: 30 });
  // goals are about 7 m away: at rest (drifting by at most 0.1 m a step) 12 steps pay about -84
  doNothing.forEach((value) => assert.ok(value < -12 * 2 && value > -12 * 12, String(value)));
  oracle!.forEach((value, m) => assert.ok(value > doNothing[m], `${m}: ${value}`));
});

/** The environment, its episodes over after so many steps. */
function endingAfter(env: Env, most: number): Env {
  let steps = 0;
  return new Proxy(env, {
    get(target, name) {
      if (name === "terminated") return steps >= most;
      const value = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        if (name === "reset") steps = 0;
        if (name === "step") steps++;
        return value.apply(target, args);
      };
    },
  });
}

runTest(
  "evaluate() lets rest and oracle begin where the policy does, and end",
  "promp",
  {},
  async (run) => {
    const request = { ...REQUEST, tasks: 42 };
    const env = await run.env.createInstance();
    try {
      for (const [steps, most, high] of [[12, Infinity, 0.1], [3, 3, 0.3]]) {
        // rest is the middle of the range: 0, or 0.1
        const rest = new Float64Array(env.spec.actDim).fill((high - 0.1) / 2);
        const spec = {
          ...env.spec,
          actionHigh: rest.map(() => high),
          actionLow: rest.map(() => -0.1),
        };
        const createInstance = () => Promise.resolve(endingAfter(env, most));
        const changed = { ...run, env: { ...run.env, spec, createInstance } };
        const { doNothing } = await evaluate(changed, request);
        // the last one is the second of the second group
        for (const task of [1, 41]) {
          const { batches: [batch], taskRow } = await adaptToTask(run, { ...request, task });
          const random = new KeyedRandom(request.seed);
          env.setTask(taskRow);
          const group = Math.floor(task / TASKS_PER_GROUP);
          env.reset(random.at(Purpose.ENV_RESET, FIRST_ITERATION + group, task % TASKS_PER_GROUP));
          assert.deepEqual([...env.obs].map(Math.fround), [
            ...batch.obs.subarray(0, env.obs.length),
          ]);
          let earned = 0;
          for (let t = 0; t < steps; t++) {
            env.step(rest);
            earned += env.reward;
          }
          assert.equal(doNothing[task], earned);
        }
      }
    } finally {
      env.close();
    }
  },
);

runTest("evaluate() replays paths that lead to the recorded places", "promp", {}, async (run) => {
  const { paths, tasks } = await evaluate(run, { ...REQUEST, tasks: 45, paths: 5 });
  assert.equal(paths.length, 5);
  assert.deepEqual(new Set(paths.slice(0, 4).map(({ mode }) => mode)).size, 4);
  for (const path of paths) {
    assert.deepEqual(path.goal, [tasks.rows[2 * path.task], tasks.rows[2 * path.task + 1]]);
    const { batches } = await adaptToTask(run, { ...REQUEST, task: path.task });
    [path.before, path.after].forEach((places, i) => {
      const { obs, sizes } = batches[i === 0 ? 0 : 2];
      assert.equal(places.length, sizes.maxSteps + 1);
      // the observation begins with the position; it is kept as float32
      for (let t = 0; t < sizes.maxSteps; t++) {
        assert.deepEqual(places[t].map(Math.fround), [obs[4 * t], obs[4 * t + 1]]);
      }
    });
  }
});

runTest("adaptToTask() has the rollouts of evaluate()", "mmaml", {}, async (run) => {
  const { returns } = await evaluate(run, { ...REQUEST, tasks: 42 });
  for (const task of [0, 3, 41]) {
    const { batches } = await adaptToTask(run, { ...REQUEST, task });
    assert.deepEqual(
      batches.map((batch) => mean(batch.returns)),
      returns.map((step) => step[task]),
    );
  }
});

runTest("summarize() takes means over tasks, in all and by mode", "promp", {}, async (run) => {
  const evaluation = await evaluate(run, { ...REQUEST, tasks: 20 });
  const { all, modes } = summarize(evaluation, 4);
  const total = modes.reduce((sum, mode) => sum + mode.tasks * mode.returns[1].mean, 0);
  assert.ok(Math.abs(total / 20 - all.returns[1].mean) < 1e-9);
  assert.equal(modes.reduce((sum, mode) => sum + mode.tasks, 0), 20);
  const [mode] = modes;
  const own = evaluation.returns[2].filter((_, m) => evaluation.tasks.modes[m] === mode.mode);
  assert.ok(Math.abs(mean(own) - mode.returns[2].mean) < 1e-9);
  assert.deepEqual(summarize(evaluation, 0).modes, []);
});

runTest("pairedDifference() compares task by task", "promp", {}, async (run) => {
  const evaluation = await evaluate(run, { ...REQUEST, tasks: 20 });
  const raised = {
    ...evaluation,
    returns: evaluation.returns.map((step) => step.map((value) => value + 3)),
  };
  const { mean, low, high } = pairedDifference(raised, evaluation);
  // the same difference in every task: the spread between tasks does not show
  for (const value of [mean, low, high]) assert.ok(Math.abs(value - 3) < 1e-9);
  const others = await evaluate(run, { ...REQUEST, tasks: 20, seed: 2 });
  assert.throws(() => pairedDifference(others, evaluation), RangeError);
});

Deno.test("taskDifference() tells what decides tasks and rewards of an environment alone", async () => {
  const base = { maxSteps: 50, rewardType: null, compat: "none", observeAllVelocities: false };
  const of = async (name: string, changes: Partial<RunConfig>) => ({
    config: { ...base, ...changes } as RunConfig,
    env: await loadEnv(name),
  });
  const point = await of("MetaPointEnvMomentum", {});
  const difference = async (name: string, changes: Partial<RunConfig>) =>
    taskDifference(name === "MetaPointEnvMomentum" ? point : await of(name, {}), {
      ...await of(name, changes),
    });
  assert.equal(await difference("MetaPointEnvMomentum", { compat: "mmaml-rl" }), "");
  assert.equal(
    await difference("MetaPointEnvMomentum", { rewardType: "sparse", maxSteps: 20 }),
    "max_path_length 50 and 20, reward_type null and sparse",
  );
  // there the switch turns the reward around
  assert.equal(
    await difference("SwimmerRandVelEnv", { compat: "mmaml-rl" }),
    "compat none and mmaml-rl",
  );
  assert.equal(await difference("Reacher3LinkEnv", { rewardType: "sparse" }), "");
  assert.equal(
    taskDifference(point, await of("Reacher3LinkEnv", {})),
    "env MetaPointEnvMomentum and Reacher3LinkEnv",
  );
});

Deno.test("commonMode() is the mode of all runs, or none", () => {
  const runs = (...modes: (number | null)[]) =>
    modes.map((mode) => ({ config: { mode } as RunConfig }));
  assert.equal(commonMode(runs(2, 2)), 2);
  assert.equal(commonMode(runs(0)), 0);
  assert.equal(commonMode(runs(1, 2)), null);
  assert.equal(commonMode(runs(null, 2)), null);
  assert.equal(commonMode(runs(null)), null);
});

Deno.test("isLaterVersion() compares number by number", () => {
  assert.equal(isLaterVersion("0.10.0", "0.9.9"), true);
  assert.equal(isLaterVersion("1.0.0", "0.9.9"), true);
  assert.equal(isLaterVersion("0.1.0", "0.1.0"), false);
  assert.equal(isLaterVersion("0.1.0", "0.1.1"), false);
});

/** Code and message of what loading the folder throws. */
async function refusal(folder: string, checkpoint: number | null = null): Promise<UserError> {
  try {
    await loadRun(folder, { checkpoint, version: VERSION });
  } catch (error) {
    assert.ok(error instanceof UserError, String(error));
    return error;
  }
  throw new Error("accepted");
}

Deno.test({
  name: "loadRun() refuses what can't be evaluated",
  ignore: NEEDS,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      assert.equal((await refusal(folder)).code, "run-not-found");
      const path = `${folder}/run`;
      await trainInto(path, "promp", { save_steps: 1 });
      assert.match((await refusal(path, 7)).message, /no checkpoint of 7 iterations; .* 1, 2$/);
      const loaded = await loadRun(path, { checkpoint: 1, version: VERSION });
      assert.equal(loaded.checkpoint.iteration, 1);

      const params = JSON.parse(Deno.readTextFileSync(`${path}/params.json`));
      const withParams = (changes: Record<string, unknown>) =>
        Deno.writeTextFileSync(`${path}/params.json`, JSON.stringify({ ...params, ...changes }));
      withParams({ metarl_version: "99.0.0" });
      assert.equal((await refusal(path)).code, "run-version");
      withParams({ algorithm: "famle" });
      assert.equal((await refusal(path)).code, "run-algorithm");
      withParams({ environment: { ...params.environment, version: 99 } });
      assert.equal((await refusal(path)).code, "run-environment");
      withParams({ config: { ...params.config, env: "/gone/env.json" } });
      assert.equal((await refusal(path)).code, "env-file");
      withParams({});

      // the newest checkpoint is damaged: the one before it is taken, and said
      const newest = `${path}/checkpoints/checkpoint-000002.safetensors`;
      Deno.truncateSync(newest, 100);
      const older = await loadRun(path, { checkpoint: null, version: VERSION });
      assert.equal(older.checkpoint.iteration, 1);
      assert.match(older.notices[0], /can't use checkpoint .*000002/);
      assert.equal((await refusal(path, 2)).code, "checkpoint-damaged");
      Deno.removeSync(newest);
      Deno.removeSync(`${path}/checkpoints/checkpoint-000001.safetensors`);
      assert.equal((await refusal(path)).code, "checkpoint-not-found");
    }),
});

runTest(
  "loadRun() adapts with the inner step size that training had come to",
  "promp",
  { inner_lr: 300, max_inner_kl: null, max_outer_kl: null, on_divergence: "halve-step" },
  (run) => {
    const last = readProgress(`${run.path}/progress.csv`).rows.at(-1)!;
    assert.ok(run.config.innerLr < 300, "it was halved");
    assert.equal(run.config.innerLr, last["InnerLr"]);
    return Promise.resolve();
  },
);

/** A run of one iteration in an environment that is a module. */
async function runIn(path: string, changes: Readonly<Record<string, unknown>>): Promise<LoadedRun> {
  const config = tinyConfig({ env: path, n_itr: 1, ...changes });
  const { writer: { checkpoints: [checkpoint] } } = await train("promp", config);
  return {
    ...{ path: "test", params: PARAMS, algorithm: "promp", config, checkpoint },
    ...{ env: await loadEnv(path), checkpointPath: "test", notices: [] },
  };
}

Deno.test({
  name: "evaluate() counts the rollouts that were cut, and their steps",
  ignore: NEEDS,
  fn: () =>
    withCutRollouts(async (path) => {
      const run = await runIn(path, { max_cut_rollouts: 1 });
      const config = { ...run.config, maxCutRollouts: 0 };
      const request = { ...REQUEST, tasks: 4 };
      const { nonFinite, environmentSteps } = await evaluate({ ...run, config }, request);
      // one rollout of 3 in 4 tasks and 3 rounds; 4 of its 12 steps are left
      assert.equal(nonFinite, 4 * 3);
      assert.equal(environmentSteps, 4 * 3 * (12 + 12 + 4));
    }),
});

Deno.test({
  name: "evaluate() counts the rollouts of doing nothing that were cut",
  ignore: NEEDS,
  fn: () =>
    withPoint("if (action[0] === 0 && action[1] === 0) env.obs[0] = NaN", async (path) => {
      const run = await runIn(path, {});
      const evaluation = await evaluate(run, { ...REQUEST, tasks: 4 });
      assert.equal(evaluation.nonFinite, 4);
      assert.deepEqual([...evaluation.doNothing], [0, 0, 0, 0]);
      assert.match(cutText(run, evaluation)!, /^warning: 4 rollouts of test were cut because /);
      assert.equal(cutText(run, { ...evaluation, nonFinite: 0 }), null);
    }),
});
