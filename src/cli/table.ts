/** Tables on the terminal. */
import type { Output } from "./output.ts";

/** Lines of a table whose columns are as wide as their widest cell; the last one is not padded. */
function tableLines(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    row.map((cell, column) => column === row.length - 1 ? cell : cell.padEnd(widths[column]))
      .join("  ").trimEnd()
  );
}

/** Prints a table; its first row may be a head. */
export function printTable(
  rows: readonly (readonly string[])[],
  output: Output,
  indent = "",
): void {
  for (const line of tableLines(rows)) output.line(indent + line);
}
