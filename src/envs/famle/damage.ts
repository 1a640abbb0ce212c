/**
 * Damages of a robot as numbers: their table, their names, what a user may give, and random ones
 * that are not among those learned from.
 *
 * Axis letters: D task dimension.
 */
import { UserError } from "../../util/errors.ts";
import type { KeyedRandom } from "../../util/prng.ts";
import type { ValueRow } from "../env.ts";
import type { TaskDistribution } from "../mujoco/tasks.ts";
import { chooseMode } from "../tasks.ts";
import type { DamageKinds, Situation } from "./famle_env.ts";

/** Weak motors drawn have a factor of this size, either sign. */
const WEAK_FACTOR = { low: 0.25, high: 0.75 } as const;

/** What of a robot can be damaged. */
export interface Damageable {
  /** Name of the environment, for messages. */
  readonly env: string;
  /** What each motor drives, in the order of the actions. */
  readonly motors: readonly string[];
  /** Readings that can be off, in the order of the task row. */
  readonly sensors: readonly string[];
  /**
   * Indices of motors without whose full strength the mission can't be done in an episode: a
   * random damage at most reverses them.
   */
  readonly vitalMotors: readonly number[];
  /** Draws what is added to readings that no situation learned from has: fills `offsets`. */
  readonly drawOffsets: (random: KeyedRandom, offsets: Float64Array) => void;
  /** Rows of the task behind the damage, and their default. */
  readonly mission: readonly { readonly row: ValueRow; readonly default: number }[];
}

/** Table of a task: damage, then mission. */
export function taskTable({ motors, sensors, mission }: Damageable): readonly ValueRow[] {
  return [
    ...motors.map((motor, i) => ({
      name: `motor_${i}`,
      meaning: `factor on the command of ${motor}: 1 healthy, 0 dead, -1 reversed`,
      unit: "1",
      low: -1,
      high: 1,
    })),
    ...sensors.map((sensor, i) => ({
      name: `sensor_${i}`,
      meaning: `added to the reading of ${sensor}`,
      unit: "turn",
      low: -1,
      high: 1,
    })),
    ...mission.map(({ row }) => row),
  ];
}

/** Up to 4 significant digits. */
function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}

/** What is wrong with the robot, for people. */
function nameOf({ motors, sensors }: Damageable, row: Float64Array): string {
  const faults = [
    ...motors.map((motor, i) => {
      const factor = row[i];
      if (factor === 1) return "";
      if (factor === 0) return `${motor} dead`;
      return factor === -1 ? `${motor} reversed` : `${motor} at ${short(factor)}`;
    }),
    ...sensors.map((sensor, i) => {
      const offset = row[motors.length + i];
      return offset === 0 ? "" : `${sensor} read ${short(360 * offset)} degrees off`;
    }),
  ].filter((fault) => fault !== "");
  return faults.length === 0 ? "healthy" : faults.join(", ");
}

/** The robot without damage, to be changed: [D]. */
function healthyRow({ motors, sensors, mission }: Damageable): Float64Array {
  return Float64Array.of(
    ...motors.map(() => 1),
    ...sensors.map(() => 0),
    ...mission.map((part) => part.default),
  );
}

/** The healthy robot with some numbers changed: [index in the task row, value]. */
export function situation(
  robot: Damageable,
  ...changes: readonly (readonly [index: number, value: number])[]
): Situation {
  const row = healthyRow(robot);
  for (const [index, value] of changes) row[index] = value;
  return { name: nameOf(robot, row), row };
}

/** Situations in turn: task m of an iteration is situation m modulo their number. */
export function situationTasks(
  robot: Damageable,
  situations: readonly Situation[],
  /** Draws the mission of a task, in place of the default: fills `mission`. */
  drawMission: ((random: KeyedRandom, mission: Float64Array) => void) | null = null,
): TaskDistribution {
  const damageDim = robot.motors.length + robot.sensors.length;
  return {
    rows: taskTable(robot),
    modes: situations.length,
    sample(random, index, asked, row) {
      const mode = chooseMode(random, "in turn", situations.length, index, asked);
      row.set(situations[mode].row);
      if (drawMission !== null) drawMission(random, row.subarray(damageDim));
      return mode;
    },
  };
}

/** See `FamleEnvFactory.damageOf`. */
export function parseDamage(robot: Damageable, values: readonly number[]): Situation {
  const table = taskTable(robot);
  const motors = robot.motors.length;
  const sensors = robot.sensors.length;
  if (![motors, motors + sensors, table.length].includes(values.length)) {
    throw new UserError(
      "damage",
      `Cannot damage ${robot.env} by ${values.length} numbers; give ${motors} factors of its ` +
        `motors, or ${motors + sensors} numbers: these, and what is added to ${sensors} of its ` +
        "readings, in turns",
    );
  }
  values.forEach((value, i) => {
    const { name, low, high } = table[i];
    if (value >= low && value <= high) return;
    throw new UserError(
      "damage",
      `Cannot damage ${robot.env}: number ${i} (${name}) is ${value}; give one from ${low} to ` +
        high,
    );
  });
  return situation(robot, ...values.map((value, i) => [i, value] as const));
}

/** Weaker, perhaps reversed as well. */
function weakFactor(random: KeyedRandom): number {
  const size = random.uniformRange(WEAK_FACTOR.low, WEAK_FACTOR.high);
  return random.integer(2) === 0 ? size : -size;
}

/**
 * One motor is weak, or two are dead, reversed or weak (a third each). One that is dead or reversed
 * is left out: that is learned from.
 */
function drawFactors({ motors, vitalMotors }: Damageable, random: KeyedRandom, row: Float64Array) {
  const alone = random.integer(2) === 0;
  if (alone) {
    const others = motors.map((_, i) => i).filter((i) => !vitalMotors.includes(i));
    row[others[random.integer(others.length)]] = weakFactor(random);
    return;
  }
  const first = random.integer(motors.length);
  const second = (first + 1 + random.integer(motors.length - 1)) % motors.length;
  for (const i of [first, second]) {
    const kind = random.integer(3);
    row[i] = vitalMotors.includes(i) || kind === 1 ? -1 : kind === 0 ? 0 : weakFactor(random);
  }
}

/** See `FamleEnvFactory.drawDamage`. */
export function drawDamage(
  robot: Damageable,
  random: KeyedRandom,
  kinds: DamageKinds,
): Situation {
  if (!kinds.motor && !kinds.sensor) {
    throw new RangeError(`Cannot draw a damage of ${robot.env} of no kind; ask for one`);
  }
  const row = healthyRow(robot);
  const motors = robot.motors.length;
  if (kinds.motor) drawFactors(robot, random, row);
  if (kinds.sensor) {
    robot.drawOffsets(random, row.subarray(motors, motors + robot.sensors.length));
  }
  return { name: nameOf(robot, row), row };
}
