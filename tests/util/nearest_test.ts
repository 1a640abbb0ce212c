import assert from "node:assert/strict";
import { didYouMean, editDistance, nearest } from "../../src/util/nearest.ts";

Deno.test("editDistance() counts insertions, deletions and substitutions", () => {
  assert.equal(editDistance("", ""), 0);
  assert.equal(editDistance("", "abc"), 3);
  assert.equal(editDistance("abc", ""), 3);
  assert.equal(editDistance("kitten", "sitting"), 3); // k->s, e->i, +g
  assert.equal(editDistance("flaw", "lawn"), 2); // -f, +n
  assert.equal(editDistance("abcd", "acbd"), 2); // a swap is two changes
});

Deno.test("nearest() finds what was meant and nothing far off", () => {
  const keys = ["hidden_sizes", "inner_lr", "seed", "env"];
  assert.equal(nearest("hiden_sizes", keys), "hidden_sizes");
  assert.equal(nearest("INNER_LR", keys), "inner_lr");
  assert.equal(nearest("sed", keys), "seed");
  assert.equal(nearest("enf", keys), "env");
  assert.equal(nearest("completely_else", keys), null);
  assert.equal(nearest("x", []), null);
  assert.equal(nearest("ab", ["ax", "ay"]), "ax");
});

Deno.test("didYouMean() ends a message or is empty", () => {
  assert.equal(didYouMean("sed", ["seed"]), '; did you mean "seed"?');
  assert.equal(didYouMean("qqqq", ["seed"]), "");
});
