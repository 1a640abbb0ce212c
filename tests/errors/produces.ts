/** Tests that provoke one error each, by its code; see codes_test.ts. */
import assert from "node:assert/strict";
import { RunError, UserError } from "../../src/util/errors.ts";
import { lacks } from "../permissions.ts";

/** Registers a test: `provoke` has to fail with an error of this code, in one line. */
export function produces(code: string, provoke: () => unknown): void {
  Deno.test({
    name: `${code} is what it says`,
    ignore: lacks("read", "write", "env", "sys"),
    // loading what an error is about starts threads and files that stay
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      let thrown: unknown = null;
      try {
        await provoke();
      } catch (error) {
        thrown = error;
      }
      assert(thrown instanceof UserError || thrown instanceof RunError, `got ${thrown}`);
      assert.equal(thrown.code, code, thrown.message);
      assert.match(thrown.message, /^\S.{10,}$/);
    },
  });
}
