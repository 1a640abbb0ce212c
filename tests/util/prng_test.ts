import assert from "node:assert/strict";
import { UserError } from "../../src/util/errors.ts";
import { KeyedRandom, philox4x32, Purpose } from "../../src/util/prng.ts";

Deno.test("philox4x32() gives the known answers of the Random123 distribution", () => {
  // kat_vectors, lines "philox4x32 10": counter, key, result
  const vectors = [
    "00000000 00000000 00000000 00000000 00000000 00000000 6627e8d5 e169c58d bc57ac4c 9b00dbd8",
    "ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff 408f276d 41c83b0e a20bc7c6 6d5451fd",
    "243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0 d16cfe09 94fdcceb 5001e420 24126ea1",
  ];
  for (const vector of vectors) {
    const words = Int32Array.from(vector.split(" "), (word) => parseInt(word, 16));
    const out = new Int32Array(4);
    philox4x32(words.subarray(0, 4), words.subarray(4, 6), out);
    assert.deepEqual(out, words.slice(6));
  }
});

Deno.test("KeyedRandom lays seed and coordinates out as documented", () => {
  const seed = 0x12345 * 2 ** 32 + 0x9abcdef0;
  const random = new KeyedRandom(seed).at(
    Purpose.ACTION_NOISE,
    0xfedcba98,
    0x1234,
    0xab,
    0x5678,
    0x9abcde,
  );
  const counter = Int32Array.of(0, 0xfedcba98, 0x12345678, 0xab9abcde);
  const key = Int32Array.of(0x9abcdef0, 0x12345 | Purpose.ACTION_NOISE << 21);
  const block = new Int32Array(4);
  for (counter[0] = 0; counter[0] < 3; counter[0]++) {
    philox4x32(counter, key, block);
    for (const word of block) assert.equal(random.integer(2 ** 32), word >>> 0);
  }
});

Deno.test("KeyedRandom.at() never gives two keys the same numbers", () => {
  // all combinations of the least, the largest and a middle value of every coordinate
  const values = {
    seed: [0, 1, 2 ** 32, Number.MAX_SAFE_INTEGER],
    purpose: [Purpose.TASK, Purpose.ACTION_NOISE],
    iteration: [0, 1, 2 ** 32 - 1],
    task: [0, 1, 2 ** 16 - 1],
    round: [0, 1, 255],
    rollout: [0, 1, 2 ** 16 - 1],
    step: [0, 1, 2 ** 24 - 1],
  };
  const seen = new Set<number>();
  let keys = 0;
  for (const seed of values.seed) {
    const random = new KeyedRandom(seed);
    for (const purpose of values.purpose) {
      for (const iteration of values.iteration) {
        for (const task of values.task) {
          for (const round of values.round) {
            for (const rollout of values.rollout) {
              for (const step of values.step) {
                random.at(purpose, iteration, task, round, rollout, step);
                // six uniforms reach into the third block of the key
                for (let i = 0; i < 6; i++) seen.add(random.uniform());
                keys++;
              }
            }
          }
        }
      }
    }
  }
  // 11,664 numbers of 53 bits collide by chance with probability 1e-8
  assert.equal(seen.size, 6 * keys);
});

Deno.test("KeyedRandom.at() gives the same numbers whatever was drawn before", () => {
  const draw = (random: KeyedRandom, step: number) => {
    random.at(Purpose.ACTION_NOISE, 3, 7, 1, 4, step);
    return [random.normal(), random.uniform(), random.integer(10), random.normal()];
  };
  const forward = new KeyedRandom(5);
  const rows = [0, 1, 2, 3].map((step) => draw(forward, step));
  const backward = new KeyedRandom(5);
  for (const step of [3, 1, 0, 2]) {
    // an odd number of normals leaves a spare one behind, which must not leak
    backward.at(Purpose.ENV_RESET).normal();
    assert.deepEqual(draw(backward, step), rows[step]);
  }
});

