/** What both rasterisers of the CPU do: vertices through a matrix, rows of triangles. */
/** Three rows of a matrix and an offset: x, y, z, 1. */
export type Rows = readonly (readonly number[])[];

/** Applies `rows` to the vertices of a solid in its pose, which are given in its own frame. */
export function transform(
  positions: Float32Array,
  poses: Float32Array,
  at: number,
  rows: Rows,
  out: Float64Array,
): void {
  // one matrix for both: column j of the rotation is poses[at + 3 + j], +3, +3
  const m = new Float64Array(12);
  rows.forEach(([x, y, z, w], i) => {
    for (let j = 0; j < 3; j++) {
      m[4 * i + j] = x * poses[at + 3 + j] + y * poses[at + 6 + j] + z * poses[at + 9 + j];
    }
    m[4 * i + 3] = x * poses[at] + y * poses[at + 1] + z * poses[at + 2] + w;
  });
  for (let v = 0; v < positions.length; v += 3) {
    const x = positions[v], y = positions[v + 1], z = positions[v + 2];
    out[v] = m[0] * x + m[1] * y + m[2] * z + m[3];
    out[v + 1] = m[4] * x + m[5] * y + m[6] * z + m[7];
    out[v + 2] = m[8] * x + m[9] * y + m[10] * z + m[11];
  }
}

/**
 * How many steps along a row a triangle's weights are negative for certain: rows of the box around
 * a long, thin triangle are mostly outside of it.
 */
export function stepsBefore(wb: number, wc: number, bStep: number, cStep: number): number {
  let least = 0;
  if (wb < 0 && bStep > 0) least = Math.max(least, -wb / bStep);
  if (wc < 0 && cStep > 0) least = Math.max(least, -wc / cStep);
  const wa = 1 - wb - wc, aStep = -bStep - cStep;
  if (wa < 0 && aStep > 0) least = Math.max(least, -wa / aStep);
  // one less, for rounding; beyond any picture where the row misses the triangle
  return Math.max(Math.ceil(Math.min(least, 1e6)) - 1, 0);
}
