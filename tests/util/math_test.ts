import assert from "node:assert/strict";
import { cos, exp, log, sin, tanh } from "../../src/util/math.ts";
import { KeyedRandom, Purpose } from "../../src/util/prng.ts";
import { testNeeding } from "../permissions.ts";

const test = testNeeding("read");

const bits = new Float64Array(1);
const integer = new BigInt64Array(bits.buffer);

/** Distance from |y| to the next larger double. */
function ulp(y: number): number {
  bits[0] = Math.abs(y);
  integer[0] += 1n;
  return bits[0] - Math.abs(y);
}

/**
 * Largest error of `own` in ulp of the engine's function. That one is itself off by up to 1 ulp,
 * so the tolerances are one more than what math.ts promises. Two good implementations agree in
 * most last bits: the mean error shows lost digits that the largest one hides.
 */
function check(
  own: (x: number) => number,
  engine: (x: number) => number,
  ranges: readonly (readonly [number, number])[],
  tolerance: number,
  meanTolerance: number,
) {
  const random = new KeyedRandom(1).at(Purpose.TEST_DATA);
  const count = 50_000;
  for (const [low, high] of ranges) {
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const x = random.uniformRange(low, high);
      const wanted = engine(x);
      const error = Math.abs(own(x) - wanted) / ulp(wanted);
      assert.ok(error <= tolerance, `at ${x}: got ${own(x)}, engine ${wanted}, ${error} ulp`);
      sum += error;
    }
    assert.ok(sum / count <= meanTolerance, `${low} to ${high}: ${sum / count} ulp on average`);
  }
}

Deno.test("exp() is accurate to 2 ulp, overflows and underflows like e^x", () => {
  check(exp, Math.exp, [[-1, 1], [-0.36, -0.33], [-700, 700], [-745, -708], [709, 709.78]], 3, 0.3);
  assert.equal(exp(0), 1);
  assert.equal(exp(Infinity), Infinity);
  assert.equal(exp(710), Infinity);
  assert.ok(exp(709.782712893384) < Infinity);
  assert.equal(exp(-Infinity), 0);
  assert.equal(exp(-746), 0);
  assert.equal(exp(-745), 5e-324);
  assert.ok(Number.isNaN(exp(NaN)));
});

Deno.test("log() is accurate to 2 ulp, also next to 1 and below the normal numbers", () => {
  check(
    log,
    Math.log,
    [[0, 1], [0.99, 1.01], [0.5, 2], [1, 1e6], [0, 1e308], [0, 1e-307]],
    3,
    0.15,
  );
  assert.equal(log(1), 0);
  assert.equal(log(0), -Infinity);
  assert.equal(log(Infinity), Infinity);
  assert.ok(Number.isNaN(log(-1)) && Number.isNaN(log(NaN)));
  // ln 2^k = k ln 2, over all exponents
  for (let k = -1074; k <= 1023; k++) {
    const wanted = k * Math.LN2;
    assert.ok(Math.abs(log(2 ** k) - wanted) <= 2 * ulp(wanted), `2^${k}`);
  }
});

Deno.test("sin() and cos() are accurate to 2 ulp for angles up to a million", () => {
  const ranges = [[-0.8, 0.8], [-7, 7], [3.1415, 3.1416], [1.5707, 1.5708], [-1e6, 1e6]] as const;
  check(sin, Math.sin, ranges, 3, 0.1);
  check(cos, Math.cos, ranges, 3, 0.1);
  // The double next to pi is pi - 1.2246...e-16, and that is its sine to first order.
  assert.ok(Math.abs(sin(Math.PI) - 1.2246467991473532e-16) < 1e-31);
  for (let quarter = -8; quarter <= 8; quarter++) {
    const cycle = [0, 1, 0, -1];
    const angle = quarter * Math.PI / 2;
    // angle is off by at most 4 pi * 2^-53
    assert.ok(Math.abs(sin(angle) - cycle[(quarter + 8) % 4]) < 2e-15);
    assert.ok(Math.abs(cos(angle) - cycle[(quarter + 9) % 4]) < 2e-15);
  }
});

Deno.test("sin() and cos() stay on the unit circle for any angle", () => {
  for (const x of [1e7, -1e9, 1e15, 1e22, -1e300]) {
    assert.ok(Math.abs(sin(x) ** 2 + cos(x) ** 2 - 1) < 1e-15, `${x}`);
  }
  // 4e-17 x, the error of the reduction by the double next to 2 pi
  for (const x of [1.5e6, -3e6, 1e8]) {
    assert.ok(Math.abs(sin(x) - Math.sin(x)) < 5e-17 * Math.abs(x) + 1e-15, `${x}`);
  }
  assert.ok(Number.isNaN(sin(Infinity)) && Number.isNaN(cos(-Infinity)) && Number.isNaN(sin(NaN)));
});

Deno.test("tanh() is accurate to 4 ulp, odd, and saturates", () => {
  check(tanh, Math.tanh, [[-1e-5, 1e-5], [-0.4, 0.4], [-1, 1], [-25, 25]], 5, 0.8);
  for (const x of [1e-300, 0.1, 0.3465, 0.3466, 1, 5, 21.9, 22.1]) {
    assert.equal(tanh(-x), -tanh(x));
    assert.ok(tanh(x) <= 1);
  }
  assert.equal(tanh(Infinity), 1);
  assert.equal(tanh(-Infinity), -1);
  assert.equal(tanh(0), 0);
  assert.ok(Number.isNaN(tanh(NaN)));
});

test("math.ts and prng.ts call only exactly defined functions of Math", async () => {
  const allowed = new Set(["floor", "imul", "min", "sqrt"]);
  for (const file of ["math.ts", "prng.ts"]) {
    const source = await Deno.readTextFile(new URL(`../../src/util/${file}`, import.meta.url));
    const code = source.replace(/\/\*[^]*?\*\/|\/\/.*/g, "");
    for (const [, name] of code.matchAll(/\bMath\.(\w+)/g)) assert.ok(allowed.has(name), name);
    assert.ok(!code.includes("**"), "** is Math.pow");
  }
});
