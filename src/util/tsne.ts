/**
 * t-SNE (van der Maaten, Hinton, JMLR 9, 2008): points in the plane such that those that are near
 * each other in many dimensions stay so. Computed by DruidJS from a seed, never from
 * `Math.random`.
 *
 * DruidJS calls `Math.exp` and `Math.log`, whose last digit differs between versions of V8: the
 * same program gives the same bytes, another version of Deno may give slightly other ones.
 */
import { TSNE } from "@saehrimnir/druidjs";
import { RunError } from "./errors.ts";
import { type KeyedRandom, Purpose } from "./prng.ts";

/** How many neighbours count for each point, where there are enough. */
const PERPLEXITY = 30;
const ITERATIONS = 500;

/** Rows with mean 0 and mean squared length 1: the search for widths of neighbourhoods starts there. */
function standardRows(points: ArrayLike<number>, count: number): number[][] {
  const width = points.length / count;
  const means = new Float64Array(width);
  for (let i = 0; i < points.length; i++) means[i % width] += points[i] / count;
  let squares = 0;
  for (let i = 0; i < points.length; i++) squares += (points[i] - means[i % width]) ** 2 / count;
  const length = Math.sqrt(squares) || 1;
  return Array.from(
    { length: count },
    (_, n) => Array.from(means, (mean, c) => (points[n * width + c] - mean) / length),
  );
}

/**
 * A map of the points, [N, 2]; its axes and its scale mean nothing.
 *
 * @param points [N, C], finite
 * @param count N, at least 1
 * @param random only its seed is used
 * @throws RunError `map-not-finite`, which no points are known to cause
 */
export function tsne(points: ArrayLike<number>, count: number, random: KeyedRandom): Float64Array {
  if (count === 1) return new Float64Array(2);
  const rows = standardRows(points, count);
  // the package has no types
  const map: number[][] = new TSNE(rows, {
    perplexity: Math.max(1, Math.min(PERPLEXITY, (count - 1) / 3)),
    // 0 would be replaced by the time of day
    seed: 1 + random.at(Purpose.NEIGHBOUR_MAP).integer(0xffff_fffe),
  }).transform(ITERATIONS);
  const coordinates = Float64Array.from(map.flatMap((place) => [...place]));
  const bad = coordinates.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return coordinates;
  throw new RunError(
    "map-not-finite",
    `Cannot draw ${count} points by t-SNE: point ${bad >> 1} came out as ${coordinates[bad]}; ` +
      "take another number of tasks",
  );
}
