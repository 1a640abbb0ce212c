/**
 * Arithmetic that a user writes in an environment's description, e.g. `-distance(tip, goal)`.
 * jsep parses it (and only that: nothing is ever evaluated as code); the tree may hold numbers,
 * names of quantities, the operators and the functions below and nothing else, so it can't loop,
 * reach a property or call anything of JavaScript's. It becomes closures over one buffer.
 *
 *     + - * /   < <= > >= == !=   && || !   a ? b : c      true is 1, false is 0
 *     abs sqrt exp log sin cos tanh square (x), pow(x, n), min max (x, ...), clamp(x, low, high)
 *     norm sum sumsq (v), distance dot (v, w)              of quantities with several numbers
 *
 * exp, log, sin, cos, tanh are those of `util/math.ts`: the same bits on every engine.
 *
 * Left out: `**` and `^` (jsep reads -x ** 2 as (-x) ** 2); powers are `pow(x, 2)`.
 */
import jsep from "jsep";
import { messageOf, UserError } from "../../util/errors.ts";
import { cos, exp, log, sin, tanh } from "../../util/math.ts";
import { didYouMean } from "../../util/nearest.ts";

/** Where in the buffer a quantity lies. */
export interface Slot {
  readonly offset: number;
  /** How many numbers it has. */
  readonly size: number;
}

/** Quantities by name. */
export type Slots = ReadonlyMap<string, Slot>;

/** Gives the value for what is in the buffer now; allocates nothing. */
export type Evaluate = () => number;

/** A checked expression, to be bound to the buffer of an instance. */
export type Expression = (values: Float64Array) => Evaluate;

/** More than anyone writes by hand; bounds the depth of the tree. */
const LONGEST = 1000;

const CONSTANTS: ReadonlyMap<string, number> = new Map([["pi", Math.PI]]);

/** Functions of one number. */
const UNARY: ReadonlyMap<string, (x: number) => number> = new Map([
  ["abs", Math.abs],
  ["sqrt", Math.sqrt],
  ["exp", exp],
  ["log", log],
  ["sin", sin],
  ["cos", cos],
  ["tanh", tanh],
  ["square", (x: number) => x * x],
]);

/** Functions of any number of numbers, at least one. */
const FOLDS: ReadonlyMap<string, (a: number, b: number) => number> = new Map([
  ["min", (a: number, b: number) => Math.min(a, b)],
  ["max", (a: number, b: number) => Math.max(a, b)],
]);

/** What is added up over a quantity. */
const SUMS: ReadonlyMap<string, (x: number) => number> = new Map([
  ["sum", (x: number) => x],
  ["sumsq", (x: number) => x * x],
  ["norm", (x: number) => x * x],
]);

/** What is added up over two quantities. */
const PAIR_SUMS: ReadonlyMap<string, (x: number, y: number) => number> = new Map([
  ["dot", (x: number, y: number) => x * y],
  ["distance", (x: number, y: number) => (x - y) * (x - y)],
]);

/** Sums of which the root is taken. */
const ROOTS: ReadonlySet<string> = new Set(["norm", "distance"]);

const BINARY: ReadonlyMap<string, (a: Evaluate, b: Evaluate) => Evaluate> = new Map([
  ["+", (a: Evaluate, b: Evaluate) => () => a() + b()],
  ["-", (a: Evaluate, b: Evaluate) => () => a() - b()],
  ["*", (a: Evaluate, b: Evaluate) => () => a() * b()],
  ["/", (a: Evaluate, b: Evaluate) => () => a() / b()],
  ["<", (a: Evaluate, b: Evaluate) => () => a() < b() ? 1 : 0],
  ["<=", (a: Evaluate, b: Evaluate) => () => a() <= b() ? 1 : 0],
  [">", (a: Evaluate, b: Evaluate) => () => a() > b() ? 1 : 0],
  [">=", (a: Evaluate, b: Evaluate) => () => a() >= b() ? 1 : 0],
  ["==", (a: Evaluate, b: Evaluate) => () => a() === b() ? 1 : 0],
  ["!=", (a: Evaluate, b: Evaluate) => () => a() !== b() ? 1 : 0],
  ["&&", (a: Evaluate, b: Evaluate) => () => a() !== 0 && b() !== 0 ? 1 : 0],
  ["||", (a: Evaluate, b: Evaluate) => () => a() !== 0 || b() !== 0 ? 1 : 0],
]);

const COMPARISONS: ReadonlySet<string> = new Set(["<", "<=", ">", ">=", "==", "!="]);

