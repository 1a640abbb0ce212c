/**
 * Reads JSON written by a person: a syntax error is told with line and column, a key that stands
 * twice in an object is an error (`JSON.parse` silently takes the last one).
 */
import { type AnyNode, parse as parseToTree } from "@humanwhocodes/momoa";
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

/** `line 3, column 5: unexpected character 'N'` of a text that is not JSON. */
function describeSyntaxError(text: string, error: SyntaxError): string {
  try {
    parseToTree(text, { mode: "json" });
  } catch (located) {
    if (hasPosition(located)) {
      // momoa: "Unexpected character 'N' found. (1:6)", "Unexpected token RBrace found. (3:1)"
      const reason = located.message
        .replace(/( found)?\.? \(\d+:\d+\)$/, "")
        .replace(/token (\w+)$/, (text, name) => name in TOKENS ? `'${TOKENS[name]}'` : text);
      const lowered = reason[0].toLowerCase() + reason.slice(1);
      return `line ${located.line}, column ${located.column}: ${lowered}`;
    }
  }
  // momoa is more lenient than the standard in places (control characters in strings)
  return error.message;
}

function findDuplicateKey(node: AnyNode): { key: string; line: number } | null {
  if (node.type === "Document") return findDuplicateKey(node.body);
  if (node.type === "Array") {
    for (const element of node.elements) {
      const found = findDuplicateKey(element.value);
      if (found !== null) return found;
    }
  }
  if (node.type === "Object") {
    const seen = new Set<string>();
    for (const member of node.members) {
      const key = member.name.type === "String" ? member.name.value : member.name.name;
      if (seen.has(key)) return { key, line: member.loc.start.line };
      seen.add(key);
      const found = findDuplicateKey(member.value);
      if (found !== null) return found;
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
  let value: JsonValue;
  try {
    value = JSON.parse(withoutMark);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const where = describeSyntaxError(withoutMark, error);
    throw new UserError("json-syntax", `${source} is not valid JSON: ${where}`, { cause: error });
  }
  const duplicate = findDuplicateKey(parseToTree(withoutMark, { mode: "json" }));
  if (duplicate !== null) {
    const { key, line } = duplicate;
    throw new UserError("json-duplicate-key", `${source}: line ${line}: "${key}" is given twice`);
  }
  return value;
}
