import assert from "node:assert/strict";
import { UserError } from "../../src/util/errors.ts";
import { createPlanner, PLANNER_NAMES, PLANNER_OPTIONS } from "../../src/planning/registry.ts";
import type { Evaluate } from "../../src/planning/planner.ts";
import { KeyedRandom } from "../../src/util/prng.ts";
import {
  ACT_DIM,
  bowl,
  bowlScore,
  doubleIntegrator,
  HORIZON,
  LENGTH,
  type Mass,
  PROBLEM,
  push,
} from "./problems.ts";

/** About 400 sequences per plan, for tests that plan often. */
const SMALL = {
  random: { candidates: 400 },
  cem: { population: 100, rounds: 4, elites: 10 },
  icem: { population: 130, rounds: 4, elites: 10 },
  mppi: { population: 100, rounds: 4 },
} as const;

const [START, NEXT] = [{ iteration: 3, step: 0 }, { iteration: 3, step: 1 }];

Deno.test("planners score 10,000 sequences by default, so that they compare", async () => {
  for (const name of PLANNER_NAMES) {
    let count = 0;
    const plan = await createPlanner(name, PROBLEM).plan(
      (sequences, n) => {
        assert.equal(sequences.length, n * LENGTH);
        count += n;
        return Promise.resolve(new Float32Array(n));
      },
      new KeyedRandom(1),
      START,
    );
    assert.equal(plan.evaluated, count, name);
    // MPPI also scores the mean that it returns
    assert.equal(count, name === "mppi" ? 10_001 : 10_000, name);
    assert.equal(plan.nonFinite, 0, name);
  }
});

Deno.test("plan() returns a sequence within the bounds, with its own score", async () => {
  for (const name of PLANNER_NAMES) {
    const planner = createPlanner(name, PROBLEM, SMALL[name]);
    for (const at of [START, NEXT]) {
      const plan = await planner.plan(bowl, new KeyedRandom(2), at);
      assert.equal(plan.sequence.length, LENGTH);
      assert.deepEqual(plan.action, plan.sequence.slice(0, ACT_DIM));
      assert.equal(plan.score, bowlScore(plan.sequence), name);
    }
  }
});

Deno.test("planners keep the bounds in every sequence they ask about", async () => {
  for (const name of PLANNER_NAMES) {
    // noise as wide as the range: the bounds are hit often
    const wide = name === "random" ? {} : name === "mppi" ? { std: 2 } : { initialStd: 2 };
    const planner = createPlanner(name, PROBLEM, { ...SMALL[name], ...wide });
    let atBound = 0;
    const evaluate: Evaluate = (sequences, count) => {
      sequences.forEach((value, i) => {
        const [low, high] = [PROBLEM.actionLow[i % ACT_DIM], PROBLEM.actionHigh[i % ACT_DIM]];
        if (!(value >= low && value <= high)) assert.fail(`${name}: ${value} at ${i}`);
        atBound += Number(value === low || value === high);
      });
      return bowl(sequences, count);
    };
    for (const at of [START, NEXT]) await planner.plan(evaluate, new KeyedRandom(3), at);
    if (name !== "random") assert.ok(atBound > 100, `${name}: ${atBound}`);
  }
});

Deno.test("CEM, iCEM and MPPI beat random shooting on a bowl of 50 dimensions", async () => {
  const mean = async (name: string) => {
    let sum = 0;
    for (let seed = 0; seed < 3; seed++) {
      const planner = createPlanner(name, PROBLEM);
      sum += (await planner.plan(bowl, new KeyedRandom(seed), START)).score;
    }
    return sum / 3;
  };
  const random = await mean("random");
  // The squared distance of a uniform entry from the target (0.8 sin) has mean 1/3 + 0.32 and
  // standard deviation about 0.65: the sum over 50 is 32.7 +- 4.6, and the best of 10,000 lies
  // 3.9 standard deviations below at most.
  assert.ok(random < -(32.7 - 4.5 * 4.6) && random > -32.7, `${random}`);
  for (const name of ["cem", "icem", "mppi"]) {
    // half of the distance: a quarter of the square
    const found = await mean(name);
    assert.ok(found > random / 2, `${name}: ${found} against ${random}`);
  }
});

