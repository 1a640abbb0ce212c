/**
 * What an environment of FAMLE has more than others: a robot that can be damaged, the situations
 * that its dynamics are learned in, damages to be tested with, and its reward as data for a
 * planner.
 *
 * Source: Kaushik, Anne, Mouret, "Fast Online Adaptation in Robotics through Meta-Learning
 * Embeddings of Simulated Priors", 2020; resibots/kaushik_2020_famle ("mismatches").
 *
 * A task row [D] begins with the damage: a factor on each motor's command (1 healthy, 0 dead, -1
 * reversed), then what is added to faulty readings, in turns; what else makes a task comes behind.
 *
 * Axis letters: D task dimension.
 */
import type { KeyedRandom } from "../../util/prng.ts";
import type { StageReward } from "../../util/stage_reward.ts";
import type { Env, EnvFactory } from "../env.ts";

/** A robot in one state of repair. */
export interface Situation {
  /** For people, e.g. `healthy`, `joint 2 dead`. */
  readonly name: string;
  /** [D] task row; behind the damage the environment's default. Never change it. */
  readonly row: Float64Array;
}

/** One simulator of a robot that can be damaged. */
export interface FamleEnv extends Env {
  /**
   * Changes the damage at once and for the episodes to come, until the next `setTask`; the mission
   * goes on. The observation keeps what was read before until the next `step`.
   * @param row its leading numbers are the damage; the others, the goal, are not looked at
   */
  setDamage(row: ArrayLike<number>): void;
  /** Reward of a predicted observation, for the present goal. */
  stageReward(): StageReward;
}

/** Which parts of a robot {@link FamleEnvFactory.drawDamage} damages; at least one. */
export interface DamageKinds {
  /** One or two motors. */
  readonly motor: boolean;
  /** One reading. */
  readonly sensor: boolean;
}

/** A FAMLE environment with its options set. */
export interface FamleEnvFactory extends EnvFactory {
  /** Situations to learn from, the healthy robot first; mode i of the tasks is situation i. */
  readonly situations: readonly Situation[];
  /** The damage that is tested with where none is asked for; not one of {@link situations}. */
  readonly testDamage: Situation;
  /** Number of leading entries of a task row that are factors of motors. */
  readonly motors: number;
  /** Number of entries behind them that are offsets of readings. */
  readonly sensors: number;
  /**
   * Draws a damage that differs from every one of {@link situations}: by 0.25 in the factor of
   * some motor, or by 1/36 of a turn in the offset of some reading, or more.
   * @param random positioned by the caller
   * @throws RangeError where no kind is asked for.
   */
  drawDamage(random: KeyedRandom, kinds: DamageKinds): Situation;
  /**
   * The situation that a user describes.
   * @param values factors of the motors; or these and the offsets; or a whole task row
   * @throws UserError `damage` for another number of values, or a value outside of its table.
   */
  damageOf(values: readonly number[]): Situation;
  /** A new simulator. */
  createInstance(): Promise<FamleEnv>;
}

/** The factory as that of a FAMLE environment, `null` where it is none. */
export function asFamleFactory(factory: EnvFactory): FamleEnvFactory | null {
  return isFamleFactory(factory) ? factory : null;
}

function isFamleFactory(factory: EnvFactory): factory is FamleEnvFactory {
  return "situations" in factory && "drawDamage" in factory;
}
