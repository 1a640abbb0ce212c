import assert from "node:assert/strict";
import { formatDuration, formatRate } from "../../src/cli/progress.ts";

Deno.test("formatDuration() leaves hours out where there are none", () => {
  assert.deepEqual(
    [0, 59.4, 59.6, 3599, 3600, 3_600_000 + 61].map(formatDuration),
    ["0:00", "0:59", "1:00", "59:59", "1:00:00", "1000:01:01"],
  );
});

Deno.test("formatRate() has three digits and a suffix", () => {
  assert.deepEqual(
    [0, 3.14159, 999, 1000, 61_234, 1_250_000].map(formatRate),
    ["0", "3.14", "999", "1k", "61.2k", "1.25M"],
  );
});