Deno.test("planners bring a mass to rest at the goal in closed loop", async () => {
  const horizon = 10;
  for (const name of PLANNER_NAMES) {
    const planner = createPlanner(
      name,
      { horizon, actionLow: [-1], actionHigh: [1] },
      SMALL[name],
    );
    const mass: Mass = { position: 1, velocity: 0 };
    const random = new KeyedRandom(4);
    for (let step = 0; step < 40; step++) {
      const evaluate = doubleIntegrator(mass, horizon);
      const { action } = await planner.plan(evaluate, random, { iteration: 0, step });
      push(mass, action[0]);
    }
    // one step of full force moves it by 0.04
    assert.ok(Math.abs(mass.position) < 0.1, `${name}: ${mass.position}`);
    assert.ok(Math.abs(mass.velocity) < 0.2, `${name}: ${mass.velocity}`);
  }
});

Deno.test("plan() depends on seed, position and the plans since reset() alone", async () => {
  for (const name of PLANNER_NAMES) {
    const two = async (planner = createPlanner(name, PROBLEM, SMALL[name]), seed = 5) => [
      await planner.plan(bowl, new KeyedRandom(seed), START),
      await planner.plan(bowl, new KeyedRandom(seed), NEXT),
    ];
    const first = await two();
    const used = createPlanner(name, PROBLEM, SMALL[name]);
    await used.plan(bowl, new KeyedRandom(77), { iteration: 9, task: 3, step: 40 });
    used.reset();
    assert.deepEqual(await two(used), first, name);
    assert.notDeepEqual(await two(undefined, 6), first, name);
    const elsewhere = createPlanner(name, PROBLEM, SMALL[name]);
    const other = await elsewhere.plan(bowl, new KeyedRandom(5), { ...START, task: 1 });
    assert.notDeepEqual(other.sequence, first[0].sequence, name);
    // every round draws numbers of its own: without any score the distribution stays as it is
    const rows = new Set<string>();
    let asked = 0;
    await createPlanner(name, PROBLEM, SMALL[name]).plan(
      (sequences, count) => {
        // candidate 0 can be the mean
        rows.add(sequences.subarray(LENGTH, 2 * LENGTH).join());
        asked++;
        return Promise.resolve(new Float64Array(count).fill(NaN));
      },
      new KeyedRandom(5),
      START,
    );
    assert.ok(rows.size === asked, name);
  }
});

Deno.test("scores that are not finite lose and are counted", async () => {
  for (const bad of [NaN, Infinity, -Infinity]) {
    for (const name of PLANNER_NAMES) {
      let lost = 0;
      // the better half of the bowl has no score: the target's first entry is 0, and x[0] >= -0.1
      const evaluate: Evaluate = async (sequences, count) => {
        const scores = await bowl(sequences, count);
        for (let n = 0; n < count; n++) {
          if (sequences[n * LENGTH] < -0.1) continue;
          scores[n] = bad;
          lost++;
        }
        return scores;
      };
      const planner = createPlanner(name, PROBLEM, SMALL[name]);
      for (const at of [START, NEXT]) {
        lost = 0;
        const plan = await planner.plan(evaluate, new KeyedRandom(7), at);
        assert.ok(plan.sequence[0] < -0.1, `${name}: ${plan.sequence[0]}`);
        assert.equal(plan.score, bowlScore(plan.sequence));
        assert.ok(lost > 0);
        assert.equal(plan.nonFinite, lost, name);
      }
    }
  }
});

