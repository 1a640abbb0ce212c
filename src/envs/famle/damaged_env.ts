/**
 * What the FAMLE environments share: a MuJoCo robot whose commands and readings pass through its
 * damage. A member says what damage does to them.
 */
import type { StageReward } from "../../util/stage_reward.ts";
import type { KeyedRandom } from "../../util/prng.ts";
import type { EnvDefinition, OptionRow } from "../env.ts";
import { mujocoDefinition, MujocoEnv, type MujocoMember } from "../mujoco/mujoco_env.ts";
import type { OptionValues } from "../options.ts";
import { type Damageable, drawDamage, parseDamage, situation } from "./damage.ts";
import type { FamleEnv, FamleEnvFactory, Situation } from "./famle_env.ts";

/** One simulator. Sizes: D task dimension, U motors, S readings that can be off. */
export abstract class DamagedEnv extends MujocoEnv implements FamleEnv {
  /** [D] task of the next episode, healthy at first; `task` is that of the present one */
  readonly #next: Float64Array;
  /** U + S */
  readonly #damageDim: number;

  /** @param parts what every environment is made with */
  constructor(robot: Damageable, ...parts: ConstructorParameters<typeof MujocoEnv>) {
    super(...parts);
    this.#next = situation(robot).row;
    this.#damageDim = robot.motors.length + robot.sensors.length;
  }

  override setTask(row: ArrayLike<number>): void {
    for (let i = 0; i < this.#next.length; i++) this.#next[i] = row[i];
  }

  setDamage(row: ArrayLike<number>): void {
    if (row.length < this.#damageDim) {
      throw new RangeError(
        `Cannot damage ${this.spec.name} by ${row.length} numbers; give ${this.#damageDim}`,
      );
    }
    for (let i = 0; i < this.#damageDim; i++) this.#next[i] = this.task[i] = row[i];
  }

  override reset(random: KeyedRandom): void {
    super.reset(random);
    this.damageReadings();
  }

  override step(action: Float64Array): void {
    super.step(action);
    this.damageReadings();
  }

  protected override beforeReset(): void {
    this.task.set(this.#next);
  }

  protected override beforeStep(): void {
    this.damageCommands(this.sim.ctrl);
  }

  /** Turns the action [U] into the controls that reach the motors, in place. */
  protected abstract damageCommands(ctrl: Float64Array): void;

  /** Turns the observation into what faulty sensors read, in place. */
  protected abstract damageReadings(): void;

  abstract stageReward(): StageReward;
}

/** What sets an environment apart, its options aside. */
export interface DamagedRobot {
  readonly robot: Damageable;
  readonly situations: readonly Situation[];
  readonly testDamage: Situation;
}

/** Definition of an environment; `describe` makes the member, which creates `DamagedEnv`s. */
export function damagedDefinition(
  { robot, situations, testDamage }: DamagedRobot,
  options: readonly OptionRow[],
  describe: (values: OptionValues) => MujocoMember,
): EnvDefinition {
  const definition = mujocoDefinition(robot.env, options, describe);
  return {
    configure(given): FamleEnvFactory {
      const factory = definition.configure(given);
      return {
        ...factory,
        situations,
        testDamage,
        motors: robot.motors.length,
        sensors: robot.sensors.length,
        drawDamage: (random, kinds) => drawDamage(robot, random, kinds),
        damageOf: (values) => parseDamage(robot, values),
        async createInstance() {
          const env = await factory.createInstance();
          if (!(env instanceof DamagedEnv)) throw new TypeError(`${robot.env} takes no damage`);
          return env;
        },
      };
    },
  };
}
