/**
 * Which known word was meant: "did you mean" for options, keys and names. Distance of Damerau and
 * Levenshtein (insertions, deletions, substitutions, swaps of neighbours), case ignored.
 */

/** Number of edits that turn `a` into `b`; a swap of neighbours counts as one. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = last[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      row[j] = Math.min(last[j] + 1, row[j - 1] + 1, substitution);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        row[j] = Math.min(row[j], beforeLast[j - 2] + 1);
      }
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length];
}

/**
 * The candidates near enough to `word` to be what was meant, nearest first, ties in the order
 * given; empty where none is. Near enough: at most one edit per three letters (at least one edit),
 * or the one begins with the other (three letters or more).
 */
export function nearest(word: string, candidates: Iterable<string>): string[] {
  const wanted = word.toLowerCase();
  const limit = Math.max(1, Math.floor(wanted.length / 3));
  const scored: { candidate: string; distance: number }[] = [];
  for (const candidate of candidates) {
    const other = candidate.toLowerCase();
    const distance = editDistance(wanted, other);
    const shorter = Math.min(wanted.length, other.length);
    const isPrefix = shorter >= 3 && (other.startsWith(wanted) || wanted.startsWith(other));
    if (distance <= limit || isPrefix) scored.push({ candidate, distance });
  }
  return scored.sort((a, b) => a.distance - b.distance).map(({ candidate }) => candidate);
}
