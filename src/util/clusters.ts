/**
 * How well points fall into groups: silhouette (Rousseeuw, "Silhouettes", 1987), k-means
 * (Lloyd 1982, started by k-means++: Arthur, Vassilvitskii, SODA 2007) and the purity of its
 * clusters. Distances are Euclidean.
 *
 * Own code: starts are keyed like all random numbers, and ml-kmeans, the npm package that is kept
 * up, needs five others for it.
 *
 * Axis letters: N points, C coordinates, K clusters.
 */
import { type KeyedRandom, Purpose } from "./prng.ts";

/** How often k-means starts anew; the tightest result counts. */
const STARTS = 10;
/** Rounds of Lloyd's algorithm; it settles long before. */
const MOST_ROUNDS = 300;
/** Shuffles that the chance level is the mean of. */
const SHUFFLES = 200;

/** Rounds in the key of {@link Purpose.CLUSTERS}; never renumber. */
const START = 0;
const SHUFFLE = 1;

/** Squared distance of rows `i` of `a` and `j` of `b`, both [.., width]. */
function squaredDistance(
  a: ArrayLike<number>,
  i: number,
  b: ArrayLike<number>,
  j: number,
  width: number,
): number {
  let sum = 0;
  for (let c = 0, p = i * width, q = j * width; c < width; c++, p++, q++) {
    sum += (a[p] - b[q]) * (a[p] - b[q]);
  }
  return sum;
}

/** Labels as numbers 0 .. K-1 in the order of their values, and K. */
function denseLabels(labels: ArrayLike<number>): { labels: Int32Array; kinds: number } {
  const values = [...new Set(Array.from(labels))].sort((a, b) => a - b);
  const places = new Map(values.map((value, place) => [value, place]));
  return { labels: Int32Array.from(labels, (value) => places.get(value)!), kinds: values.length };
}

/** How many different labels there are. */
export function countKinds(labels: ArrayLike<number>): number {
  return new Set(Array.from(labels)).size;
}

/**
 * Mean silhouette of all points, from -1 to 1: for each point (b - a) / max(a, b), where a is its
 * mean distance to the others of its own label and b the least of its mean distances to the points
 * of another label; 0 for a point that is alone with its label.
 *
 * @param points [N, C]
 * @param labels [N], at least two different ones
 */
export function silhouette(points: ArrayLike<number>, labels: ArrayLike<number>): number {
  const count = labels.length;
  const width = points.length / count;
  const { labels: kindOf, kinds } = denseLabels(labels);
  if (kinds < 2) throw new RangeError(`Cannot tell ${kinds} kind of points apart; wanted two`);
  const sizes = new Int32Array(kinds);
  for (const kind of kindOf) sizes[kind]++;
  // [N, kinds] sum of a point's distances to all points of a label
  const sums = new Float64Array(count * kinds);
  for (let i = 0; i < count; i++) {
    for (let j = i + 1; j < count; j++) {
      const distance = Math.sqrt(squaredDistance(points, i, points, j, width));
      sums[i * kinds + kindOf[j]] += distance;
      sums[j * kinds + kindOf[i]] += distance;
    }
  }
  let total = 0;
  for (let i = 0; i < count; i++) {
    const own = kindOf[i];
    if (sizes[own] === 1) continue;
    const within = sums[i * kinds + own] / (sizes[own] - 1);
    let nearest = Infinity;
    for (let kind = 0; kind < kinds; kind++) {
      if (kind !== own) nearest = Math.min(nearest, sums[i * kinds + kind] / sizes[kind]);
    }
    const larger = Math.max(within, nearest);
    if (larger > 0) total += (nearest - within) / larger;
  }
  return total / count;
}

/** Where clusters are and which points they have. */
export interface Clusters {
  /** [N] number of each point's cluster */
  readonly labels: Int32Array;
  /** Sum of all squared distances to the mean of the point's cluster. */
  readonly spread: number;
}

