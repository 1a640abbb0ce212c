/**
 * Principal component analysis: the directions in which points spread most. The singular value
 * decomposition is ml-matrix's, without random numbers.
 */
import { Matrix, SingularValueDecomposition } from "ml-matrix";

/** Points seen along their principal axes. */
export interface PrincipalAxes {
  /** [N, K] distance from the mean along every axis; 0 along axes that there are not */
  readonly coordinates: Float64Array;
  /** [K] share of the whole variance that lies along each axis, 0 to 1, falling */
  readonly explained: Float64Array;
}

/**
 * The points along the K axes of largest variance. An axis points to the side on which the point
 * farthest from the mean lies.
 *
 * @param points [N, C], finite
 * @param count N, at least 1
 * @param kept K
 */
export function principalAxes(
  points: ArrayLike<number>,
  count: number,
  kept: number,
): PrincipalAxes {
  const width = points.length / count;
  const centred = Matrix.zeros(count, width);
  for (let c = 0; c < width; c++) {
    let sum = 0;
    for (let n = 0; n < count; n++) sum += points[n * width + c];
    for (let n = 0; n < count; n++) centred.set(n, c, points[n * width + c] - sum / count);
  }
  const { leftSingularVectors, diagonal } = new SingularValueDecomposition(centred, {
    computeRightSingularVectors: false,
    autoTranspose: true,
  });
  const variance = diagonal.reduce((sum, value) => sum + value * value, 0);
  const coordinates = new Float64Array(count * kept);
  const explained = new Float64Array(kept);
  for (let k = 0; k < Math.min(kept, diagonal.length); k++) {
    explained[k] = variance === 0 ? 0 : diagonal[k] ** 2 / variance;
    let farthest = 0;
    for (let n = 0; n < count; n++) {
      const value = leftSingularVectors.get(n, k) * diagonal[k];
      coordinates[n * kept + k] = value;
      if (Math.abs(value) > Math.abs(farthest)) farthest = value;
    }
    // a decomposition leaves the sign of an axis open
    if (farthest >= 0) continue;
    for (let n = 0; n < count; n++) coordinates[n * kept + k] *= -1;
  }
  return { coordinates, explained };
}
