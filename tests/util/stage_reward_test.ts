/** Tests of src/util/stage_reward.ts. */
import assert from "node:assert/strict";
import { stageRewards } from "../../src/util/stage_reward.ts";

Deno.test("stageRewards() adds linear part, bell and penalty", () => {
  const out = new Float64Array(2);
  stageRewards(
    {
      linear: [{ column: 0, weight: 2 }, { column: 2, weight: -1 }],
      proximity: { weight: 3, columns: [1, 2], goal: [1, 0] },
      penalty: { column: 0, below: 0, amount: 10 },
    },
    [1, 1, 0, -1, 2, 0],
    3,
    out,
  );
  // 2 * 1 - 0 + 3 exp(0) = 5; 2 * -1 - 0 + 3 exp(-1) - 10
  assert.equal(out[0], 5);
  assert.ok(Math.abs(out[1] - (-12 + 3 * Math.exp(-1))) < 1e-14);
});

Deno.test("stageRewards() has no penalty at the threshold itself", () => {
  const out = new Float64Array(1);
  const penalty = { column: 0, below: 0.5, amount: 2 };
  stageRewards({ linear: [], proximity: null, penalty }, [0.5], 1, out);
  assert.equal(out[0], 0);
});
