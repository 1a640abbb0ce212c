/** Tests of curves with fewer points. */
import assert from "node:assert/strict";
import { keptPlaces, thinnedText } from "../../src/report/thin.ts";

Deno.test("keptPlaces() keeps all of a short curve", () => {
  assert.deepEqual(keptPlaces([3, null, 1], 3), [0, 1, 2]);
  assert.equal(thinnedText(3, 3), "");
});

Deno.test("keptPlaces() loses no spike, no gap and neither end, wherever they are", () => {
  const count = 1000;
  const most = 100;
  for (const at of [1, 499, 500, 517, 998]) {
    for (const odd of [9, -9, null, NaN]) {
      const values = Array.from({ length: count }, (_, i) => i === at ? odd : Math.sin(i / 60));
      const kept = keptPlaces(values, most);
      assert(kept.includes(at), `${odd} at ${at}`);
      assert.deepEqual([kept[0], kept.at(-1)], [0, count - 1]);
      assert.deepEqual(kept, [...new Set(kept)].sort((a, b) => a - b));
      // the first, the last and what is missing are more than two of every 20
      assert(kept.length <= most + 3, `${kept.length}`);
    }
  }
  assert.equal(
    thinnedText(count, most),
    " Of every 20 points the least and the greatest are drawn.",
  );
});