/** First centres [K, C] by k-means++: each far from those before it. */
function firstCentres(
  points: ArrayLike<number>,
  count: number,
  clusters: number,
  random: KeyedRandom,
): Float64Array {
  const width = points.length / count;
  const centres = new Float64Array(clusters * width);
  const nearest = new Float64Array(count).fill(Infinity);
  let chosen = random.integer(count);
  for (let k = 0; k < clusters; k++) {
    for (let c = 0; c < width; c++) centres[k * width + c] = points[chosen * width + c];
    let total = 0;
    for (let n = 0; n < count; n++) {
      nearest[n] = Math.min(nearest[n], squaredDistance(points, n, centres, k, width));
      total += nearest[n];
    }
    // the next one with a chance in proportion to the squared distance to its nearest centre
    let left = random.uniform() * total;
    chosen = count - 1;
    for (let n = 0; n < count; n++) {
      left -= nearest[n];
      if (left < 0) {
        chosen = n;
        break;
      }
    }
  }
  return centres;
}

/** Lloyd's algorithm from these centres [K, C], which are overwritten. */
function settle(points: ArrayLike<number>, count: number, centres: Float64Array): Clusters {
  const width = points.length / count;
  const clusters = centres.length / width;
  const labels = new Int32Array(count).fill(-1);
  const sizes = new Int32Array(clusters);
  const sums = new Float64Array(centres.length);
  let spread = 0;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    let changed = false;
    spread = 0;
    for (let n = 0; n < count; n++) {
      let best = 0, least = Infinity;
      for (let k = 0; k < clusters; k++) {
        const distance = squaredDistance(points, n, centres, k, width);
        if (distance < least) [best, least] = [k, distance];
      }
      if (labels[n] !== best) changed = true;
      labels[n] = best;
      spread += least;
    }
    if (!changed) break;
    sums.fill(0);
    sizes.fill(0);
    for (let n = 0; n < count; n++) {
      sizes[labels[n]]++;
      for (let c = 0; c < width; c++) sums[labels[n] * width + c] += points[n * width + c];
    }
    for (let k = 0; k < clusters; k++) {
      // a cluster that lost all of its points stays where it is
      if (sizes[k] === 0) continue;
      for (let c = 0; c < width; c++) centres[k * width + c] = sums[k * width + c] / sizes[k];
    }
  }
  return { labels, spread };
}

/**
 * The tightest of ten runs of k-means. The same seed gives the same clusters.
 *
 * @param points [N, C]
 * @param count N, at least 1
 * @param clusters K, at least 1
 * @param random only its seed is used
 */
export function kMeans(
  points: ArrayLike<number>,
  count: number,
  clusters: number,
  random: KeyedRandom,
): Clusters {
  let best: Clusters | null = null;
  for (let start = 0; start < STARTS; start++) {
    random.at(Purpose.CLUSTERS, start, 0, START);
    const found = settle(points, count, firstCentres(points, count, clusters, random));
    if (best === null || found.spread < best.spread) best = found;
  }
  return best!;
}

/**
 * Share of points that have the commonest label of their cluster, from 1 / (number of labels) to 1
 * (Manning, Raghavan, Schuetze, "Introduction to Information Retrieval", 2008, chapter 16.3).
 *
 * @param clusters [N]
 * @param labels [N]
 */
export function purity(clusters: ArrayLike<number>, labels: ArrayLike<number>): number {
  const { labels: clusterOf, kinds: rows } = denseLabels(clusters);
  const { labels: kindOf, kinds } = denseLabels(labels);
  const table = new Int32Array(rows * kinds);
  for (let n = 0; n < kindOf.length; n++) table[clusterOf[n] * kinds + kindOf[n]]++;
  let hits = 0;
  for (let k = 0; k < rows; k++) {
    hits += Math.max(...table.subarray(k * kinds, (k + 1) * kinds));
  }
  return hits / kindOf.length;
}

/**
 * What purity these clusters would have if they had nothing to do with the labels: its mean over
 * 200 random orders of the labels.
 *
 * @param random only its seed is used
 */
export function chancePurity(
  clusters: ArrayLike<number>,
  labels: ArrayLike<number>,
  random: KeyedRandom,
): number {
  const shuffled = Int32Array.from(labels);
  random.at(Purpose.CLUSTERS, 0, 0, SHUFFLE);
  let sum = 0;
  for (let draw = 0; draw < SHUFFLES; draw++) {
    for (let n = shuffled.length - 1; n > 0; n--) {
      const other = random.integer(n + 1);
      [shuffled[n], shuffled[other]] = [shuffled[other], shuffled[n]];
    }
    sum += purity(clusters, shuffled);
  }
  return sum / SHUFFLES;
}
