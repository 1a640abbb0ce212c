/**
 * Transitions for learning a model of the dynamics, one table per situation: what the model gets,
 * [state, action], and what it should predict, the change of the state. With the numbers that
 * normalise them and the bounds of the states seen, as FAMLE uses them (Kaushik, Anne, Mouret:
 * "Fast Online Adaptation in Robotics through Meta-Learning Embeddings of Simulated Priors", IROS
 * 2020; formulas in tests/golden, famle.json).
 *
 * All in float64: statistics are exact to rounding, and data goes to files and back unchanged.
 *
 * Axis letters: S situations, n rows, Z state, A action, D = Z + A input.
 */
import { UserError } from "../util/errors.ts";
import { type Normalizer, normalizerOf } from "../util/normalizer.ts";

/** Smallest and largest value of every state column. */
export interface StateBounds {
  /** [Z] */
  readonly low: Float64Array;
  /** [Z] */
  readonly high: Float64Array;
}

/** Rows of one situation; the arrays have room for more. */
interface Table {
  rows: number;
  /** [capacity, D] */
  inputs: Float64Array;
  /** [capacity, Z] */
  targets: Float64Array;
}

const FIRST_CAPACITY = 64;

/** Transitions of some situations, all of the same robot. */
export class TransitionDataset {
  /** Z */
  readonly stateDim: number;
  /** A */
  readonly actDim: number;
  readonly #tables: Table[];

  /** An empty dataset for S situations. */
  constructor(stateDim: number, actDim: number, situations: number) {
    this.stateDim = stateDim;
    this.actDim = actDim;
    this.#tables = Array.from({ length: situations }, () => ({
      rows: 0,
      inputs: new Float64Array(0),
      targets: new Float64Array(0),
    }));
  }

  /** S */
  get situations(): number {
    return this.#tables.length;
  }

  /** Rows of a situation. */
  rows(situation: number): number {
    return this.#table(situation).rows;
  }

  /** Rows of all situations. */
  get totalRows(): number {
    return this.#tables.reduce((sum, { rows }) => sum + rows, 0);
  }

  /**
   * [n, D] state and action of rows `from` .. `to` - 1. A view: valid until the next append to
   * this situation.
   */
  inputs(situation: number, from = 0, to = this.rows(situation)): Float64Array {
    const width = this.stateDim + this.actDim;
    return this.#table(situation).inputs.subarray(from * width, to * width);
  }

  /** [n, Z] change of the state in rows `from` .. `to` - 1; a view like {@link inputs}. */
  targets(situation: number, from = 0, to = this.rows(situation)): Float64Array {
    return this.#table(situation).targets.subarray(from * this.stateDim, to * this.stateDim);
  }

  /**
   * Adds one step that was observed.
   * @param state [Z] before the action
   * @param action [A]
   * @param nextState [Z]
   * @throws UserError `data-not-finite`, `data-size`; nothing is added then
   */
  append(
    situation: number,
    state: ArrayLike<number>,
    action: ArrayLike<number>,
    nextState: ArrayLike<number>,
  ): void {
    this.#append(situation, state, action, nextState, state);
  }

  /**
   * Adds one step of which the change of the state is known, as in a file.
   * @param delta [Z] next state - state
   * @throws UserError `data-not-finite`, `data-size`; nothing is added then
   */
  appendDelta(
    situation: number,
    state: ArrayLike<number>,
    action: ArrayLike<number>,
    delta: ArrayLike<number>,
  ): void {
    this.#append(situation, state, action, delta, null);
  }

  /** Forgets the rows of a situation. */
  clear(situation: number): void {
    this.#table(situation).rows = 0;
  }

  /**
   * Mean and standard deviation over the rows of all situations together.
   * @throws UserError `data-empty` where there is no row
   */
  normalizer(): Normalizer {
    if (this.totalRows === 0) throw emptyError("normalise it");
    const parts = this.#tables.map((_, g) => ({
      inputs: this.inputs(g),
      targets: this.targets(g),
    }));
    return normalizerOf(parts, this.stateDim + this.actDim, this.stateDim);
  }

  /**
   * Bounds of the states before the actions in a situation's rows.
   * @throws UserError `data-empty` where there is no row
   */
  bounds(situation: number): StateBounds {
    const { rows, inputs } = this.#table(situation);
    if (rows === 0) throw emptyError("bound its states");
    const width = this.stateDim + this.actDim;
    const low = inputs.slice(0, this.stateDim);
    const high = inputs.slice(0, this.stateDim);
    for (let row = 1; row < rows; row++) {
      for (let z = 0; z < this.stateDim; z++) {
        const value = inputs[row * width + z];
        if (value < low[z]) low[z] = value;
        if (value > high[z]) high[z] = value;
      }
    }
    return { low, high };
  }

  #table(situation: number): Table {
    const table = this.#tables[situation];
    if (table === undefined) {
      throw new RangeError(
        `Cannot use situation ${situation}; the data has ${this.#tables.length} situations`,
      );
    }
    return table;
  }

  /** Adds a row with the target `to` - `from`, or `to` where `from` is null. */
  #append(
    situation: number,
    state: ArrayLike<number>,
    action: ArrayLike<number>,
    to: ArrayLike<number>,
    from: ArrayLike<number> | null,
  ): void {
    const table = this.#table(situation);
    const { stateDim, actDim } = this;
    const width = stateDim + actDim;
    const checked = [["state", state, stateDim], ["action", action, actDim], [
      from === null ? "change of the state" : "next state",
      to,
      stateDim,
    ]] as const;
    for (const [what, values, length] of checked) {
      if (values.length !== length) {
        throw new UserError(
          "data-size",
          `Cannot use row ${table.rows} of situation ${situation}: its ${what} has ` +
            `${values.length} numbers, not ${length}; take data of this robot`,
        );
      }
      for (let i = 0; i < length; i++) {
        if (Number.isFinite(values[i])) continue;
        throw new UserError(
          "data-not-finite",
          `Cannot use row ${table.rows} of situation ${situation}: entry ${i} of its ${what} is ` +
            `${values[i]}; every number must be finite`,
        );
      }
    }
    if ((table.rows + 1) * width > table.inputs.length) this.#grow(table);
    const row = table.rows;
    for (let i = 0; i < stateDim; i++) table.inputs[row * width + i] = state[i];
    for (let i = 0; i < actDim; i++) table.inputs[row * width + stateDim + i] = action[i];
    for (let i = 0; i < stateDim; i++) {
      table.targets[row * stateDim + i] = from === null ? to[i] : to[i] - from[i];
    }
    table.rows++;
  }

  /** Doubles a table's room. */
  #grow(table: Table): void {
    const capacity = Math.max(FIRST_CAPACITY, 2 * table.rows);
    const inputs = new Float64Array(capacity * (this.stateDim + this.actDim));
    inputs.set(table.inputs);
    const targets = new Float64Array(capacity * this.stateDim);
    targets.set(table.targets);
    table.inputs = inputs;
    table.targets = targets;
  }
}

function emptyError(purpose: string): UserError {
  return new UserError(
    "data-empty",
    `Cannot ${purpose}: the data has no transitions; collect some first`,
  );
}
