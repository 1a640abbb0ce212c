import { KeyedRandom } from "../../../src/util/prng.ts";
import { begin, drawAction, open } from "./helpers.ts";

/** Observations, rewards and parts of 40 steps of each environment, keyed by seed 1. */
export async function playEpisodes(names: readonly string[]): Promise<Float64Array[]> {
  const random = new KeyedRandom(1);
  const episodes: Float64Array[] = [];
  for (const name of names) {
    const { factory, env } = await open(name);
    const numbers = [...begin(factory, env, random), ...env.obs];
    for (let t = 0; t < 40; t++) {
      env.step(drawAction(env, random, 0, t));
      numbers.push(...env.obs, env.reward, ...env.rewardParts);
    }
    env.close();
    episodes.push(Float64Array.from(numbers));
  }
  return episodes;
}
