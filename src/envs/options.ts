/**
 * Reads the options of an environment against its table: unknown names, wrong types and values
 * out of range are refused, defaults filled in.
 */
import { UserError } from "../util/errors.ts";
import { didYouMean } from "../util/nearest.ts";
import type { OptionRow } from "./env.ts";

function wanted(row: OptionRow): string {
  switch (row.kind) {
    case "choice":
      return `one of ${row.choices.map((choice) => `"${choice}"`).join(", ")}`;
    case "number":
      return `a number from ${row.low} to ${row.high}`;
    case "boolean":
      return "true or false";
  }
}

function accepts(row: OptionRow, value: unknown): boolean {
  switch (row.kind) {
    case "choice":
      return typeof value === "string" && row.choices.includes(value);
    case "number":
      return typeof value === "number" && value >= row.low && value <= row.high;
    case "boolean":
      return typeof value === "boolean";
  }
}

/** Option values by name, every option of the table present and valid. */
export type OptionValues = ReadonlyMap<string, string | number | boolean>;

/**
 * The values of all options in `table`.
 * @throws UserError `env-option` for an unknown option or a value that is not allowed.
 */
export function readOptions(
  env: string,
  table: readonly OptionRow[],
  options: Readonly<Record<string, unknown>>,
): OptionValues {
  const names = table.map((row) => row.name);
  for (const name of Object.keys(options)) {
    if (names.includes(name)) continue;
    const known = names.length === 0 ? "it has none" : `it has ${names.join(", ")}`;
    throw new UserError(
      "env-option",
      `Cannot set "${name}": not an option of ${env}, ${known}${didYouMean(name, names)}`,
    );
  }
  const values = new Map<string, string | number | boolean>();
  for (const row of table) {
    const value = options[row.name] ?? row.default;
    if (!accepts(row, value)) {
      throw new UserError(
        "env-option",
        `Cannot set "${row.name}" of ${env} to ${JSON.stringify(value)}; give ${wanted(row)}`,
      );
    }
    values.set(row.name, value as string | number | boolean);
  }
  return values;
}