const FUNCTION_NAMES = [
  ...[...UNARY.keys(), ...FOLDS.keys(), ...SUMS.keys(), ...PAIR_SUMS.keys()],
  ...["pow", "clamp"],
];

/** Names that quantities can't have. */
export const RESERVED_NAMES: readonly string[] = [...FUNCTION_NAMES, ...CONSTANTS.keys()];

/** Largest exponent of `pow`: it multiplies. */
const LARGEST_EXPONENT = 16;

/** Turns a tree into a function of the buffer, or says what is wrong with it. */
class Compiler {
  readonly #slots: Slots;
  readonly #text: string;
  readonly #where: string;

  constructor(text: string, slots: Slots, where: string) {
    this.#text = text;
    this.#slots = slots;
    this.#where = where;
  }

  number(node: jsep.Expression): Expression {
    const tree = node as jsep.CoreExpression;
    switch (tree.type) {
      case "Literal":
        return this.#constant(this.#literal(tree));
      case "Identifier":
        return this.#name(tree.name);
      case "UnaryExpression":
        return this.#unary(tree);
      case "BinaryExpression":
        return this.#binary(tree);
      case "ConditionalExpression":
        return this.#conditional(tree);
      case "CallExpression":
        return this.#call(tree);
      case "MemberExpression":
        throw this.#error('"." and "[ ]" have no meaning here; components are names, e.g. tip_x');
      case "Compound":
      case "SequenceExpression":
        throw this.#error(
          tree.type === "Compound" && tree.body.length === 0
            ? "it is empty"
            : "it must be one expression, without loops or statements",
        );
      default:
        throw this.#error("lists and words of JavaScript have no meaning here");
    }
  }

  #error(reason: string): UserError {
    return new UserError(
      "env-expression",
      `${this.#where}: can't read the expression "${this.#text}": ${reason}`,
    );
  }

  #constant(value: number): Expression {
    return () => () => value;
  }

  #literal({ value, raw }: jsep.Literal): number {
    if (typeof value === "number" && Number.isFinite(value)) return value;
    throw this.#error(`${raw} is not a number`);
  }

  #unknown(name: string): UserError {
    const known = [...this.#slots.keys(), ...CONSTANTS.keys()];
    const hint = didYouMean(name, [...known, ...FUNCTION_NAMES]);
    return this.#error(
      FUNCTION_NAMES.includes(name)
        ? `"${name}" is a function and needs its arguments in parentheses`
        : `unknown name "${name}"${hint || `; known are ${known.join(", ")}`}`,
    );
  }

  #name(name: string): Expression {
    const constant = CONSTANTS.get(name);
    if (constant !== undefined) return this.#constant(constant);
    const slot = this.#slots.get(name);
    if (slot === undefined) throw this.#unknown(name);
    const { offset, size } = slot;
    if (size !== 1) {
      throw this.#error(
        `"${name}" has ${size} numbers where one is wanted; give one of them, or a function of ` +
          `them such as norm(${name})`,
      );
    }
    return (values) => () => values[offset];
  }

  #unary({ operator, argument }: jsep.UnaryExpression): Expression {
    const of = this.number(argument);
    const bind = (wrap: (a: Evaluate) => Evaluate): Expression => (values) => wrap(of(values));
    switch (operator) {
      case "-":
        return bind((a) => () => -a());
      case "+":
        return of;
      case "!":
        return bind((a) => () => a() === 0 ? 1 : 0);
      default:
        throw this.#error(`"${operator}" is not an operator here`);
    }
  }

  #binary({ operator, left, right }: jsep.BinaryExpression): Expression {
    const make = BINARY.get(operator);
    if (make === undefined) {
      const hint = operator === "**" || operator === "^" ? "; write pow(x, 2)" : "";
      throw this.#error(`"${operator}" is not an operator here${hint}`);
    }
    const isComparison = (node: jsep.Expression) =>
      node.type === "BinaryExpression" && COMPARISONS.has(node.operator as string);
    if (COMPARISONS.has(operator) && (isComparison(left) || isComparison(right))) {
      throw this.#error("comparisons can't be chained; write a < b && b < c");
    }
    const [a, b] = [this.number(left), this.number(right)];
    return (values) => make(a(values), b(values));
  }

  #conditional({ test, consequent, alternate }: jsep.ConditionalExpression): Expression {
    const [condition, yes, no] = [test, consequent, alternate].map((node) => this.number(node));
    return (values) => {
      const [isTrue, whenTrue, whenFalse] = [condition(values), yes(values), no(values)];
      return () => isTrue() !== 0 ? whenTrue() : whenFalse();
    };
  }

  #call({ callee, arguments: given }: jsep.CallExpression): Expression {
    if (callee.type !== "Identifier") throw this.#error("only functions by name can be called");
    const name = callee.name as string;
    const unary = UNARY.get(name);
    if (unary !== undefined) {
      this.#count(name, given, 1);
      const of = this.number(given[0]);
      return (values) => {
        const a = of(values);
        return () => unary(a());
      };
    }
    const fold = FOLDS.get(name);
    if (fold !== undefined) {
      if (given.length === 0) throw this.#error(`${name}() needs at least 1 argument`);
      return given.map((node) => this.number(node)).reduce((first, second) => (values) => {
        const [a, b] = [first(values), second(values)];
        return () => fold(a(), b());
      });
    }
    const term = SUMS.get(name);
    if (term !== undefined) {
      this.#count(name, given, 1);
      return this.#sum(this.#vector(name, given[0]), term, ROOTS.has(name));
    }
    const pairTerm = PAIR_SUMS.get(name);
    if (pairTerm !== undefined) {
      this.#count(name, given, 2);
      const [a, b] = given.map((node) => this.#vector(name, node));
      if (a.size !== b.size) {
        throw this.#error(`${name}() needs two of one size; these have ${a.size} and ${b.size}`);
      }
      return this.#pairSum(a, b, pairTerm, ROOTS.has(name));
    }
    if (name === "pow") return this.#power(given);
    if (name === "clamp") return this.#clamp(given);
    throw this.#error(
      `unknown function "${name}"` +
        (didYouMean(name, FUNCTION_NAMES) || `; known are ${FUNCTION_NAMES.join(", ")}`),
    );
  }

  #count(name: string, given: readonly jsep.Expression[], wanted: number): void {
    if (given.length === wanted) return;
    throw this.#error(
      `${name}() needs ${wanted} argument${wanted === 1 ? "" : "s"}; got ${given.length}`,
    );
  }

  #vector(name: string, node: jsep.Expression): Slot {
    if (node.type !== "Identifier") throw this.#error(`${name}() needs the name of a quantity`);
    const slot = this.#slots.get(node.name as string);
    if (slot === undefined) throw this.#unknown(node.name as string);
    return slot;
  }

  #sum({ offset, size }: Slot, term: (x: number) => number, takesRoot: boolean): Expression {
    return (values) => () => {
      let sum = 0;
      for (let i = offset; i < offset + size; i++) sum += term(values[i]);
      return takesRoot ? Math.sqrt(sum) : sum;
    };
  }

  #pairSum(
    a: Slot,
    b: Slot,
    term: (x: number, y: number) => number,
    takesRoot: boolean,
  ): Expression {
    return (values) => () => {
      let sum = 0;
      for (let i = 0; i < a.size; i++) sum += term(values[a.offset + i], values[b.offset + i]);
      return takesRoot ? Math.sqrt(sum) : sum;
    };
  }

  #power(given: readonly jsep.Expression[]): Expression {
    this.#count("pow", given, 2);
    const [base, exponent] = given;
    const n = exponent.type === "Literal" ? exponent.value as number : NaN;
    if (!Number.isInteger(n) || n < 0 || n > LARGEST_EXPONENT) {
      throw this.#error(
        `the exponent of pow() must be a whole number from 0 to ${LARGEST_EXPONENT}`,
      );
    }
    const of = this.number(base);
    return (values) => {
      const a = of(values);
      return () => {
        const x = a();
        let power = 1;
        for (let i = 0; i < n; i++) power *= x;
        return power;
      };
    };
  }

  #clamp(given: readonly jsep.Expression[]): Expression {
    this.#count("clamp", given, 3);
    const [x, low, high] = given.map((node) => this.number(node));
    return (values) => {
      const [value, least, most] = [x(values), low(values), high(values)];
      return () => Math.min(Math.max(value(), least()), most());
    };
  }
}

/**
 * Reads an expression over the named quantities.
 * @param where file and key, the start of an error message
 * @throws UserError `env-expression`
 */
export function parseExpression(text: string, slots: Slots, where: string): Expression {
  if (text.length > LONGEST) {
    throw new UserError(
      "env-expression",
      `${where}: the expression has ${text.length} characters; at most ${LONGEST} are read`,
    );
  }
  let tree: jsep.Expression;
  try {
    tree = jsep(text);
  } catch (error) {
    const reason = messageOf(error).replace(/^./, (first) => first.toLowerCase());
    throw new UserError(
      "env-expression",
      `${where}: can't read the expression "${text}": ${reason}`,
      { cause: error },
    );
  }
  return new Compiler(text, slots, where).number(tree);
}
