/**
 * MJCF as text, before MuJoCo sees it: its elements in order, for the files that they name, and
 * whether a small file asks for a huge model. Compiling takes time with the square of the model's
 * size, can't be stopped, and ends the thread's MuJoCo where its 2 GiB of memory are used up.
 *
 * Linear in the length of the text, whatever it is; that it is right MJCF is MuJoCo's to say.
 *
 * Left out: entities in attributes; a file whose name has one is not found.
 */
import { UserError } from "../../util/errors.ts";

/** An element as it begins. */
export interface XmlElement {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  /** How many times `<replicate>` around it makes it. */
  readonly copies: number;
}

/** Largest models: elements after all copies, numbers of one array. */
const [MOST_ELEMENTS, MOST_NUMBERS] = [5000, 10_000_000];

/**
 * Elements that one of these makes per count, at most: a body with joints, shape and more. Copies
 * take time even of nothing.
 */
const PER_COUNT: ReadonlyMap<string, number> = new Map([
  ["composite", 5],
  ["flexcomp", 5],
  ["replicate", 1],
]);

/** Attributes that are the length of an array (their product, where there are several). */
const SIZES: ReadonlyMap<string, readonly string[]> = new Map([
  ["hfield", ["nrow", "ncol"]],
  ["texture", ["width", "height"]],
  ["numeric", ["size"]],
  ["user", ["dim"]],
  ["general", ["actdim"]],
  ["plugin", ["actdim"]],
]);

/** Attributes of `<size>` that are lengths, besides nuser_body and its like. */
const GLOBAL_SIZES = ["njmax", "nconmax", "nstack", "nuserdata", "nkey"];

const NAME = /[A-Za-z_][\w.:-]*/y;
const ATTRIBUTE = /\s+([\w.:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/y;
const EMPTY_END = /\s*\/>/y;

/** What is no element, longest beginning first, and how it ends. */
const OTHERS: readonly (readonly [string, string])[] = [
  ["<!--", "-->"],
  ["<![CDATA[", "]]>"],
  ["<!", ">"],
  ["<?", "?>"],
];

/** The elements of a text in order. @param copies what all are multiplied by */
export function* xmlElements(text: string, copies: number): Generator<XmlElement> {
  // of each open element
  const outer: number[] = [];
  let inner = copies;
  for (let at = text.indexOf("<"); at >= 0; at = text.indexOf("<", at)) {
    const other = OTHERS.find(([start]) => text.startsWith(start, at));
    if (other !== undefined) {
      at = text.indexOf(other[1], at + other[0].length);
      if (at < 0) return;
      continue;
    }
    if (text[at + 1] === "/") inner = outer.pop() ?? copies;
    NAME.lastIndex = ++at;
    const name = NAME.exec(text)?.[0];
    if (name === undefined) continue;
    at += name.length;
    const attributes = new Map<string, string>();
    for (;;) {
      ATTRIBUTE.lastIndex = at;
      const match = ATTRIBUTE.exec(text);
      if (match === null) break;
      attributes.set(match[1], match[2] ?? match[3]);
      at = ATTRIBUTE.lastIndex;
    }
    yield { name, attributes, copies: inner };
    EMPTY_END.lastIndex = at;
    if (EMPTY_END.test(text)) continue;
    outer.push(inner);
    if (name === "replicate") inner *= count(attributes.get("count"));
  }
}

/** Product of the whole numbers in an attribute; what is none counts once. */
function count(text: string | undefined): number {
  let product = 1;
  for (const number of (text ?? "").split(/\s+/)) product *= Math.max(1, Number(number) || 1);
  return product;
}

/** Adds up what a model's elements ask for; one for all of its files. */
export class ModelSize {
  #elements = 0;

  /** @param file how messages call the model */
  constructor(readonly file: string) {}

  /** Counts an element. @throws UserError `mjcf` where the model becomes too large */
  add({ name, attributes, copies }: XmlElement): void {
    const factor = PER_COUNT.get(name);
    this.#elements += copies * (factor === undefined ? 1 : factor * count(attributes.get("count")));
    if (!(this.#elements <= MOST_ELEMENTS)) {
      throw new UserError(
        "mjcf",
        `Cannot compile ${this.file}: with all copies it has more than ${MOST_ELEMENTS} elements ` +
          `(at <${name}>)`,
      );
    }
    const sizes = name === "size"
      ? [...attributes.keys()].filter((key) => GLOBAL_SIZES.includes(key) || /^nuser_/.test(key))
        .map((key) => [key])
      : [SIZES.get(name) ?? []];
    for (const keys of sizes) {
      const numbers = keys.reduce((product, key) => product * count(attributes.get(key)), 1);
      if (!(numbers <= MOST_NUMBERS)) {
        throw new UserError(
          "mjcf",
          `Cannot compile ${this.file}: ${keys.join(" x ")} of <${name}> asks for ${numbers} ` +
            `numbers, at most ${MOST_NUMBERS} are allowed`,
        );
      }
    }
  }
}
