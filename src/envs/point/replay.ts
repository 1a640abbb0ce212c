/**
 * Plays given policy actions in the momentum point environment, through the same scaling and
 * stepping as the sampler: what tests/golden/point_env.json is checked with.
 */
import { scaleAction } from "../env.ts";
import { ACTION_LIMIT, MomentumPointEnv } from "./momentum_family.ts";
import { momentumModes } from "./momentum_modes.ts";

/** Observations and rewards of one episode of T steps. */
export interface Replay {
  /** [T+1][4], the first before any action */
  readonly observations: number[][];
  /** [T] */
  readonly rewards: number[];
}

/**
 * Dense reward, from the given state on.
 * @param goal [2]
 * @param state [4] x, y, vx, vy
 * @param actions [T][2] as the policy gives them, +-10 for the full action
 */
export async function replayMomentum(
  goal: readonly number[],
  state: readonly number[],
  actions: readonly (readonly number[])[],
): Promise<Replay> {
  const env = await momentumModes.configure({}).createInstance();
  if (!(env instanceof MomentumPointEnv)) throw new TypeError("Not a momentum environment");
  env.setTask(goal);
  env.setState(state);
  const observations = [Array.from(env.obs)];
  const rewards: number[] = [];
  const action = new Float64Array(2);
  for (const raw of actions) {
    for (let a = 0; a < 2; a++) action[a] = scaleAction(raw[a], -ACTION_LIMIT, ACTION_LIMIT);
    env.step(action);
    observations.push(Array.from(env.obs));
    rewards.push(env.reward);
  }
  env.close();
  return { observations, rewards };
}
