/**
 * Runs that diverge, for every reason that there is, and what the three ways to react make of it.
 */
import assert from "node:assert/strict";
import {
  checkMoments,
  checkReturn,
  checkValues,
  Divergence,
  DivergenceKind,
  type GuardState,
  isNewBest,
  MOST_EVENTS,
  NEW_GUARD,
  reactTo,
  type ReturnTrack,
  trackReturn,
} from "../../src/trainer/divergence.ts";
import type { EnvSpec } from "../../src/envs/env.ts";
import { metaRow } from "../../src/trainer/meta_row.ts";
import type { MetaAlgorithm } from "../../src/trainer/types.ts";
import { testNeeding } from "../permissions.ts";
import { withCutRollouts, withPoint } from "./changed_point.ts";
import { MemoryWriter, tinyConfig, train } from "./tiny.ts";

const test = testNeeding("read", "write");

type Changes = Readonly<Record<string, unknown>>;

/** Breaks in one of some iterations: where a task's wind blows hard to the right. */
const BROKEN_TASKS = "if (task[0] > WIND) env.obs[1] = NaN";

async function diverge(changes: Changes, algorithm: MetaAlgorithm = "promp", workers = 1) {
  const writer = new MemoryWriter();
  const notices: string[] = [];
  let message = "";
  try {
    const run = await train(algorithm, tinyConfig(changes), { writer, workers });
    notices.push(...run.notices);
  } catch (error) {
    message = String(error);
  }
  return { writer, message, notices, kinds: writer.rows.map((row) => row["Divergence"]) };
}

