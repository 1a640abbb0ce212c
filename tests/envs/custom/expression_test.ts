import assert from "node:assert/strict";
import fc from "fast-check";
import { parseExpression, type Slot } from "../../../src/envs/custom/expression.ts";
import { UserError } from "../../../src/util/errors.ts";

/** a = 3, b = -0.5, zero = 0, v = (3, 4), w = (6, 8). */
const VALUES = Float64Array.of(3, -0.5, 0, 3, 4, 6, 8);
const SLOTS = new Map<string, Slot>([
  ["a", { offset: 0, size: 1 }],
  ["b", { offset: 1, size: 1 }],
  ["zero", { offset: 2, size: 1 }],
  ["v", { offset: 3, size: 2 }],
  ["v_x", { offset: 3, size: 1 }],
  ["w", { offset: 5, size: 2 }],
]);

function evaluate(text: string): number {
  return parseExpression(text, SLOTS, "test")(VALUES)();
}

Deno.test("parseExpression() computes what is written", () => {
  // worked out by hand from the values above
  const cases: [string, number][] = [
    ["1 + 2 * 3", 7],
    ["(1 + 2) * 3", 9],
    ["2 - 3 - 4", -5],
    ["12 / 3 / 2", 2],
    ["-a + +b", -3.5],
    ["-a * -2", 6],
    ["1e-3 * 1000", 1],
    [".5", 0.5],
    ["a > b && b < 0", 1],
    ["a > b && b > 0", 0],
    ["zero || b", 1],
    ["!zero + !a", 1],
    ["a >= 3", 1],
    ["a <= 2", 0],
    ["a == 3", 1],
    ["a != 3", 0],
    ["a > 2 ? 10 : 20", 10],
    ["zero ? 10 : a < 0 ? 20 : 30", 30],
    ["abs(b)", 0.5],
    ["sqrt(a * a)", 3],
    ["square(b)", 0.25],
    ["pow(a, 3)", 27],
    ["pow(b, 0)", 1],
    ["min(a, b, 7)", -0.5],
    ["max(a, b, 7)", 7],
    ["clamp(a, -1, 1)", 1],
    ["clamp(b, 0, 1)", 0],
    ["exp(zero) + cos(zero) + sin(zero) + tanh(zero) + log(1)", 2],
    ["norm(v)", 5],
    ["sum(v)", 7],
    ["sumsq(v)", 25],
    ["dot(v, w)", 50],
    ["distance(v, w)", 5],
    ["norm(a)", 3],
    ["v_x - 1", 2],
    ["2 * pi", 2 * Math.PI],
  ];
  for (const [text, expected] of cases) assert.equal(evaluate(text), expected, text);
});

Deno.test("parseExpression() reads the buffer at each call", () => {
  const values = VALUES.slice();
  const value = parseExpression("a + norm(v)", SLOTS, "test")(values);
  assert.equal(value(), 8);
  values[0] = 10;
  values[3] = 0;
  assert.equal(value(), 14);
});

Deno.test("parseExpression() agrees with arithmetic on random sums and products", () => {
  const leaf = fc.constantFrom(["a", 3], ["b", -0.5], ["2", 2], ["v_x", 3]) as fc.Arbitrary<
    [string, number]
  >;
  const { tree } = fc.letrec<{ tree: [string, number] }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5 },
      leaf,
      fc.tuple(tie("tree"), fc.constantFrom("+", "-", "*"), tie("tree")).map(
        ([[left, x], operator, [right, y]]): [string, number] => [
          `(${left} ${operator} ${right})`,
          operator === "+" ? x + y : operator === "-" ? x - y : x * y,
        ],
      ),
    ),
  }));
  fc.assert(
    fc.property(tree, ([text, expected]) => {
      fc.pre(text.length <= 1000);
      assert.equal(evaluate(text), expected);
    }),
    { seed: 1 },
  );
});

Deno.test("parseExpression() refuses what it does not know, in one line", () => {
  const refused: [string, RegExp][] = [
    ["", /it is empty$/],
    ["-distance(v, ww)", /unknown name "ww"; did you mean "w"\?$/],
    ["qqqq + 1", /unknown name "qqqq"; known are a, b, zero, v, v_x, w, pi$/],
    ["distanse(v, w)", /unknown function "distanse"; did you mean "distance"\?$/],
    ["fetch(1)", /unknown function "fetch"; known are abs, /],
    ["constructor", /unknown name "constructor"/],
    ["constructor(1)", /unknown function "constructor"/],
    ["__proto__", /unknown name "__proto__"/],
    ["v", /"v" has 2 numbers where one is wanted; .*norm\(v\)$/],
    ["abs(v)", /"v" has 2 numbers where one is wanted/],
    ["abs", /"abs" is a function and needs its arguments/],
    ["norm(v, w)", /norm\(\) needs 1 argument; got 2$/],
    ["distance(v)", /distance\(\) needs 2 arguments; got 1$/],
    ["distance(v, a)", /distance\(\) needs two of one size; these have 2 and 1$/],
    ["norm(a + b)", /norm\(\) needs the name of a quantity$/],
    ["min()", /min\(\) needs at least 1 argument$/],
    ["clamp(a, 1)", /clamp\(\) needs 3 arguments; got 2$/],
    ["pow(a, 0.5)", /exponent of pow\(\) must be a whole number from 0 to 16$/],
    ["pow(a, b)", /exponent of pow\(\)/],
    ["pow(a, 17)", /exponent of pow\(\)/],
    ["a ** 2", /"\*\*" is not an operator here; write pow\(x, 2\)$/],
    ["a ^ 2", /"\^" is not an operator here; write pow\(x, 2\)$/],
    ["a % 2", /"%" is not an operator here$/],
    ["~a", /"~" is not an operator here$/],
    ["0 < a < 1", /comparisons can't be chained; write a < b && b < c$/],
    ["v.x", /components are names, e.g. tip_x$/],
    ["v[0]", /components are names/],
    ["a.constructor.constructor('x')()", /only functions by name can be called$/],
    ["while (true) a", /must be one expression, without loops or statements$/],
    ["for (;;) a", /can't read the expression/],
    ["a; b", /must be one expression/],
    ["a b", /must be one expression/],
    ["a, b", /must be one expression/],
    ["a = 3", /unexpected "=" at character 2$/],
    ["(a", /unclosed \(/],
    ["'text'", /'text' is not a number$/],
    ["true", /true is not a number$/],
    ["1e999", /1e999 is not a number$/],
    ["[1, 2]", /lists and words of JavaScript have no meaning here$/],
    ["this", /lists and words of JavaScript/],
    ["`a`", /can't read the expression/],
    ["() => a", /can't read the expression/],
    ["-".repeat(1001), /has 1001 characters; at most 1000 are read$/],
    ["(".repeat(1000), /can't read the expression/],
  ];
  for (const [text, message] of refused) {
    assert.throws(() => parseExpression(text, SLOTS, 'env.json: "reward.goal"'), (error) => {
      assert.ok(error instanceof UserError, `${text}: ${error}`);
      assert.equal(error.code, "env-expression");
      assert.match(error.message, message);
      assert.match(error.message, /^env\.json: "reward\.goal": [^\n]*$/);
      return true;
    });
  }
});