Deno.test("plan() without any finite score says so and forgets the plan", async () => {
  for (const name of PLANNER_NAMES) {
    const planner = createPlanner(name, PROBLEM, SMALL[name]);
    await planner.plan(bowl, new KeyedRandom(8), START);
    const plan = await planner.plan(
      (_, count) => Promise.resolve(new Float32Array(count).fill(NaN)),
      new KeyedRandom(8),
      NEXT,
    );
    assert.equal(plan.score, -Infinity);
    assert.equal(plan.nonFinite, plan.evaluated);
    assert.ok(plan.evaluated >= 300);
    // the middle of the bounds
    assert.deepEqual([...plan.action], [0, -1, 1.5, 0, 4.5]);
    const fresh = createPlanner(name, PROBLEM, SMALL[name]);
    const at = { iteration: 3, step: 2 };
    assert.deepEqual(
      await planner.plan(bowl, new KeyedRandom(8), at),
      await fresh.plan(bowl, new KeyedRandom(8), at),
    );
  }
});

Deno.test("equal scores: the first sequence wins", async () => {
  const planner = createPlanner("random", PROBLEM, SMALL.random);
  let first = new Float32Array(0);
  const plan = await planner.plan(
    (sequences, count) => {
      // sequences 7 and 300 have the best score
      first = sequences.slice(7 * LENGTH, 8 * LENGTH);
      return Promise.resolve(Float32Array.from({ length: count }, (_, n) => n % 293 === 7 ? 1 : 0));
    },
    new KeyedRandom(9),
    START,
  );
  assert.deepEqual(plan.sequence, first);
});

Deno.test("the next plan starts from the last one, one step on", async () => {
  // with one elite and nothing kept of the old mean, the last mean is the best sequence
  const options = {
    cem: { population: 50, rounds: 1, elites: 1, smoothing: 0 },
    // two rounds, as the last one has the mean for a candidate
    icem: { population: 50, rounds: 2, elites: 1, smoothing: 0, keep: 1 },
    mppi: { population: 50, rounds: 1 },
  };
  for (const name of ["cem", "icem", "mppi"] as const) {
    const planner = createPlanner(name, PROBLEM, options[name]);
    let first: Float32Array | null = null;
    // the middle of the bounds, where a planner without memory starts, is not the best
    const evaluate: Evaluate = (sequences, count) => {
      first ??= sequences.slice(0, LENGTH);
      return Promise.resolve(
        Float64Array.from(
          { length: count },
          (_, n) => sequences[n * LENGTH] - sequences[n * LENGTH + 7],
        ),
      );
    };
    const { sequence } = await planner.plan(evaluate, new KeyedRandom(10), START);
    const shifted = [
      ...sequence.slice(ACT_DIM),
      ...sequence.slice((HORIZON - 1) * ACT_DIM),
    ];
    first = null;
    const next = await planner.plan(evaluate, new KeyedRandom(10), NEXT);
    assert.deepEqual([...first!], shifted, name);
    // MPPI returns a mean, the others the best sequence
    if (name !== "mppi") assert.ok(next.score >= shifted[0] - shifted[7]);
    planner.reset();
    first = null;
    await planner.plan(evaluate, new KeyedRandom(10), NEXT);
    assert.notDeepEqual([...first!], shifted, name);
  }
});

Deno.test("MPPI leaves candidates without score out of the mean where all others are equal", async () => {
  let asked = new Float32Array(0);
  await createPlanner("mppi", PROBLEM, { population: 200, rounds: 1 }).plan(
    (sequences, count) => {
      asked = sequences.slice();
      return Promise.resolve(
        Float64Array.from({ length: count }, (_, n) => sequences[n * LENGTH] < -0.1 ? 1 : NaN),
      );
    },
    new KeyedRandom(13),
    START,
  );
  // the mean, asked about last; over all candidates it would be 0 +- 0.3 / sqrt(200)
  assert.equal(asked.length, LENGTH);
  assert.ok(asked[0] < -0.1, `${asked[0]}`);
});