Deno.test("KeyedRandom refuses seeds and coordinates that have no place in the key", () => {
  for (const seed of [-1, 0.5, NaN, 2 ** 53]) {
    assert.throws(() => new KeyedRandom(seed), (error) => {
      return error instanceof UserError && error.code === "seed-range";
    });
  }
  const random = new KeyedRandom(1);
  const at = Purpose.TASK;
  assert.throws(() => random.at(at, -1), RangeError);
  assert.throws(() => random.at(at, 2 ** 32), RangeError);
  assert.throws(() => random.at(at, 0, 2 ** 16), RangeError);
  assert.throws(() => random.at(at, 0, 0, 256), RangeError);
  assert.throws(() => random.at(at, 0, 0, 0, 2 ** 16), RangeError);
  assert.throws(() => random.at(at, 0, 0, 0, 0, 2 ** 24), RangeError);
  assert.throws(() => random.at(at, 0, 0, 0, 0, 0.5), RangeError);
  for (const n of [0, -3, 1.5, NaN, 2 ** 32 + 1]) {
    assert.throws(() => random.integer(n), RangeError);
  }
});

Deno.test("uniform() and normal() have the moments of their distributions", () => {
  const count = 400_000;
  const random = new KeyedRandom(11).at(Purpose.TEST_DATA);
  const moments = (draw: () => number) => {
    const sums = [0, 0, 0, 0];
    for (let i = 0; i < count; i++) {
      const x = draw();
      for (let k = 0, power = x; k < 4; k++, power *= x) sums[k] += power;
    }
    return sums.map((sum) => sum / count);
  };
  /** E x^k of the distribution and of x^2k: five standard errors of the mean are allowed. */
  const close = (found: number[], wanted: number[], squares: number[]) =>
    found.forEach((moment, k) => {
      const error = Math.sqrt((squares[k] - wanted[k] ** 2) / count);
      assert.ok(Math.abs(moment - wanted[k]) < 5 * error, `moment ${k + 1}: ${moment}`);
    });
  // U(0,1): E x^k = 1 / (k+1);  N(0,1): 0, 1, 0, 3 and E x^2k = 1, 3, 15, 105
  close(moments(() => random.uniform()), [1 / 2, 1 / 3, 1 / 4, 1 / 5], [
    1 / 3,
    1 / 5,
    1 / 7,
    1 / 9,
  ]);
  close(moments(() => random.normal()), [0, 1, 0, 3], [1, 3, 15, 105]);
});

Deno.test("normal() has the tails of a normal distribution and no dependence within a pair", () => {
  const count = 200_000;
  const random = new KeyedRandom(12).at(Purpose.TEST_DATA);
  let beyond = 0;
  let product = 0;
  for (let i = 0; i < count / 2; i++) {
    const a = random.normal();
    const b = random.normal();
    beyond += Number(Math.abs(a) > 2) + Number(Math.abs(b) > 2);
    product += a * b;
  }
  // P(|x| > 2) = 0.0455; five standard errors of a binomial proportion, and of a mean of ab
  assert.ok(Math.abs(beyond / count - 0.0455) < 5 * Math.sqrt(0.0455 * 0.9545 / count));
  assert.ok(Math.abs(product / (count / 2)) < 5 / Math.sqrt(count / 2));
});

Deno.test("integer() is uniform, also where n does not divide 2^32", () => {
  const random = new KeyedRandom(13).at(Purpose.TEST_DATA);
  const counts = [0, 0, 0, 0, 0, 0];
  const count = 60_000;
  for (let i = 0; i < count; i++) counts[random.integer(6)]++;
  for (const found of counts) {
    assert.ok(Math.abs(found - count / 6) < 5 * Math.sqrt(count * (1 / 6) * (5 / 6)));
  }
  // With n = 3 * 2^30 a plain remainder would give the lowest third half of all draws.
  let low = 0;
  for (let i = 0; i < count; i++) low += Number(random.integer(3 * 2 ** 30) < 2 ** 30);
  assert.ok(Math.abs(low / count - 1 / 3) < 5 * Math.sqrt(2 / 9 / count));
});

Deno.test("uniformRange() and fillNormal() draw from the same stream", () => {
  const random = new KeyedRandom(14);
  const u = random.at(Purpose.TEST_DATA).uniform();
  assert.equal(random.at(Purpose.TEST_DATA).uniformRange(-3, 5), -3 + 8 * u);
  const filled = new Float64Array(5);
  random.at(Purpose.TEST_DATA).fillNormal(filled);
  random.at(Purpose.TEST_DATA);
  for (const value of filled) assert.equal(random.normal(), value);
});

