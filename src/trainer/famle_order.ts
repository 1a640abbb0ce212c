/** Which rows the minibatches of meta-training and of adaptations take: drawn anew every pass. */
import { drawOrder } from "../util/permutation.ts";
import { type KeyedRandom, Purpose } from "../util/prng.ts";

/** What an order is drawn for; never renumber. */
const META_TRAINING = 0;
const ADAPTATION = 1;

/**
 * Rows of all passes, one pass after the other.
 *
 * @param count rows there are
 * @param taken rows that a pass takes
 */
function passes(
  random: KeyedRandom,
  use: number,
  iteration: number,
  task: number,
  count: number,
  taken: number,
  passCount: number,
): Uint32Array {
  const order = new Uint32Array(passCount * taken), scratch = new Uint32Array(count);
  for (let pass = 0; pass < passCount; pass++) {
    random.at(Purpose.TRAINING_ORDER, iteration, task, use, 0, pass);
    drawOrder(random, count, taken, scratch, order, pass * taken);
  }
  return order;
}

/** Order of meta-iteration n on a situation with `count` rows. */
export function metaOrder(
  random: KeyedRandom,
  n: number,
  situation: number,
  count: number,
  taken: number,
  passCount: number,
): Uint32Array {
  return passes(random, META_TRAINING, n, situation, count, taken, passCount);
}

/** Order of an adaptation. @param adaptation its number within the experiment */
export function adaptationOrder(
  random: KeyedRandom,
  adaptation: number,
  count: number,
  taken: number,
  epochs: number,
): Uint32Array {
  return passes(random, ADAPTATION, adaptation, 0, count, taken, epochs);
}
