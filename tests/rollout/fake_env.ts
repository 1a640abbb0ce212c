/**
 * An environment whose episodes end as the task says, for tests of the sampler. Observation
 * [x, steps], x += action; the reward is x.
 */
import { type Env, envSpec } from "../../src/envs/env.ts";
import type { KeyedRandom } from "../../src/util/prng.ts";

const unbounded = { meaning: "test", unit: "1", low: -Infinity, high: Infinity };

const spec = envSpec({
  name: "FakeEnv",
  version: 1,
  description: "ends when told",
  observation: [{ name: "x", ...unbounded }, { name: "steps", ...unbounded }],
  action: [{ name: "dx", meaning: "test", unit: "1", low: -1, high: 1 }],
  rewardParts: [
    { name: "plus", meaning: "2 x", unit: "1" },
    { name: "minus", meaning: "-x", unit: "1" },
  ],
  task: [{ name: "scale", ...unbounded }],
  modes: 0,
  maxSteps: 10,
  options: [],
});

/** When an instance's episodes end; Infinity: never. */
export interface Ending {
  /** Step (counted from 1) that terminates. */
  readonly terminateAt?: number;
  /** Step that gives an observation that is not finite; 0: the reset does. */
  readonly breakObsAt?: number;
  /** Step that gives a reward that is not finite. */
  readonly breakRewardAt?: number;
  /** Step whose reward is finite, and a part of it is not. */
  readonly breakPartAt?: number;
}

export class FakeEnv implements Env {
  readonly spec = spec;
  readonly obs = new Float64Array(2);
  reward = 0;
  readonly rewardParts = new Float64Array(2);
  terminated = false;
  #scale = 1;

  constructor(readonly ending: Ending = {}) {}

  setTask(row: ArrayLike<number>): void {
    this.#scale = row[0];
  }

  reset(random: KeyedRandom): void {
    this.obs[0] = this.#scale * random.uniform();
    this.obs[1] = this.ending.breakObsAt === 0 ? NaN : 0;
    this.terminated = false;
  }

  step(action: Float64Array): void {
    this.obs[0] += action[0];
    this.obs[1] += 1;
    const x = this.obs[0];
    const step = this.obs[1];
    this.rewardParts[0] = 2 * x;
    this.rewardParts[1] = -x;
    // finite in float64, not in the float32 of the batch
    this.reward = step === this.ending.breakRewardAt ? 1e39 : x;
    this.terminated = step === this.ending.terminateAt;
    if (step === this.ending.breakPartAt) this.rewardParts[1] = -Infinity;
    if (step === this.ending.breakObsAt) this.obs[0] = NaN;
  }

  close(): void {}
}
