/** Any text as an expression of a reward; expressions that are right, against an own evaluation. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { parseExpression, type Slots } from "../../src/envs/custom/expression.ts";
import { cos, exp, log, sin, tanh } from "../../src/util/math.ts";
import { UserError } from "../../src/util/errors.ts";
import { brokenText, effort, outcome, wildText } from "./support.ts";

const SLOTS: Slots = new Map([
  ["x", { offset: 0, size: 1 }],
  ["y", { offset: 1, size: 1 }],
  ["tip", { offset: 2, size: 3 }],
  ["goal", { offset: 5, size: 3 }],
  ["action", { offset: 8, size: 2 }],
]);
const BUFFER = Float64Array.of(0.5, -2, 1, 2, 3, -1, 0, 0.25, 0.1, -0.7);

/** A right expression as text, and its value. */
interface Term {
  readonly text: string;
  readonly value: number;
  /** Comparisons of comparisons are refused, in parentheses too. */
  readonly isComparison?: true;
}

const slice = (name: string) => {
  const { offset, size } = SLOTS.get(name)!;
  return [...BUFFER.subarray(offset, offset + size)];
};
const truth = (is: boolean) => is ? 1 : 0;
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

const ONE: Readonly<Record<string, (x: number) => number>> = {
  ...{ abs: Math.abs, sqrt: Math.sqrt, exp, log, sin, cos, tanh, square: (x: number) => x * x },
};
const TWO: Readonly<Record<string, (a: number, b: number) => number>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
  "<": (a, b) => truth(a < b),
  ">=": (a, b) => truth(a >= b),
  "!=": (a, b) => truth(a !== b),
  "&&": (a, b) => truth(a !== 0 && b !== 0),
  "||": (a, b) => truth(a !== 0 || b !== 0),
};

const leaf: fc.Arbitrary<Term> = fc.oneof(
  fc.constantFrom("x", "y").map((text) => ({ text, value: slice(text)[0] })),
  fc.constant({ text: "pi", value: Math.PI }),
  fc.double({ min: 0, max: 1e6, noNaN: true }).map((value) => ({
    text: value.toFixed(3),
    value: Number(value.toFixed(3)),
  })),
  fc.constantFrom("tip", "goal", "action").map((name) => ({
    text: `norm(${name})`,
    value: Math.sqrt(sum(slice(name).map((x) => x * x))),
  })),
  fc.constant({
    text: "distance( tip,goal )",
    value: Math.sqrt(sum(slice("tip").map((x, i) => (x - slice("goal")[i]) ** 2))),
  }),
);

const { term: terms } = fc.letrec<{ term: Term }>((tie) => ({
  term: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    leaf,
    fc.tuple(fc.constantFrom(...Object.keys(TWO)), tie("term"), tie("term")).map(
      ([name, a, b]): Term => {
        const isComparison = /[<=>]/.test(name);
        const side = ({ text, isComparison: inner }: Term) =>
          isComparison && inner ? `(0 + (${text}))` : `(${text})`;
        const term = { text: `${side(a)} ${name} ${side(b)}`, value: TWO[name](a.value, b.value) };
        return isComparison ? { ...term, isComparison } : term;
      },
    ),
    fc.tuple(fc.constantFrom(...Object.keys(ONE)), tie("term")).map(([name, a]) => ({
      text: `${name}(${a.text})`,
      value: ONE[name](a.value),
    })),
    tie("term").map(({ text, value }) => ({ text: `-(${text})`, value: -value })),
    tie("term").map(({ text, value }) => ({ text: `!(${text})`, value: truth(value === 0) })),
    fc.tuple(tie("term"), fc.integer({ min: 0, max: 4 })).map(([a, n]) => {
      let value = 1;
      for (let i = 0; i < n; i++) value *= a.value;
      return { text: `pow(${a.text}, ${n})`, value };
    }),
    fc.tuple(tie("term"), tie("term"), tie("term")).map(([a, b, c]) => ({
      text: `((${a.text}) ? (${b.text}) : (${c.text}))`,
      value: a.value !== 0 ? b.value : c.value,
    })),
    fc.array(tie("term"), { minLength: 1, maxLength: 3 }).map((list) => ({
      text: `max(${list.map(({ text }) => text).join(", ")})`,
      value: Math.max(...list.map(({ value }) => value)),
    })),
  ),
}));

Deno.test("parseExpression() computes right expressions", () => {
  fc.assert(
    fc.property(terms.filter(({ text }) => text.length <= 1000), ({ text, value }) => {
      assert.ok(Object.is(parseExpression(text, SLOTS, "w")(BUFFER)(), value), text);
    }),
    effort(),
  );
});

Deno.test("parseExpression() reads or refuses any text, and runs none of it", () => {
  const words = fc.array(
    fc.constantFrom(
      ...[
        "x",
        "tip",
        "norm(",
        ")",
        "(",
        "+",
        "-",
        "*",
        "/",
        "**",
        "?",
        ":",
        ",",
        ".",
        "[",
        "]",
        "1",
      ],
      ...[
        "1e999",
        "0x1",
        ".5",
        "'a'",
        '"b"',
        "=",
        "==",
        "=>",
        ";",
        "this",
        "constructor",
        "!",
        "~",
      ],
      ...[
        "__proto__",
        "globalThis",
        "Deno",
        "exit()",
        "new ",
        "typeof ",
        "`",
        "${",
        "}",
        "{",
        "\\",
        "\n",
      ],
      ...[
        "while(1)",
        "max(",
        "pow(x,",
        "clamp(",
        "NaN",
        "Infinity",
        "null",
        "\x00",
        "\u2028",
        "µ",
        "@",
      ],
    ),
    { maxLength: 12 },
  ).map((list) => list.join(""));
  const samples = [
    "-distance(tip, goal) - 0.5 * sumsq(action)",
    "x > 0 && y < 1 ? pow(x, 2) : clamp(y, -1, 1)",
  ];
  const before = Object.getOwnPropertyNames(globalThis).length;
  fc.assert(
    fc.property(fc.oneof(words, wildText, brokenText(samples)), (text) => {
      const found = outcome(() => parseExpression(text, SLOTS, "env.json: reward")(BUFFER)());
      if ("value" in found) return assert.equal(typeof found.value, "number");
      assert.ok(found.error instanceof UserError && found.error.code === "env-expression");
      assert.match(found.error.message, /^env\.json: reward: /);
    }),
    {
      ...effort(),
      examples: [
        ["(".repeat(1000)],
        ["-".repeat(999) + "x"],
        ["x" + "+x".repeat(499)],
        [`${"max(".repeat(200)}x${")".repeat(200)}`],
        [`${"x?".repeat(249)}x${":x".repeat(249)}`],
        ["Deno.exit(1)"],
        ["constructor.constructor('return 1')()"],
      ],
    },
  );
  assert.equal(Object.getOwnPropertyNames(globalThis).length, before);
});
