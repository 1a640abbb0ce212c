/** Random orders, keyed like all random numbers. */
import type { KeyedRandom } from "./prng.ts";

/**
 * Draws `taken` different numbers of 0 .. count-1 in random order (Fisher-Yates, stopped early).
 *
 * @param random positioned by the caller
 * @param scratch at least `count` long, overwritten
 * @param out receives them from `at` on
 */
export function drawOrder(
  random: KeyedRandom,
  count: number,
  taken: number,
  scratch: Uint32Array,
  out: Uint32Array,
  at: number,
): void {
  for (let i = 0; i < count; i++) scratch[i] = i;
  for (let i = 0; i < taken; i++) {
    const j = i + random.integer(count - i);
    const drawn = scratch[j];
    scratch[j] = scratch[i];
    out[at + i] = drawn;
  }
}
