/** What is printed of errors that are no message for users. */
import assert from "node:assert/strict";
import { reportFailure } from "../../src/cli/failure.ts";
import { MemoryOutput } from "../cli/memory_output.ts";

const STYLE = { debug: false, json: true };

Deno.test("an error that is no message for users is a defect of metarl", () => {
  const output = new MemoryOutput();
  assert.equal(reportFailure(new TypeError("x is\n  undefined"), output, STYLE), 1);
  const message = "internal error: x is undefined (a defect of metarl; --debug shows where)";
  assert.deepEqual(output.errors, [`error: ${message} [internal]`]);
  const object = { type: "error", code: "internal", message, exitCode: 1 };
  assert.deepEqual(output.lines, [JSON.stringify(object)]);
});

Deno.test("a permission that is missing is named", () => {
  const output = new MemoryOutput();
  const missing = new Deno.errors.NotCapable(
    'Requires net access to "example.com:80", run again with the --allow-net flag',
  );
  assert.equal(reportFailure(missing, output, { ...STYLE, json: false }), 1);
  assert.deepEqual(output.errors, [
    'error: Requires net access to "example.com:80", a permission that metarl does not have ' +
    "[permission]",
  ]);
});
