/**
 * Reads `trajectories.npy` of the FAMLE reference implementation (resibots/kaushik_2020_famle):
 * `numpy.save` of an array of objects, hence a pickle behind the header of a `.npy` file. Its shape
 * is [situations, n, 4] where all situations have as many rows, else [situations] with an array
 * [n, 4] or a list of rows for each; a file of an online run has [n, 4], one situation. A row is
 *
 *     [state [Z], action [A], change of the state [Z], cost]
 *
 * The mismatches beside it (`mismatches.npy`) are numbers: `readNpy`.
 *
 * Axis letters: S situations, n rows, Z state, A action.
 */
import { Damage, elementCount, MemoryBudget, readContent } from "./data_file.ts";
import { decodeNpyHeader } from "./npy.ts";
import { NUMPY_GLOBALS, PickledArray } from "./numpy_pickle.ts";
import { readPickle } from "./pickle.ts";

/** Transitions of one situation. */
export interface OriginalTrajectory {
  /** n */
  readonly rows: number;
  /** Z */
  readonly stateDim: number;
  /** A */
  readonly actDim: number;
  /** [n, Z] before the action */
  readonly states: Float64Array;
  /** [n, A] */
  readonly actions: Float64Array;
  /** [n, Z] change of the state */
  readonly deltas: Float64Array;
  /** [n] minus the reward */
  readonly costs: Float64Array;
}

/** Entries of a row. */
const ROW_LENGTH = 4;

function entries(value: unknown): readonly unknown[] | null {
  if (Array.isArray(value)) return value;
  return value instanceof PickledArray ? value.objects?.objects ?? null : null;
}

/** A list or array of numbers along one axis. */
function vector(value: unknown, place: string): ArrayLike<number> {
  const numbers = value instanceof PickledArray ? value.numbers : null;
  if (numbers !== null && numbers.shape.length === 1) {
    return numbers.type === "int64" ? Float64Array.from(numbers.data, Number) : numbers.data;
  }
  const list = entries(value);
  if (list !== null && list.every((entry) => typeof entry === "number")) return list;
  throw new Damage(`${place} is no row of numbers`);
}

/** The rows of one situation, each with four entries. */
function rowsOf(value: unknown, place: string): readonly (readonly unknown[])[] {
  const array = value instanceof PickledArray ? value.objects : null;
  if (array !== null && array.shape.length === 2 && array.shape[1] === ROW_LENGTH) {
    return Array.from(
      { length: array.shape[0] },
      (_, n) => array.objects.slice(n * ROW_LENGTH, (n + 1) * ROW_LENGTH),
    );
  }
  const list = entries(value);
  if (list === null) throw new Damage(`${place} has no transitions`);
  return list.map((row, n) => {
    const found = entries(row);
    if (found === null || found.length !== ROW_LENGTH) {
      throw new Damage(
        `${place}, row ${n} is not [state, action, change of the state, cost]`,
      );
    }
    return found;
  });
}

function trajectoryOf(
  rows: readonly (readonly unknown[])[],
  place: string,
  budget: MemoryBudget,
): OriginalTrajectory {
  if (rows.length === 0) throw new Damage(`${place} has no transitions`);
  const stateDim = vector(rows[0][0], `the state of ${place}, row 0`).length;
  const actDim = vector(rows[0][1], `the action of ${place}, row 0`).length;
  // all rows, and all situations, may refer to one list
  budget.take(8 * rows.length * (2 * stateDim + actDim + 1));
  const states = new Float64Array(rows.length * stateDim);
  const actions = new Float64Array(rows.length * actDim);
  const deltas = new Float64Array(rows.length * stateDim);
  const costs = new Float64Array(rows.length);
  const columns = [
    ["state", states, stateDim],
    ["action", actions, actDim],
    ["change of the state", deltas, stateDim],
  ] as const;
  rows.forEach((row, n) => {
    columns.forEach(([what, out, length], column) => {
      const where = `the ${what} of ${place}, row ${n}`;
      const values = vector(row[column], where);
      if (values.length !== length) {
        throw new Damage(`${where} has ${values.length} numbers, not ${length}`);
      }
      out.set(values, n * length);
    });
    const cost = row[ROW_LENGTH - 1];
    // a reward that came from an array is an array of one number
    costs[n] = typeof cost === "number"
      ? cost
      : vectorOfOne(cost, `the cost of ${place}, row ${n}`);
  });
  return { rows: rows.length, stateDim, actDim, states, actions, deltas, costs };
}

function vectorOfOne(value: unknown, place: string): number {
  const numbers = value instanceof PickledArray ? value.numbers : null;
  const only = numbers !== null && numbers.data.length === 1 ? numbers.data[0] : undefined;
  if (typeof only !== "number") throw new Damage(`${place} is no number`);
  return only;
}

function situationsOf(value: unknown, budget: MemoryBudget): OriginalTrajectory[] {
  const array = value instanceof PickledArray ? value.objects : null;
  if (array === null) throw new Damage("it has no array of transitions");
  const { shape, objects } = array;
  if (shape[0] === 0) throw new Damage("it has no situations");
  if (shape.length === 3 && shape[2] === ROW_LENGTH) {
    const [situations, rows] = shape;
    return Array.from({ length: situations }, (_, s) =>
      trajectoryOf(
        Array.from({ length: rows }, (_, n) => {
          const start = (s * rows + n) * ROW_LENGTH;
          return objects.slice(start, start + ROW_LENGTH);
        }),
        `situation ${s}`,
        budget,
      ));
  }
  if (shape.length === 2 && shape[1] === ROW_LENGTH) {
    return [trajectoryOf(rowsOf(value, "situation 0"), "situation 0", budget)];
  }
  if (shape.length === 1) {
    return objects.map((rows, s) => {
      const place = `situation ${s}`;
      return trajectoryOf(rowsOf(rows, place), place, budget);
    });
  }
  throw new Damage(`its shape is [${shape.join(", ")}], not [situations, rows, ${ROW_LENGTH}]`);
}

/**
 * The transitions of every situation in a file.
 *
 * @param source how to call the file in an error message
 * @throws UserError `data-file-damaged` for anything but a whole file of transitions
 */
export function readOriginalTrajectories(file: Uint8Array, source: string): OriginalTrajectory[] {
  return readContent(source, () => {
    const { code, shape, offset } = decodeNpyHeader(file);
    if (code !== "|O") {
      throw new Damage("it is an array of numbers; transitions are an array of objects");
    }
    const budget = new MemoryBudget(file.length);
    const value = readPickle(file.subarray(offset), { globals: NUMPY_GLOBALS, budget });
    const found = value instanceof PickledArray ? value.objects : null;
    if (found === null || found.objects.length !== elementCount(shape)) {
      throw new Damage("its array has another shape than its header says");
    }
    return situationsOf(value, budget);
  });
}