/** Settings that make a run diverge at once, what it is told as, and what it says. */
const CAUSES: readonly [keyof typeof DivergenceKind, Changes, RegExp][] = [
  [
    "ADAPTATION",
    { inner_lr: 1e39 },
    /iteration 0, task 0, inner step 0: parameter policy\.\w+ is (NaN|-?Infinity) \(kernel sgd_step\)/,
  ],
  [
    "ADAPTATION",
    { inner_lr: 1e6 },
    /iteration 0, task 0, round 1: action \d .* is (NaN|-?Infinity) .*\(kernel policy_forward\)/,
  ],
  [
    "LOSS",
    { learning_rate: 1e4, num_promp_steps: 1 },
    /iteration 0, task 0: the .* is (NaN|-?Infinity) \(kernel surrogate_gradient, after the outer/,
  ],
  [
    "PARAMETER",
    { learning_rate: 1e39, num_promp_steps: 1 },
    /iteration 0, all tasks: parameter policy\.W0 is (NaN|-?Infinity) after .*\(kernel adam\)/,
  ],
  [
    "INNER_KL",
    { max_inner_kl: 1e-9 },
    /iteration 0, task 0: the inner KL of step 0 is [\d.e-]+, above max_inner_kl \(1e-9\) \(kernel surr/,
  ],
  [
    "OUTER_KL",
    { max_outer_kl: 1e-9 },
    /iteration 0, task 0: the outer KL is [\d.e-]+, above max_outer_kl \(1e-9\) \(kernel surrogate/,
  ],
];

for (const [kind, changes, message] of CAUSES) {
  test(`stop: a run ends with iteration, task, kernel and value (${message.source})`, async () => {
    for (const algorithm of ["promp", "mmaml"] as const) {
      const { kinds, message: found, writer } = await diverge(changes, algorithm);
      assert.match(found, message);
      assert.match(
        found,
        /; the state before this iteration is kept; go on with --resume and --on/,
      );
      assert.deepEqual(kinds, [DivergenceKind[kind]], found);
      assert.deepEqual(writer.checkpoints, [], "nothing was learned");
      assert.equal(writer.rows[0]["LossAfter"], null);
    }
  });
}

test("stop: an environment that gives NaN in all rollouts of a task is named with it", async () => {
  await withPoint(BROKEN_TASKS.replace("WIND", "-9"), async (env) => {
    const { kinds, message, writer } = await diverge({ env });
    assert.match(
      message,
      /^RunError: Cannot sample iteration 0, task 0, round 0: .* \(rollout 0, step 0: observation y is NaN\)/,
    );
    assert.deepEqual(kinds, [DivergenceKind.OBSERVATION]);
    // no round was sampled by all tasks: there is nothing to average
    assert.equal(writer.rows[0]["Step_0-AverageReturn"], null);
    assert.equal(writer.rows[0]["n_timesteps"], 0);
  });
  await withPoint(
    "env.left = (env.left ?? 6) - 1; if (env.left < 0) env.obs[1] = NaN",
    async (env) => {
      const { message } = await diverge({ env });
      assert.match(
        message,
        /gave numbers that are not finite in 3 of 3 rollouts \(rollout 0, step 6: observation y is NaN/,
      );
    },
  );
});

test("one rollout with an observation that is not finite is enough", async () => {
  await withCutRollouts(async (env) => {
    const { kinds, message, writer } = await diverge({ env });
    assert.equal(
      message,
      "RunError: iteration 0, task 0, round 0: PointWind gave numbers that are not finite in 1 of 3 " +
        "rollouts (rollout 2, step 4: observation x is NaN), above max_cut_rollouts (0); the state " +
        "before this iteration is kept; go on with --resume and --on-divergence rollback, or leave " +
        "such rollouts out with --set max_cut_rollouts=N",
    );
    assert.deepEqual(kinds, [DivergenceKind.OBSERVATION]);
    assert.deepEqual(writer.checkpoints, [], "nothing was learned");
    const { OBSERVATION } = DivergenceKind;
    // rollback takes none of the steps, halve-step has none to make smaller
    const skipped = await diverge({ env, on_divergence: "rollback", n_itr: 2 });
    assert.deepEqual([skipped.message, skipped.kinds], ["", [OBSERVATION, OBSERVATION]]);
    assert.ok(skipped.notices.some((line) => line.startsWith("diverged: iteration 1, task 0, ")));
    assert.ok(skipped.writer.rows.every((row) => row["LossAfter"] === null));
    const halved = await diverge({ env, on_divergence: "halve-step" });
    assert.match(halved.message, /none can be smaller; go on with rollback/);
    assert.deepEqual(halved.kinds, [OBSERVATION]);
  });
});

test("an observation that is not finite after an inner step is halve-step's to mend", async () => {
  // 12 steps of at most 0.1 m and wind of at most 0.05 m: so far only where all go one way
  await withPoint("if (Math.hypot(...env.obs) > 1.2) env.obs[0] = NaN", async (env) => {
    const changes = { ...LARGE_INNER, env, inner_lr: 30, n_itr: 1 };
    const stopped = await diverge(changes);
    assert.deepEqual(stopped.kinds, [DivergenceKind.OBSERVATION]);
    assert.match(stopped.message, /iteration 0, task \d, round [12]: .* observation x is NaN/);
    const { kinds, message, writer } = await diverge({ ...changes, on_divergence: "halve-step" });
    assert.deepEqual([message, kinds], ["", [DivergenceKind.OBSERVATION]]);
    const [{ InnerLr: innerLr, LossAfter: loss }] = writer.rows;
    assert.ok(innerLr! < 30 && Number.isInteger(Math.log2(30 / innerLr!)) && loss !== null);
  });
});

test("max_cut_rollouts rollouts of a task may be cut, not more, and not all; it says so", async () => {
  await withCutRollouts(async (path) => {
    const changes = { env: path, n_itr: 1, max_cut_rollouts: 1 };
    const { writer, notices, message, kinds } = await diverge(changes);
    assert.deepEqual([message, kinds], ["", [DivergenceKind.CUT]]);
    assert.equal(writer.checkpoints.length, 1);
    // one rollout of each of 5 tasks, in 3 rounds
    const cut = notices.filter((line) => line.includes(" were cut because "));
    assert.deepEqual(cut, [
      "iteration 0: 15 rollouts were cut because PointWind gave numbers that are not finite " +
      "(task 0, round 0, rollout 2, step 4: observation x is NaN); the step is taken with the others",
    ]);
    const resumed = await train(
      "promp",
      tinyConfig({ ...changes, n_itr: 2, max_cut_rollouts: 2 }),
      {
        resume: writer.checkpoints[0],
      },
    );
    assert.equal(resumed.writer.rows[0]["Divergence"], DivergenceKind.CUT);
    // 2 of 3 where 1 is allowed, and 3 of 3 where any number is
    const text = Deno.readTextFileSync(path);
    const more = (instead: string) => {
      Deno.writeTextFileSync(path, text.replace("++made % 3 === 0", instead));
      return diverge({ ...changes, max_cut_rollouts: instead === "true" ? 9 : 1 });
    };
    const two = await more("++made % 3 > 0");
    assert.match(
      two.message,
      /in 2 of 3 rollouts \(rollout 0, .*\), above max_cut_rollouts \(1\);/,
    );
    const all = await more("true");
    assert.match(all.message, /in 3 of 3 rollouts .*, which is all of them;/);
    assert.deepEqual([two.kinds, all.kinds], [[1], [1]]);
    // of 12 steps, 4 are left of those
    assert.equal(writer.rows[0]["n_timesteps"], 15 * (12 + 12 + 4));
  });
});

test("stop: a gradient whose square is infinite is not taken for a small one", async () => {
  await withPoint("env.reward = 1e25 * task[0]", async (env) => {
    const { kinds, message } = await diverge({ env, inner_lr: 0, normalize_adv: false });
    assert.match(
      message,
      /iteration 0, all tasks: the gradient's mean square of policy\.\w+ is Infinity \(kernel inner_/,
    );
    assert.deepEqual(kinds, [DivergenceKind.GRADIENT]);
  });
});

/** Returns that fall by much less than any real collapse; noise alone is as large. */
const TOUCHY = { max_return_drop: 1e-3, n_itr: 30, learning_rate: 1e-4 };

test("stop: a collapse of the return ends the run", async () => {
  const { kinds, message } = await diverge(TOUCHY);
  assert.match(
    message,
    /iteration \d+, all tasks: the average return after adaptation is -[\d.]+, below -[\d.]+, which/,
  );
  assert.equal(kinds.at(-1), DivergenceKind.RETURN);
  assert.ok(kinds.length > 10, "the moving average counts from the tenth iteration on");
  assert.ok(kinds.slice(0, -1).every((kind) => kind === 0));
});

/** An inner step to infinity; without bounds, a smaller one only has to give finite numbers. */
const LARGE_INNER = { inner_lr: 300, max_inner_kl: null, max_outer_kl: null };

/** Runs that go on although they diverge. */
const GOING_ON: Readonly<Record<string, Changes>> = {
  "rollback, KL": { on_divergence: "rollback", max_outer_kl: 0.02, n_itr: 8 },
  "rollback, return": { on_divergence: "rollback", ...TOUCHY, n_itr: 16 },
  "halve-step, KL": { on_divergence: "halve-step", max_outer_kl: 1e-3, n_itr: 6 },
  "halve-step, inner step": { on_divergence: "halve-step", ...LARGE_INNER, n_itr: 3 },
  "halve-step, return": { on_divergence: "halve-step", ...TOUCHY, n_itr: 16 },
};

for (const [name, changes] of Object.entries(GOING_ON)) {
  test(`${name}: goes on, the same with other workers and after a resume`, async () => {
    const total = Number(changes.n_itr);
    const whole = await diverge(changes);
    assert.equal(whole.message, "");
    assert.equal(whole.writer.rows.length, total);
    assert.ok(whole.kinds.some((kind) => kind !== 0), "it diverges");
    assert.ok(whole.kinds.some((kind) => kind === 0), "and not in every iteration");
    assert.ok(whole.notices.some((line) => line.startsWith("diverged: iteration ")));

    const other = await diverge(changes, "promp", 3);
    assert.deepEqual(other.writer.results(), whole.writer.results());
    assert.deepEqual(await other.writer.lastBytes(), await whole.writer.lastBytes());

    for (const done of [1, total - 2]) {
      const first = (await train("promp", tinyConfig({ ...changes, n_itr: done }))).writer;
      const resume = first.checkpoints[0];
      const second = (await train("promp", tinyConfig(changes), { resume })).writer;
      assert.deepEqual([...first.results(), ...second.results()], whole.writer.results());
      assert.deepEqual(await second.lastBytes(), await whole.writer.lastBytes());
    }
  });
}

test("rollback keeps the parameters of before and goes on with fresh tasks", async () => {
  const good = (await train("promp", tinyConfig())).writer.checkpoints[0];
  const writer = new MemoryWriter();
  const bound = { max_inner_kl: 1e-9, on_divergence: "rollback", n_itr: 4 };
  const { notices } = await train("promp", tinyConfig(bound), { resume: good, writer });
  const [last] = writer.checkpoints;
  assert.equal(last.iteration, 4);
  assert.deepEqual(last.tensors.slice(0, good.tensors.length), good.tensors);
  assert.equal(last.counters.outer_steps, good.counters.outer_steps);
  assert.equal(last.counters.divergences_in_a_row, 2);
  assert.match(notices.at(-1)!, /^diverged: iteration 3, task 0: .*; no step is taken$/);
  const [two, three] = writer.results();
  assert.notEqual(two["Step_0-AverageReturn"], three["Step_0-AverageReturn"]);
  assert.deepEqual([two["LossBefore"], two["LossAfter"], two["KLInner"]], [null, null, null]);
});

test("rollback skips an iteration whose environment broke", async () => {
  await withPoint(BROKEN_TASKS.replace("WIND", "0.045"), async (env) => {
    const changes = { env, on_divergence: "rollback", n_itr: 8 };
    const runs = [await diverge(changes, "mmaml", 1), await diverge(changes, "mmaml", 4)];
    const [{ kinds, message }] = runs;
    assert.equal(message, "");
    assert.deepEqual([...new Set(kinds)].sort(), [0, DivergenceKind.OBSERVATION]);
    assert.deepEqual(runs[1].notices.slice(1), runs[0].notices.slice(1), "the same task is named");
    assert.deepEqual(runs[1].writer.results(), runs[0].writer.results());
  });
});

test("rollback gives up after ten events in a row", async () => {
  const changes = { max_inner_kl: 1e-9, on_divergence: "rollback", n_itr: 30 };
  const { writer, message } = await diverge(changes);
  assert.match(message, /this is event 10 without an iteration between them that was done/);
  assert.equal(writer.rows.length, MOST_EVENTS);
});

test("halve-step halves the step that did it, keeps the rate and says so", async () => {
  const outer = await diverge(GOING_ON["halve-step, KL"]);
  const rates = outer.writer.rows.map((row) => row["OuterLr"]!);
  const halvings = Math.log2(0.01 / rates[0]);
  assert.ok(halvings >= 1 && Number.isInteger(halvings), `${halvings}`);
  const said = outer.notices.filter((line) => line.includes("; again with learning_rate "));
  assert.equal(said.length, Math.log2(0.01 / rates.at(-1)!));
  assert.ok(said[0].endsWith("; again with learning_rate 0.005"), said[0]);
  for (let i = 1; i < rates.length; i++) assert.ok(rates[i] <= rates[i - 1]);
  assert.ok(outer.writer.rows.every((row) => row["InnerLr"] === 0.01 && row["LossAfter"] !== null));

  // the same numbers as a run that has the lower rate from the start
  const steps = { n_itr: 1, max_outer_kl: 1e-3, on_divergence: "halve-step" };
  const halved = (await diverge(steps)).writer.checkpoints[0];
  const lower = (await diverge({ ...steps, learning_rate: rates[0] })).writer.checkpoints[0];
  assert.deepEqual(halved.tensors, lower.tensors);

  const inner = await diverge(GOING_ON["halve-step, inner step"]);
  const innerRates = inner.writer.rows.map((row) => row["InnerLr"]!);
  assert.ok(innerRates[0] < 300 && Number.isInteger(Math.log2(300 / innerRates[0])));
  assert.ok(inner.notices.some((line) => line.endsWith("; again with inner_lr 150")));
  const slower = await diverge({ ...LARGE_INNER, inner_lr: innerRates.at(-1), n_itr: 1 });
  assert.equal(slower.kinds[0], 0);
});

test("halve-step of an outer step samples nothing again", async () => {
  const [once] = (await diverge({ n_itr: 1 })).writer.rows;
  const changes = { n_itr: 1, on_divergence: "halve-step", max_inner_kl: once["KLInner"]! / 2 };
  const [row] = (await diverge(changes)).writer.rows;
  const halvings = Math.log2(0.01 / row["OuterLr"]!);
  assert.ok(halvings >= 1 && Number.isInteger(halvings), `${halvings}`);
  assert.equal(row["Divergence"], DivergenceKind.INNER_KL);
  assert.deepEqual([once["n_timesteps"], row["n_timesteps"]], [540, 540]);
  assert.equal(row["Step_2-AverageReturn"], once["Step_2-AverageReturn"]);
});

test("halve-step ends a run that no smaller step can help", async () => {
  await withPoint(BROKEN_TASKS.replace("WIND", "-9"), async (env) => {
    const { message } = await diverge({ env, on_divergence: "halve-step" });
    assert.match(
      message,
      /; no step was taken before it, so none can be smaller; go on with rollb/,
    );
  });
  const { message, writer } = await diverge({ on_divergence: "halve-step", learning_rate: 1e30 });
  assert.match(message, /event 10 without/);
  assert.equal(writer.rows.length, 1);
});

test("after a collapse, parameters and moments of the best average are taken", async () => {
  const changes = { ...TOUCHY, on_divergence: "rollback", n_itr: 30 };
  const { kinds, writer: { rows } } = await diverge(changes);
  const at = kinds.indexOf(DivergenceKind.RETURN);
  // the iteration whose return made the average the largest one, and what it was sampled with
  const tracks = rows.slice(0, at).map((_, i) =>
    trackOf(rows.slice(0, i + 1).map((row) => row["Step_2-AverageReturn"]!))
  );
  const largest = tracks.findLastIndex((track, i) => i > 0 && isNewBest(track, tracks[i - 1]));
  assert.ok(largest >= 9 && largest < at, `${largest}`);
  const sampledWith =
    (await train("promp", tinyConfig({ ...changes, n_itr: largest }))).writer.checkpoints[0];
  const { writer } = await train("promp", tinyConfig({ ...changes, n_itr: at + 1 }));
  const [{ tensors, counters }] = writer.checkpoints;
  const best = tensors.filter(({ name }) => name.startsWith("best."));
  assert.equal(best.length, tensors.length / 2);
  for (const { name, data } of best) {
    const now = tensors.find((tensor) => tensor.name === name.slice("best.".length))!;
    assert.deepEqual(now.data, data, name);
    const then = sampledWith.tensors.find((tensor) => tensor.name === now.name)!;
    assert.deepEqual(now.data, then.data, name);
  }
  assert.equal(counters["outer_steps"], counters["best.outer_steps"]);
  assert.ok(counters["outer_steps"] <= 2 * at);
});

test("a stopped run goes on with rollback, which its checkpoint knows nothing of", async () => {
  const writer = new MemoryWriter();
  await assert.rejects(train("promp", tinyConfig(TOUCHY), { writer }));
  const [resume] = writer.checkpoints;
  const going = await train("promp", tinyConfig({ ...TOUCHY, on_divergence: "rollback" }), {
    resume,
  });
  assert.equal(going.writer.rows[0]["Itr"], resume.iteration);
  assert.ok(going.writer.rows[0]["Divergence"]! > 0);
});

/** A track after these returns. */
function trackOf(returns: readonly number[]): ReturnTrack {
  return returns.reduce(trackReturn, { count: 0, average: 0, first: 0, best: 0 });
}

Deno.test("trackReturn() averages with weight 0.1, and counts from the tenth return on", () => {
  assert.deepEqual(trackOf([5]), { count: 1, average: 5, first: 0, best: 0 });
  assert.equal(trackOf([5, 15]).average, 6);
  assert.deepEqual(trackOf(Array(10).fill(-3)), { count: 10, average: -3, first: -3, best: -3 });
  const track = trackOf([...Array(10).fill(-3), 7, -23]);
  // -3 + 0.1 * 10 = -2, then -2 - 0.1 * 21 = -4.1
  assert.ok(Math.abs(track.average + 4.1) < 1e-12);
  assert.deepEqual([track.first, track.best], [-3, -2]);
});

Deno.test("checkReturn() measures by best, by what was gained and by the spread", () => {
  const check = (track: ReturnTrack, value: number, spread: number, maxDrop: number | null = 1) => {
    try {
      checkReturn(track, value, spread, maxDrop, 12);
      return true;
    } catch {
      return false;
    }
  };
  const track = { count: 20, average: 0, first: -100, best: 10 };
  // gained 110, so down to -100
  assert.deepEqual([check(track, -99, 5), check(track, -101, 5)], [true, false]);
  // a spread of 200: down to -190
  assert.deepEqual([check(track, -189, 200), check(track, -191, 200)], [true, false]);
  assert.deepEqual([check(track, -44, 0, 0.5), check(track, -46, 0, 0.5)], [true, false]);
  const flat = { count: 20, average: 0, first: -50, best: -50 };
  assert.deepEqual([check(flat, -99, 0), check(flat, -101, 0)], [true, false]);
  assert.ok(check(track, -1e9, 0, null), "no bound");
  assert.ok(check({ ...track, count: 9 }, -1e9, 0), "too early");
});

Deno.test("isNewBest() is so for the first average that counts, and for larger ones", () => {
  const track = (count: number, best: number) => ({ count, average: 0, first: 0, best });
  assert.ok(isNewBest(track(10, -5), track(9, 0)));
  assert.ok(isNewBest(track(11, -4), track(10, -5)));
  assert.ok(!isNewBest(track(11, -5), track(10, -5)), "as good, and later");
  assert.ok(!isNewBest(track(9, 5), track(8, 0)), "too early");
});

Deno.test("checkReturn() across zero, worked out by hand", () => {
  // ten returns of -10, then 40, 40: averages -10, -5, -0.5; best -0.5, gained 9.5
  const track = trackOf([...Array(10).fill(-10), 40, 40]);
  assert.deepEqual([track.first, track.best, track.average], [-10, -0.5, -0.5]);
  const least = (spread: number, maxDrop: number) => {
    try {
      checkReturn(track, -1e6, spread, maxDrop, 12);
    } catch (error) {
      return Number(/below (-?[\d.]+), which/.exec(String(error))![1]);
    }
    return null;
  };
  // the scale is the largest of |-0.5|, 9.5 and the spread
  assert.deepEqual([least(3, 1), least(3, 2), least(20, 1)], [-10, -19.5, -20.5]);
  // two more make it positive: 3.55, 7.195; gained 17.195
  const above = trackOf([...Array(10).fill(-10), 40, 40, 40, 40]);
  assert.ok(Math.abs(above.best - 7.195) < 1e-12);
  assert.doesNotThrow(() => checkReturn(above, 7.195 - 17.19, 0, 1, 14));
  assert.throws(() => checkReturn(above, 7.195 - 17.2, 0, 1, 14), Divergence);
});

Deno.test("checkValues() finds the task and says what it was, bounds included", () => {
  const values = {
    loss: 0,
    innerSurrogates: [[1, 2, 3]],
    outerSurrogates: [1, 2, 3],
    innerKls: [[0.1, 0.2, 0.3]],
    outerKls: [0.1, 0.2, 0.3],
  };
  const bounds = { maxInnerKl: 0.3, maxOuterKl: 0.3 };
  const place = { iteration: 4, when: "before outer step 2", culprit: "outer" } as const;
  const found = (changes: Partial<typeof values>, limits: Partial<typeof bounds> = {}) => {
    try {
      checkValues({ ...values, ...changes }, { ...bounds, ...limits }, place);
    } catch (error) {
      assert.ok(error instanceof Divergence);
      return [error.kind, error.code, error.message];
    }
    return null;
  };
  const text = (what: string) =>
    `iteration 4, ${what} (kernel surrogate_gradient, before outer step 2)`;
  const { LOSS, INNER_KL, OUTER_KL } = DivergenceKind;
  assert.equal(found({}), null, "a bound may be reached");
  assert.deepEqual(found({ innerSurrogates: [[1, NaN, 3]] }), [
    ...[LOSS, "not-finite", text("task 1: the inner surrogate of step 0 is NaN")],
  ]);
  assert.deepEqual(found({ outerKls: [0, 0, -Infinity] }), [
    ...[LOSS, "not-finite", text("task 2: the outer KL is -Infinity")],
  ]);
  // what is not finite comes before what is too large
  assert.equal(found({ innerKls: [[9, 9, 9]], outerSurrogates: [0, Infinity, 0] })![0], LOSS);
  assert.deepEqual(found({}, { maxInnerKl: 0.25 }), [
    ...[
      INNER_KL,
      "diverged",
      text("task 2: the inner KL of step 0 is 0.3, above max_inner_kl (0.25)"),
    ],
  ]);
  assert.deepEqual(found({}, { maxOuterKl: 0.15 }), [
    ...[OUTER_KL, "diverged", text("task 1: the outer KL is 0.2, above max_outer_kl (0.15)")],
  ]);
});

Deno.test("checkMoments() looks at both, of both networks", () => {
  const layout = { size: 2, entries: [{ name: "W0", shape: [2], offset: 0, size: 2 }] };
  const networks = [["policy", layout], ["encoder", layout]] as const;
  const fine = () => ({ policy: new Float64Array(2), encoder: new Float64Array(2) });
  const found = (which: "m" | "v", network: "policy" | "encoder") => {
    const moments = { m: fine(), v: fine() };
    moments[which][network][1] = Infinity;
    try {
      checkMoments(moments, networks, 3);
    } catch (error) {
      return (error as Error).message;
    }
    return "";
  };
  assert.doesNotThrow(() => checkMoments({ m: fine(), v: fine() }, networks, 3));
  const start = "iteration 3, all tasks: the gradient's";
  assert.equal(
    found("m", "policy"),
    `${start} mean of policy.W0 is Infinity (kernel inner_step_pullback)`,
  );
  assert.equal(
    found("v", "encoder"),
    `${start} mean square of encoder.W0 is Infinity (kernel encoder_backward)`,
  );
});

Deno.test("reactTo() does what --on-divergence says, to the step that did it", () => {
  const { INNER_KL, OUTER_KL, RETURN, OBSERVATION } = DivergenceKind;
  const before: GuardState = { ...NEW_GUARD, innerLrScale: 0.5, eventsInARow: 3 };
  const react = (
    onDivergence: "stop" | "rollback" | "halve-step",
    kind: DivergenceKind,
    culprit: "inner" | "outer" | "none",
    guard = before,
  ) => {
    const event = new Divergence(kind, culprit, "diverged", "x");
    const { action, guard: after, text } = reactTo(event, guard, {
      onDivergence,
      innerLr: 0.1,
      outerLr: 0.01,
    });
    return [action, after.innerLrScale, after.outerLrScale, after.eventsInARow, text];
  };
  assert.deepEqual(react("stop", INNER_KL, "inner").slice(0, 4), ["end", 0.5, 1, 3]);
  assert.match(String(react("stop", INNER_KL, "inner")[4]), /rollback or halve-step, or start/);
  assert.match(String(react("stop", OBSERVATION, "inner")[4]), /rollback, .* max_cut_rollouts=N$/);
  assert.deepEqual(react("rollback", INNER_KL, "inner"), ["skip", 0.5, 1, 4, "no step is taken"]);
  assert.deepEqual(react("halve-step", INNER_KL, "inner"), [
    ...["again", 0.25, 1, 4, "again with inner_lr 0.025"],
  ]);
  assert.deepEqual(react("halve-step", OUTER_KL, "outer"), [
    ...["again", 0.5, 0.5, 4, "again with learning_rate 0.005"],
  ]);
  // the steps that did it lie in the past: the iteration is not taken again
  assert.deepEqual(react("halve-step", RETURN, "outer"), [
    ...["skip", 0.5, 0.5, 4, "no step is taken, later ones with learning_rate 0.005"],
  ]);
  assert.equal(react("halve-step", OBSERVATION, "none")[0], "end");
  const last = { ...before, eventsInARow: MOST_EVENTS - 1 };
  for (const how of ["rollback", "halve-step"] as const) {
    assert.equal(react(how, OUTER_KL, "outer", last)[0], "end");
  }
});

Deno.test("metaRow() has the first event of an iteration, and rates as it was done", () => {
  const event = (kind: DivergenceKind) => new Divergence(kind, "outer", "diverged", "x");
  const { INNER_KL, OUTER_KL } = DivergenceKind;
  const guard = { ...NEW_GUARD, innerLrScale: 0.5, outerLrScale: 0.25 };
  const empty = { policy: new Float32Array(0), encoder: null };
  const before = {
    ...{ iteration: 7, environmentSteps: 100, outerSteps: 0, klCoeff: [1, 3], guard: NEW_GUARD },
    ...{ params: empty, moments: { m: empty, v: empty }, best: null },
  };
  const outcome = {
    ...{ sampled: null, learned: null, events: [event(INNER_KL), event(OUTER_KL)] },
    ...{ environmentSteps: 20, failure: null, guard },
  };
  const config = tinyConfig();
  const env = { rewardParts: [] } as unknown as EnvSpec;
  const row = metaRow(["Itr", "LossAfter"], config, env, before, outcome, { Time: 1 });
  assert.deepEqual(row, {
    ...{ Itr: 7, n_timesteps: 120, LossAfter: null, KLCoeffInner: 2, Divergence: INNER_KL },
    ...{ InnerLr: config.innerLr / 2, OuterLr: config.outerLr / 4, Time: 1 },
  });
});
