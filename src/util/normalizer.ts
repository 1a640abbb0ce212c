/**
 * Mean and standard deviation of a model's inputs and outputs, and rows in those units.
 * Axis letters: N rows, X input, Y output.
 */

/** Means and standard deviations of inputs and outputs. */
export interface Normalizer {
  /** [X] */
  readonly meanIn: Float64Array;
  /** [X] above 0 */
  readonly stdIn: Float64Array;
  /** [Y] */
  readonly meanOut: Float64Array;
  /** [Y] above 0 */
  readonly stdOut: Float64Array;
}

/** (rows - mean) / std, column by column. @param rows [N, mean.length] */
export function normalizeRows(
  rows: ArrayLike<number>,
  mean: Float64Array,
  std: Float64Array,
): Float64Array {
  const width = mean.length;
  const out = new Float64Array(rows.length);
  for (let at = 0; at < out.length; at++) {
    const column = at % width;
    out[at] = (rows[at] - mean[column]) / std[column];
  }
  return out;
}

/** rows * std + mean, column by column. @param rows [N, mean.length] */
export function denormalizeRows(
  rows: ArrayLike<number>,
  mean: Float64Array,
  std: Float64Array,
): Float64Array {
  const width = mean.length;
  const out = new Float64Array(rows.length);
  for (let at = 0; at < out.length; at++) {
    const column = at % width;
    out[at] = rows[at] * std[column] + mean[column];
  }
  return out;
}

/** Added to every standard deviation, so that a constant column divides by something. */
const STD_FLOOR = 1e-10;

/** Mean and population standard deviation of one column set over all parts, in two passes. */
function moments(
  parts: readonly ArrayLike<number>[],
  width: number,
): { mean: Float64Array; std: Float64Array } {
  const rows = parts.reduce((sum, part) => sum + part.length, 0) / width;
  const mean = new Float64Array(width), std = new Float64Array(width);
  // deviations from any row keep their digits where the values are large against their spread
  const origin = new Float64Array(width);
  const first = parts.find((part) => part.length > 0);
  for (let column = 0; column < width; column++) origin[column] = first?.[column] ?? 0;
  for (const part of parts) {
    for (let at = 0; at < part.length; at++) {
      const column = at % width;
      mean[column] += part[at] - origin[column];
    }
  }
  for (let column = 0; column < width; column++) {
    mean[column] = origin[column] + mean[column] / rows;
  }
  for (const part of parts) {
    for (let at = 0; at < part.length; at++) {
      std[at % width] += (part[at] - mean[at % width]) ** 2;
    }
  }
  for (let column = 0; column < width; column++) {
    std[column] = Math.sqrt(std[column] / rows) + STD_FLOOR;
  }
  return { mean, std };
}

/**
 * Normaliser of the rows of all parts together: mean, and population standard deviation + 1e-10.
 *
 * @param parts rows of every situation: inputs [N, X] and targets [N, Y], row by row
 */
export function normalizerOf(
  parts: readonly { readonly inputs: ArrayLike<number>; readonly targets: ArrayLike<number> }[],
  inputDim: number,
  outputDim: number,
): Normalizer {
  const inputs = moments(parts.map((part) => part.inputs), inputDim);
  const outputs = moments(parts.map((part) => part.targets), outputDim);
  return {
    meanIn: inputs.mean,
    stdIn: inputs.std,
    meanOut: outputs.mean,
    stdOut: outputs.std,
  };
}