Deno.test("iCEM's population shrinks, and its elites come back", async () => {
  const planner = createPlanner("icem", PROBLEM, {
    population: 100,
    rounds: 5,
    elites: 20,
    decay: 1.5,
    keep: 0.5,
  });
  const counts: number[] = [];
  let best = -Infinity;
  const plan = await planner.plan(
    async (sequences, count) => {
      counts.push(count);
      const scores = await bowl(sequences, count);
      best = Math.max(best, ...scores);
      return scores;
    },
    new KeyedRandom(11),
    START,
  );
  // 100 / 1.5^r, at least twice the elites
  assert.deepEqual(counts, [100, 66, 44, 40, 40]);
  assert.equal(plan.score, best);
});

Deno.test("plan() refuses another count of scores than sequences", async () => {
  for (const name of PLANNER_NAMES) {
    await assert.rejects(
      createPlanner(name, PROBLEM, SMALL[name]).plan(
        (_, count) => Promise.resolve(new Float32Array(count - 1)),
        new KeyedRandom(1),
        START,
      ),
      RangeError,
    );
  }
});

Deno.test("createPlanner() refuses what a planner does not know", () => {
  const refuses = (name: string, options: Record<string, unknown>, code: string, text: RegExp) =>
    assert.throws(
      () => createPlanner(name, PROBLEM, options),
      (error) =>
        error instanceof UserError && error.code === code && text.test(error.message) &&
        !error.message.includes("\n"),
    );
  refuses("icm", {}, "planner-unknown", /"icm".*did you mean "icem"/);
  refuses("toString", {}, "planner-unknown", /random, cem, icem, mppi/);
  refuses("cem", { elits: 3 }, "planner-option", /"elits".*did you mean "elites"/);
  refuses("cem", { elites: 60, population: 50 }, "planner-option", /60 elites.*50/);
  refuses("icem", { elites: 60, population: 50 }, "planner-option", /60 elites.*50/);
  refuses("random", { candidates: 0 }, "planner-option", /0; give a whole number from 1/);
  refuses("random", { candidates: 2.5 }, "planner-option", /2\.5; give a whole number/);
  refuses("mppi", { lambda: NaN }, "planner-option", /"lambda"/);
  refuses("mppi", { lambda: "1" }, "planner-option", /"lambda"/);
  refuses("mppi", { std: undefined }, "planner-option", /"std"/);
});

Deno.test("createPlanner() refuses problems that can't be planned", () => {
  const [actionLow, actionHigh] = [[-1, -1], [1, 1]];
  for (
    const problem of [
      { horizon: 0, actionLow, actionHigh },
      { horizon: 1.5, actionLow, actionHigh },
      { horizon: 2, actionLow: [], actionHigh: [] },
      { horizon: 2, actionLow, actionHigh: [1] },
      { horizon: 2, actionLow: [-1, 1], actionHigh },
      { horizon: 2, actionLow: [-1, NaN], actionHigh },
      { horizon: 2, actionLow, actionHigh: [1, Infinity] },
    ]
  ) assert.throws(() => createPlanner("random", problem), RangeError);
});

Deno.test("every option of every planner changes what it asks about", async () => {
  const changed: Record<string, number> = {
    candidates: 401,
    population: 120,
    rounds: 3,
    elites: 7,
    decay: 1.5,
    keep: 0.9,
    colour: 0,
    smoothing: 0.5,
    initialStd: 0.3,
    lambda: 0.7,
    std: 0.1,
  };
  const asked = async (name: "random" | "cem" | "icem" | "mppi", options: object) => {
    const rows: number[] = [];
    const planner = createPlanner(name, PROBLEM, { ...SMALL[name], ...options });
    for (const at of [START, NEXT]) {
      await planner.plan(
        (sequences, count) => {
          rows.push(count, ...sequences.subarray(0, LENGTH), ...sequences.slice(-LENGTH));
          return bowl(sequences, count);
        },
        new KeyedRandom(12),
        at,
      );
    }
    return rows;
  };
  for (const name of PLANNER_NAMES) {
    const usual = await asked(name, {});
    for (const option of Object.keys(PLANNER_OPTIONS[name])) {
      const found = await asked(name, { [option]: changed[option] });
      assert.notDeepEqual(found, usual, `${name}: ${option}`);
    }
  }
});
