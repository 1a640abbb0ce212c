import assert from "node:assert/strict";
import { coloringMatrix, colorNoise } from "../../src/planning/colored_noise.ts";
import { selectElites, shiftSequence } from "../../src/planning/search.ts";
import { KeyedRandom, Purpose } from "../../src/util/prng.ts";

Deno.test("selectElites() is a stable sort by falling score, without -Infinity", () => {
  const random = new KeyedRandom(1).at(Purpose.TEST_DATA);
  for (let trial = 0; trial < 300; trial++) {
    const count = random.integer(30);
    // few different values: many are equal
    const scores = Float64Array.from({ length: count + 3 }, () => {
      const value = random.integer(8);
      return value === 0 ? -Infinity : value - 4;
    });
    const out = new Uint32Array(1 + random.integer(12));
    const found = selectElites(scores, count, out);
    const wanted = Array.from({ length: count }, (_, n) => n)
      .filter((n) => scores[n] > -Infinity)
      .sort((a, b) => scores[b] - scores[a] || a - b)
      .slice(0, out.length);
    assert.deepEqual([...out.subarray(0, found)], wanted);
  }
});

Deno.test("shiftSequence() drops the first action and repeats the last", () => {
  const sequence = Float32Array.of(1, 2, 3, 4, 5, 6);
  shiftSequence(sequence, 2);
  assert.deepEqual([...sequence], [3, 4, 5, 6, 5, 6]);
});

Deno.test("coloringMatrix() makes stationary noise of variance 1 with power 1/f^colour", () => {
  for (const horizon of [1, 2, 3, 10, 11, 30]) {
    for (const colour of [0, 0.5, 1, 2, 3.5]) {
      const matrix = coloringMatrix(horizon, colour);
      const covariance = (a: number, b: number) => {
        let sum = 0;
        for (let k = 0; k < horizon; k++) {
          sum += matrix[a * horizon + k] * matrix[b * horizon + k];
        }
        return sum;
      };
      for (let a = 0; a < horizon; a++) {
        for (let b = 0; b < horizon; b++) {
          const wanted = a === b ? 1 : colour === 0 ? 0 : covariance(0, Math.abs(a - b));
          assert.ok(Math.abs(covariance(a, b) - wanted) < 1e-13, `H ${horizon}, ${colour}`);
        }
      }
      // power at frequency k: the Fourier transform of the covariance of steps 0 and h
      const power = (k: number) => {
        let sum = 0;
        for (let h = 0; h < horizon; h++) {
          sum += covariance(0, h) * Math.cos(2 * Math.PI * k * h / horizon);
        }
        return sum;
      };
      for (let k = 1; k <= horizon / 2; k++) {
        const wanted = power(1) * k ** -colour;
        assert.ok(Math.abs(power(k) - wanted) < 1e-12, `H ${horizon}, colour ${colour}, k ${k}`);
      }
      if (horizon > 1) assert.ok(Math.abs(power(0) - power(1)) < 1e-12);
    }
  }
});

Deno.test("colorNoise() applies the matrix along the steps of every action component", () => {
  const [count, horizon, actDim] = [3, 4, 2];
  const matrix = coloringMatrix(horizon, 2);
  const noise = Float32Array.from({ length: count * horizon * actDim }, (_, i) => (i * 7) % 5 - 2);
  const white = noise.slice();
  colorNoise(noise, matrix, actDim, new Float64Array(horizon));
  for (let n = 0; n < count; n++) {
    for (let a = 0; a < actDim; a++) {
      for (let h = 0; h < horizon; h++) {
        let wanted = 0;
        for (let k = 0; k < horizon; k++) {
          wanted += matrix[h * horizon + k] * white[(n * horizon + k) * actDim + a];
        }
        assert.equal(noise[(n * horizon + h) * actDim + a], Math.fround(wanted));
      }
    }
  }
});