Deno.test("fillUniform() is the plain loop over the words of the key, bit for bit", () => {
  const low = [-1, 0.25, -3e-5];
  const high = [1, 0.75, 7];
  // lengths below, at and beyond the chunk of 4096 words; words already taken from a block: 0 .. 5
  for (const length of [1, 3, 4, 4095, 4096, 4097, 12_291]) {
    for (let taken = 0; taken < 6; taken++) {
      const bulk = new KeyedRandom(21).at(Purpose.PLANNER, 2, 0, 1, 0, 9);
      const plain = new KeyedRandom(21).at(Purpose.PLANNER, 2, 0, 1, 0, 9);
      for (let i = 0; i < taken; i++) assert.equal(bulk.integer(2 ** 32), plain.integer(2 ** 32));
      const found = new Float32Array(length);
      bulk.fillUniform(found, low, high);
      const wanted = Float32Array.from(found, (_, i) => {
        const fraction = Math.floor(plain.integer(2 ** 32) / 2 ** 8) / 2 ** 24;
        return low[i % 3] + (high[i % 3] - low[i % 3]) * fraction;
      });
      assert.deepEqual(found, wanted);
      // what follows continues with the next word
      assert.equal(bulk.uniform(), plain.uniform());
    }
  }
});

Deno.test("fillUniform() keeps the bounds and fills them evenly", () => {
  const count = 300_000;
  const out = new Float32Array(2 * count);
  new KeyedRandom(22).at(Purpose.PLANNER).fillUniform(out, [-1, 2], [1, 6]);
  const counts = new Uint32Array(20);
  for (let i = 0; i < out.length; i++) {
    const u = i % 2 === 0 ? (out[i] + 1) / 2 : (out[i] - 2) / 4;
    assert.ok(u >= 0 && u <= 1);
    counts[(i % 2) * 10 + Math.min(9, Math.floor(10 * u))]++;
  }
  // five standard errors of a binomial count
  for (const found of counts) {
    assert.ok(Math.abs(found - count / 10) < 5 * Math.sqrt(count * 0.1 * 0.9), `${found}`);
  }
});

Deno.test("fillNormalByQuantile() inverts the normal distribution, word by word", () => {
  // z: P(x < z), from tables of the normal distribution to 10 digits
  const table = [
    [0.6744897502, 0.75],
    [1.2815515655, 0.9],
    [1.6448536270, 0.95],
    [2.3263478740, 0.99],
    [3.0902323062, 0.999],
    [4.7534243088, 1 - 1e-6],
    [5.9978070150, 1 - 1e-9],
  ];
  const count = 2_000_000;
  const out = new Float32Array(count);
  new KeyedRandom(23).at(Purpose.PLANNER).fillNormalByQuantile(out);
  const words = new KeyedRandom(23).at(Purpose.PLANNER);
  const p = Float64Array.from(out, () => (words.integer(2 ** 32) + 0.5) / 2 ** 32);
  // The quantile grows with p, so every number drawn lies on the side of z that its p is on; one
  // relative error of 2e-6 stands for float32 and the 7 digits of the method.
  for (const [z, below] of table) {
    let wrong = 0;
    for (let i = 0; i < count; i++) {
      const upper = p[i] < below ? out[i] <= z * (1 + 2e-6) : out[i] >= z * (1 - 2e-6);
      const lower = p[i] < 1 - below ? out[i] <= -z * (1 - 2e-6) : out[i] >= -z * (1 + 2e-6);
      wrong += Number(!upper) + Number(!lower);
    }
    assert.equal(wrong, 0, `numbers on the wrong side of ${z}`);
  }
  const sums = [0, 0, 0, 0];
  for (const x of out) for (let k = 0, power = x; k < 4; k++, power *= x) sums[k] += power;
  // E x^k = 0, 1, 0, 3 with variances 1, 2, 15, 96; five standard errors
  [0, 1, 0, 3].forEach((wanted, k) => {
    const error = Math.sqrt([1, 2, 15, 96][k] / count);
    assert.ok(Math.abs(sums[k] / count - wanted) < 5 * error, `moment ${k + 1}`);
  });
});
