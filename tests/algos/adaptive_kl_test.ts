/** The weight of the inner KL penalty. */
import assert from "node:assert/strict";
import { adaptKlCoeff } from "../../src/algos/adaptive_kl.ts";

Deno.test("adaptKlCoeff() halves below target/1.5, doubles above 1.5 target, else keeps", () => {
  // target 0.03: the band is 0.02 .. 0.045
  assert.deepEqual(adaptKlCoeff([4, 4, 4, 4], [0.019, 0.021, 0.044, 0.046], 0.03), [2, 4, 4, 8]);
});
