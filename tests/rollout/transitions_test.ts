import assert from "node:assert/strict";
import { TransitionDataset } from "../../src/rollout/transitions.ts";
import { UserError } from "../../src/util/errors.ts";
import { KeyedRandom, Purpose } from "../../src/util/prng.ts";

interface GoldenCase {
  readonly name: string;
  readonly dim_in: number;
  readonly dim_out: number;
  readonly tasks_in: readonly (readonly number[][])[];
  readonly tasks_out: readonly (readonly number[][])[];
  readonly expected: { readonly normalization: Readonly<Record<string, readonly number[]>> };
}

function golden(): readonly GoldenCase[] {
  const url = new URL("../golden/famle.json", import.meta.url);
  return JSON.parse(Deno.readTextFileSync(url)).cases;
}

function close(found: Float64Array, wanted: readonly number[]): void {
  assert.equal(found.length, wanted.length);
  // a few roundings of float64 in sums of 21 rows
  wanted.forEach((value, i) => assert.ok(Math.abs(found[i] - value) < 1e-12, `${found[i]}`));
}

Deno.test("normalizer() gives the published statistics over all situations", () => {
  for (const { dim_in, dim_out, tasks_in, tasks_out, expected } of golden()) {
    // inputs as wide as the targets: states without an action
    const data = new TransitionDataset(dim_out, dim_in - dim_out, tasks_in.length);
    tasks_in.forEach((rows, situation) =>
      rows.forEach((row, n) =>
        data.appendDelta(
          situation,
          row.slice(0, dim_out),
          row.slice(dim_out),
          tasks_out[situation][n],
        )
      )
    );
    tasks_in.forEach((rows, situation) => {
      assert.equal(data.rows(situation), rows.length);
      assert.deepEqual([...data.inputs(situation)], rows.flat());
      assert.deepEqual([...data.targets(situation)], tasks_out[situation].flat());
    });
    const { meanIn, stdIn, meanOut, stdOut } = data.normalizer();
    close(meanIn, expected.normalization.mean_in);
    close(stdIn, expected.normalization.std_in);
    close(meanOut, expected.normalization.mean_out);
    close(stdOut, expected.normalization.std_out);
  }
});

Deno.test("normalizer() keeps its digits where values are large against their spread", () => {
  const data = new TransitionDataset(1, 1, 2);
  // state 1e9 + {0, 1, 2, 3}: mean 1e9 + 1.5, variance 5/4; a constant action
  for (let i = 0; i < 4; i++) data.appendDelta(i % 2, [1e9 + i], [7], [0]);
  const { meanIn, stdIn, stdOut } = data.normalizer();
  assert.equal(meanIn[0], 1e9 + 1.5);
  assert.ok(Math.abs(stdIn[0] - Math.sqrt(1.25)) < 1e-9);
  assert.deepEqual([meanIn[1], stdIn[1], stdOut[0]], [7, 1e-10, 1e-10]);
});

Deno.test("append() stores state, action and change, across growth, each situation apart", () => {
  const [stateDim, actDim, situations, steps] = [3, 2, 3, 500];
  const data = new TransitionDataset(stateDim, actDim, situations);
  const random = new KeyedRandom(1).at(Purpose.TEST_DATA);
  const rows: number[][][] = Array.from({ length: situations }, () => []);
  const targets: number[][][] = Array.from({ length: situations }, () => []);
  const draw = (length: number) => Array.from({ length }, () => random.normal());
  for (let step = 0; step < steps; step++) {
    const situation = random.integer(situations);
    const [state, action, next] = [draw(stateDim), draw(actDim), draw(stateDim)];
    data.append(situation, state, action, next);
    rows[situation].push([...state, ...action]);
    targets[situation].push(next.map((value, i) => value - state[i]));
  }
  assert.equal(data.totalRows, steps);
  for (let situation = 0; situation < situations; situation++) {
    assert.deepEqual([...data.inputs(situation)], rows[situation].flat());
    assert.deepEqual([...data.targets(situation)], targets[situation].flat());
    const count = data.rows(situation);
    assert.deepEqual([...data.inputs(situation, count - 50)], rows[situation].slice(-50).flat());
    assert.deepEqual([...data.targets(situation, 2, 5)], targets[situation].slice(2, 5).flat());
    const { low, high } = data.bounds(situation);
    for (let z = 0; z < stateDim; z++) {
      const column = rows[situation].map((row) => row[z]);
      assert.deepEqual([low[z], high[z]], [Math.min(...column), Math.max(...column)]);
    }
  }
  data.clear(1);
  assert.deepEqual([data.rows(1), data.inputs(1).length], [0, 0]);
  assert.equal(data.rows(2), rows[2].length);
});

Deno.test("append() refuses rows that are not finite or of another size, and adds nothing", () => {
  const data = new TransitionDataset(2, 1, 2);
  data.append(1, [0, 0], [0], [1, 1]);
  const refused = (code: string, text: RegExp, ...row: [number[], number[], number[]]) => {
    for (const append of [data.append, data.appendDelta]) {
      assert.throws(() => append.call(data, 1, ...row), (error) => {
        return error instanceof UserError && error.code === code && text.test(error.message) &&
          !error.message.includes("\n");
      });
    }
  };
  refused("data-not-finite", /row 1 of situation 1.*entry 1.*state is NaN/, [0, NaN], [0], [0, 0]);
  refused("data-not-finite", /entry 0.*action is Infinity/, [0, 0], [Infinity], [0, 0]);
  refused("data-not-finite", /entry 0.*state is -Infinity/, [0, 0], [0], [-Infinity, 0]);
  refused("data-size", /state has 3 numbers, not 2/, [0, 0, 0], [0], [0, 0]);
  refused("data-size", /action has 0 numbers, not 1/, [0, 0], [], [0, 0]);
  refused("data-size", /has 1 numbers, not 2/, [0, 0], [0], [0]);
  assert.equal(data.totalRows, 1);
  assert.throws(() => data.append(2, [0, 0], [0], [0, 0]), RangeError);
});

Deno.test("statistics of no rows are refused", () => {
  const data = new TransitionDataset(2, 1, 2);
  const empty = (error: unknown) => error instanceof UserError && error.code === "data-empty";
  assert.throws(() => data.normalizer(), empty);
  data.append(0, [1, 2], [3], [4, 5]);
  assert.deepEqual([...data.normalizer().meanOut], [3, 3]);
  assert.throws(() => data.bounds(1), empty);
});
