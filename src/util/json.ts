/**
 * Reads JSON written by a person: a syntax error is told with line and column, a key that stands
 * twice in an object is an error (`JSON.parse` silently takes the last one), and so is nesting that
 * only a text made to exhaust readers has.
 */
import { parse as parseToTree } from "@humanwhocodes/momoa";
import { UserError } from "./errors.ts";

/** Any JSON value. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** Where the parser of momoa stopped, and why. */
interface SyntaxPosition {
  readonly line: number;
  readonly column: number;
}

function hasPosition(error: unknown): error is Error & SyntaxPosition {
  return error instanceof Error && "line" in error && "column" in error;
}

/** momoa's names of punctuation. */
const TOKENS: Readonly<Record<string, string>> = {
  LBrace: "{",
  RBrace: "}",
  LBracket: "[",
  RBracket: "]",
  Comma: ",",
  Colon: ":",
};

/** Deepest nesting of lists and objects; whoever walks through a value may recurse so deep. */
const DEEPEST = 100;

/** Longest text whose syntax error is looked for: its tree takes 100 times the memory. */
const LONGEST_TO_LOCATE = 1_000_000;

/** `line 3, column 5: unexpected character 'N'` of a text that is not JSON. */
function describeSyntaxError(text: string, error: SyntaxError): string {
  if (text.length > LONGEST_TO_LOCATE) return error.message;
  try {
    parseToTree(text, { mode: "json" });
  } catch (located) {
    if (hasPosition(located)) {
      // momoa: "Unexpected character 'N' found. (1:6)", "Unexpected token RBrace found. (3:1)"
      const reason = located.message
        .replace(/( found)?\.? \(\d+:\d+\)$/, "")
        .replace(/token (\w+)$/, (text, name) => name in TOKENS ? `'${TOKENS[name]}'` : text);
      const lowered = reason.slice(0, 1).toLowerCase() + reason.slice(1);
      return `line ${located.line}, column ${located.column}: ${lowered}`;
    }
  }
  // momoa is more lenient than the standard in places (control characters in strings)
  return error.message;
}

/** Index behind the string that begins at `start`; the end where it is not closed. */
function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === '"') return i + 1;
  }
  return text.length;
}

/** Whether lists and objects lie deeper in each other than is read; of any text. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '"') i = endOfString(text, i) - 1;
    else if (character === "[" || character === "{") depth++;
    else if (character === "]" || character === "}") depth--;
    if (depth > DEEPEST) return true;
  }
  return false;
}

/** A key that is not read, and why. */
interface BadKey {
  readonly key: string;
  readonly line: number;
  readonly fault: "twice" | "escaped";
}

/**
 * The first key of a valid text that stands twice in one object, or that is written with an escape.
 * V8 may read such a key as another one: where it expects a key of N characters, its JSON.parse
 * compares the first N as they are written, so that `"\n"` is the key of one backslash (seen in 14.5
 * and 15.0, in the objects after one that has that key).
 */
function findBadKey(text: string): BadKey | null {
  // keys of the open objects, outermost first; null for a list
  const open: (Set<string> | null)[] = [];
  let isKeyNext = false;
  for (let i = 0; i < text.length; i++) {
    switch (text[i]) {
      case "{":
      case "[":
        isKeyNext = text[i] === "{";
        open.push(isKeyNext ? new Set() : null);
        break;
      case "}":
      case "]":
        open.pop();
        isKeyNext = false;
        break;
      case ",":
        isKeyNext = open[open.length - 1] !== null;
        break;
      case ":":
        isKeyNext = false;
        break;
      case '"': {
        const end = endOfString(text, i);
        const keys = open[open.length - 1];
        if (isKeyNext && keys) {
          const key: string = JSON.parse(text.slice(i, end));
          const isEscaped = end - i !== `"${key}"`.length;
          if (isEscaped || keys.has(key)) {
            const line = text.slice(0, i).split("\n").length;
            return { key, line, fault: isEscaped ? "escaped" : "twice" };
          }
          keys.add(key);
        }
        i = end - 1;
      }
    }
  }
  return null;
}

/**
 * The value that a JSON text stands for.
 *
 * @param source where the text is from, the start of the error message
 * @throws UserError `json-syntax` or `json-duplicate-key`
 */
export function parseJsonText(text: string, source: string): JsonValue {
  const withoutMark = text.startsWith("\ufeff") ? text.slice(1) : text;
  if (isTooDeep(withoutMark)) {
    throw new UserError(
      "json-syntax",
      `${source} has values within values, over ${DEEPEST} levels`,
    );
  }
  let value: JsonValue;
  try {
    value = JSON.parse(withoutMark);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const where = describeSyntaxError(withoutMark, error);
    throw new UserError("json-syntax", `${source} is not valid JSON: ${where}`, { cause: error });
  }
  const bad = findBadKey(withoutMark);
  if (bad === null) return value;
  const { key, line, fault } = bad;
  if (fault === "twice") {
    throw new UserError("json-duplicate-key", `${source}: line ${line}: "${key}" is given twice`);
  }
  throw new UserError(
    "json-syntax",
    `${source}: line ${line}: the key ${JSON.stringify(key)} has escaped characters; write it ` +
      "without, or take another name",
  );
}
