/** Task distributions of the MuJoCo environments. */
import { cos, sin } from "../../util/math.ts";
import type { TaskSampler, ValueRow } from "../env.ts";
import { chooseMode, drawOnCircle, type ModeOrder, type Point } from "../tasks.ts";

/** Rows of a task, number of modes (0: none), and how one task is drawn. */
export interface TaskDistribution {
  readonly rows: readonly ValueRow[];
  readonly modes: number;
  readonly sample: TaskSampler;
  /** Whether the rows begin with x and y of a place to be reached. */
  readonly isPlace?: true;
}

function goalRow(axis: string, low: number, high: number): ValueRow {
  return { name: `goal_${axis}`, meaning: `${axis} of the goal`, unit: "m", low, high };
}

/** Forwards or backwards along x: -1 or 1, uniform; mode 0 is -1. */
export const DIRECTION: TaskDistribution = {
  rows: [{ name: "direction", meaning: "1: along x, -1: against x", unit: "1", low: -1, high: 1 }],
  modes: 2,
  sample(random, index, asked, row) {
    const mode = chooseMode(random, "uniform", 2, index, asked);
    row[0] = 2 * mode - 1;
    return mode;
  },
};

/** A uniform direction in the plane, as a unit vector. */
export const DIRECTION_2D: TaskDistribution = {
  rows: ["x", "y"].map((axis) => ({
    name: `direction_${axis}`,
    meaning: `${axis} of the direction, a unit vector`,
    unit: "1",
    low: -1,
    high: 1,
  })),
  modes: 0,
  sample(random, _index, _asked, row) {
    drawOnCircle(random, 1, row, 0);
    return 0;
  },
};

/** One number, uniform in [low, high). */
function uniform(row: Omit<ValueRow, "low" | "high">, low: number, high: number): TaskDistribution {
  return {
    rows: [{ ...row, low, high }],
    modes: 0,
    sample(random, _index, _asked, out) {
      out[0] = random.uniformRange(low, high);
      return 0;
    },
  };
}

/** A speed along x. */
export function speedTask(low: number, high: number): TaskDistribution {
  return uniform({ name: "speed", meaning: "wanted speed along x", unit: "m/s" }, low, high);
}

/** A place along x. */
export function locationTask(low: number, high: number): TaskDistribution {
  return uniform({ name: "goal_x", meaning: "x of the goal", unit: "m" }, low, high);
}

/** A goal, uniform in the disc of the given radius. */
export function discTask(radius: number): TaskDistribution {
  return {
    rows: [goalRow("x", -radius, radius), goalRow("y", -radius, radius)],
    modes: 0,
    sample(random, _index, _asked, row) {
      const angle = 2 * Math.PI * random.uniform();
      const distance = radius * Math.sqrt(random.uniform());
      row[0] = distance * cos(angle);
      row[1] = distance * sin(angle);
      return 0;
    },
    isPlace: true,
  };
}

/** Goals around modes. */
export interface GoalModes {
  /** Centre of each mode. */
  readonly modes: readonly Point[];
  readonly order: ModeOrder;
  /** Standard deviation of x and y around the centre. */
  readonly noise: number;
  /** Height of the goal; without it the goal has only x and y. */
  readonly z?: number;
  /** Goals farther from the origin are drawn back to this distance (z along with x and y). */
  readonly maxNorm?: number;
  /** Draw only the first so many modes; the others are there for who asks for them. */
  readonly drawnModes?: number;
}

/** Goal = centre of a mode + normal noise. */
export function goalModesTask(goal: GoalModes): TaskDistribution {
  const { modes, order, noise, z, maxNorm = Infinity, drawnModes = modes.length } = goal;
  return {
    rows: [
      goalRow("x", -maxNorm, maxNorm),
      goalRow("y", -maxNorm, maxNorm),
      ...(z === undefined ? [] : [goalRow("z", 0, z)]),
    ],
    modes: modes.length,
    sample(random, index, asked, row) {
      const mode = chooseMode(random, order, drawnModes, index, asked);
      const [x, y] = modes[mode];
      row[0] = x + noise * random.normal();
      row[1] = y + noise * random.normal();
      let squares = row[0] * row[0] + row[1] * row[1];
      if (z !== undefined) {
        row[2] = z;
        squares += z * z;
      }
      const length = Math.sqrt(squares);
      if (length > maxNorm) {
        for (let i = 0; i < row.length; i++) row[i] *= maxNorm / length;
      }
      return mode;
    },
    isPlace: true,
  };
}

/**
 * Centres on the half circle x = r sin(angle), y = r cos(angle): the angle of mode i is
 * `i * stepAngle` - 90 degrees.
 */
export function onHalfCircle(radius: number, count: number, stepAngle: number): readonly Point[] {
  return Array.from({ length: count }, (_, i) => {
    const angle = i * stepAngle - Math.PI / 2;
    return [radius * sin(angle), radius * cos(angle)] as const;
  });
}
