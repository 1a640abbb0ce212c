import assert from "node:assert/strict";
import { encoderLayout, type LayoutEntry, policyLayout } from "../../src/compute/layout.ts";
import { initEncoder, initPolicy } from "../../src/nn/init.ts";
import { KeyedRandom } from "../../src/util/prng.ts";

const POLICY = {
  obsDim: 30,
  actDim: 20,
  hiddenSizes: [64, 48],
  activation: "tanh",
  learnStd: true,
  film: null,
} as const;
const ENCODER = {
  inputDim: 7,
  cellSize: 64,
  mlpAfterGru: true,
  mlpAfterPool: true,
  outputDim: 128,
};

function part(flat: Float32Array, entry: LayoutEntry): Float32Array {
  return flat.subarray(entry.offset, entry.offset + entry.size);
}

/** Weights are uniform in +-sqrt(6 / (inputs + outputs)), so their variance is a third of its square. */
function assertXavier(name: string, shape: readonly number[], values: Float32Array): void {
  const limit = Math.sqrt(6 / (shape[0] + shape[1]));
  const largest = Math.max(...values.map(Math.abs));
  assert(largest <= limit && largest > 0.95 * limit, `${name}: largest ${largest} of ${limit}`);
  const variance = values.reduce((sum, x) => sum + x * x, 0) / values.length;
  // The square of a uniform number has a relative standard deviation of 0.9: five of the mean's.
  const tolerance = 5 * 0.9 / Math.sqrt(values.length);
  assert(Math.abs(variance / (limit * limit / 3) - 1) < tolerance, `${name}: variance ${variance}`);
}

Deno.test("initPolicy() draws Xavier weights, zero biases and ln(initStd)", () => {
  const flat = initPolicy(new KeyedRandom(1), POLICY, 0.5);
  for (const entry of policyLayout(POLICY).entries) {
    const values = part(flat, entry);
    if (entry.name === "log_std") {
      // ln rounded to float32
      assert(values.every((x) => Math.abs(x - Math.log(0.5)) < 1e-7));
    } else if (entry.shape.length === 1) assert(values.every((x) => x === 0), entry.name);
    else assertXavier(entry.name, entry.shape, values);
  }
});

Deno.test("initEncoder() draws Xavier kernels and an orthogonal recurrent matrix", () => {
  const flat = initEncoder(new KeyedRandom(1), ENCODER);
  for (const entry of encoderLayout(ENCODER).entries) {
    const values = part(flat, entry);
    if (entry.name === "gru_recurrent") continue;
    if (entry.shape.length === 1) assert(values.every((x) => x === 0), entry.name);
    else assertXavier(entry.name, entry.shape, values);
  }
  const entry = encoderLayout(ENCODER).entries.find(({ name }) => name === "gru_recurrent")!;
  const [rows, columns] = entry.shape;
  const recurrent = part(flat, entry);
  for (let r = 0; r < rows; r++) {
    for (let q = 0; q <= r; q++) {
      let dot = 0;
      for (let c = 0; c < columns; c++) {
        dot += recurrent[r * columns + c] * recurrent[q * columns + c];
      }
      // 192 products of numbers rounded to float32
      assert(Math.abs(dot - (r === q ? 1 : 0)) < 1e-6, `rows ${r} and ${q}: ${dot}`);
    }
  }
});

Deno.test("policy and encoder are drawn independently of each other, and by the seed", () => {
  const first = initPolicy(new KeyedRandom(1), POLICY, 1);
  const random = new KeyedRandom(1);
  initEncoder(random, ENCODER);
  assert.deepEqual(initPolicy(random, POLICY, 1), first);
  assert.notDeepEqual(initPolicy(new KeyedRandom(2), POLICY, 1), first);
});
