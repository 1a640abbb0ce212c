import assert from "node:assert/strict";
import fc from "fast-check";
import { domainOf, shorten, spread, textWidth } from "../../src/plot/chart.ts";

const boxes = fc.array(
  fc.record({
    wanted: fc.double({ min: -50, max: 350, noNaN: true }),
    size: fc.double({ min: 1, max: 30, noNaN: true }),
  }),
  { minLength: 1, maxLength: 9 },
);

Deno.test("spread() keeps boxes in bounds and in order, without overlap", () => {
  fc.assert(fc.property(boxes, (given) => {
    // 9 boxes of at most 30 fit into 0 to 300
    const centres = spread(given.map((b) => b.wanted), given.map((b) => b.size), 0, 300);
    const placed = given.map(({ wanted, size }, i) => ({ wanted, size, centre: centres[i] }))
      .sort((a, b) => a.centre - b.centre);
    // places are sums of up to 9 doubles of about 300
    const rounding = 1e-9;
    let end = -rounding;
    for (const { centre, size } of placed) {
      assert.ok(centre - size / 2 >= end - rounding, "overlap");
      end = centre + size / 2;
    }
    assert.ok(end <= 300 + rounding, "out of bounds");
    placed.reduce((before, box) => {
      assert.ok(before.wanted <= box.wanted, "order");
      return box;
    });
  }));
});

Deno.test("spread() leaves boxes with room where they are and moves others evenly", () => {
  assert.deepEqual(spread([10, 100, 50], [10, 10, 10], 0, 200), [10, 100, 50]);
  // two boxes that want the same place share the way
  assert.deepEqual(spread([100, 100], [20, 20], 0, 200), [90, 110]);
  // 0 is out of bounds for a box of 20; the second box gives way to it
  assert.deepEqual(spread([0, 15], [20, 20], 0, 200), [10, 30]);
});

Deno.test("domainOf() looks past what can't be shown and never gives an empty range", () => {
  assert.deepEqual(domainOf({ label: "" }, [3, NaN, -1, Infinity]), [-1, 3]);
  assert.deepEqual(domainOf({ label: "", include: [0] }, [3, 4]), [0, 4]);
  assert.deepEqual(domainOf({ label: "", scale: "log" }, [-5, 0, 2, 8]), [2, 8]);
  assert.deepEqual(domainOf({ label: "" }, [-20, -20]), [-22, -18]);
  assert.deepEqual(domainOf({ label: "" }, [0]), [-1, 1]);
  assert.deepEqual(domainOf({ label: "", integer: true }, [7]), [6, 8]);
});

Deno.test("shorten() cuts at the end, to the width asked for", () => {
  assert.equal(shorten("short", 100), "short");
  const cut = shorten("a name that is much too long for this place", 100);
  assert.match(cut, /^a name.*…$/);
  assert.ok(textWidth(cut) <= 100 && textWidth(cut) > 80, cut);
});
