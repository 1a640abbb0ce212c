/**
 * Long curves with fewer points that look the same: of every few values the least and the greatest
 * stay, so that no spike gets lost, and gaps stay gaps.
 */

/** How many values become two of a curve of `count`, where about `most` may stay. */
function bucketSize(count: number, most: number): number {
  return Math.ceil(2 * count / most);
}

/**
 * Places of the values that stay, in order: all of `most` or fewer; else the first, the last, and of
 * every few the least, the greatest and one that is missing.
 *
 * @param values `null` or not finite: missing
 */
export function keptPlaces(values: readonly (number | null)[], most: number): number[] {
  const count = values.length;
  if (count <= most) return values.map((_, i) => i);
  const size = bucketSize(count, most);
  const kept = new Set<number>([0]);
  for (let start = 0; start < count; start += size) {
    let least: number | undefined;
    let greatest: number | undefined;
    let missing: number | undefined;
    for (let i = start; i < Math.min(start + size, count); i++) {
      const value = values[i];
      if (value === null || !Number.isFinite(value)) {
        missing ??= i;
        continue;
      }
      if (least === undefined || value < values[least]!) least = i;
      if (greatest === undefined || value > values[greatest]!) greatest = i;
    }
    for (const place of [least, greatest, missing]) if (place !== undefined) kept.add(place);
  }
  kept.add(count - 1);
  return [...kept].sort((a, b) => a - b);
}

/** What {@link keptPlaces} does to curves of at most `count` values; nothing where it keeps all. */
export function thinnedText(count: number, most: number): string {
  return count <= most
    ? ""
    : ` Of every ${bucketSize(count, most)} points the least and the greatest are drawn.`;
}
