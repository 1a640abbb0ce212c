/**
 * What a trained encoder makes of tasks: a map of their embeddings, and how well modes of tasks lie
 * apart in it.
 *
 * Axis letters: M tasks, C width of an embedding.
 */
import { chancePurity, countKinds, kMeans, purity, silhouette } from "../util/clusters.ts";
import { RunError } from "../util/errors.ts";
import { principalAxes } from "../util/pca.ts";
import { KeyedRandom } from "../util/prng.ts";
import { tsne } from "../util/tsne.ts";

/** How well embeddings of different modes lie apart; measured in all C coordinates. */
export interface ModeSeparation {
  /** Mean silhouette of the modes, Euclidean distance; -1 to 1. */
  readonly silhouette: number;
  /** Purity of k-means with as many clusters as there are modes; to 1. */
  readonly purity: number;
  /** Purity of the same clusters with modes dealt out at random. */
  readonly chance: number;
}

/** Embeddings in the plane. */
export interface EmbeddingMap {
  /** [M][2] along the two axes of largest variance */
  readonly pca: readonly (readonly [number, number])[];
  /** [M][2] by t-SNE; without a unit */
  readonly tsne: readonly (readonly [number, number])[];
  /** Share of the variance along the two axes of `pca`. */
  readonly explainedVariance: readonly [number, number];
  /** As {@link ModeSeparation}; `null` where there are not two modes. */
  readonly silhouette: number | null;
  readonly purity: number | null;
  readonly chance: number | null;
}

/** Rows [M, 2] as pairs. */
function pairs(rows: Float64Array): [number, number][] {
  return Array.from({ length: rows.length / 2 }, (_, m) => [rows[2 * m], rows[2 * m + 1]]);
}

/**
 * How well modes lie apart; `null` where the tasks have fewer than two.
 *
 * @param embeddings [M, C], finite
 * @param modes [M], or `null` where the environment has none
 * @param seed of the clustering
 */
export function modeSeparation(
  embeddings: Float32Array,
  modes: Int32Array | null,
  seed: number,
): ModeSeparation | null {
  if (modes === null) return null;
  const kinds = countKinds(modes);
  if (kinds < 2) return null;
  const random = new KeyedRandom(seed);
  const { labels } = kMeans(embeddings, modes.length, kinds, random);
  return {
    silhouette: silhouette(embeddings, modes),
    purity: purity(labels, modes),
    chance: chancePurity(labels, modes, random),
  };
}

/**
 * Embeddings in the plane, and how well modes lie apart. The same input gives the same bytes. 200
 * embeddings take half a second, the time grows with the square of their number.
 *
 * @param embeddings [M, C]
 * @param count M, at least 1
 * @param modes [M], or `null` where the environment has none
 * @param seed of t-SNE and of the clustering
 * @throws RunError `embedding-not-finite`, `map-not-finite`
 */
export function embeddingMap(
  embeddings: Float32Array,
  count: number,
  modes: Int32Array | null,
  seed: number,
): EmbeddingMap {
  const bad = embeddings.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new RunError(
      "embedding-not-finite",
      `Cannot draw embeddings: number ${bad % (embeddings.length / count)} of task ` +
        `${Math.floor(bad * count / embeddings.length)} is ${embeddings[bad]}; take an earlier ` +
        "checkpoint",
    );
  }
  const axes = principalAxes(embeddings, count, 2);
  const separation = modeSeparation(embeddings, modes, seed);
  return {
    pca: pairs(axes.coordinates),
    tsne: pairs(tsne(embeddings, count, new KeyedRandom(seed))),
    explainedVariance: [axes.explained[0], axes.explained[1]],
    silhouette: separation?.silhouette ?? null,
    purity: separation?.purity ?? null,
    chance: separation?.chance ?? null,
  };
}
