/**
 * "Did you mean": the known word closest to a mistyped one.
 */

/**
 * Levenshtein distance: fewest insertions, deletions and substitutions of UTF-16 code units that
 * turn `a` into `b`. O(|a| |b|) time, one row of memory.
 */
export function editDistance(a: string, b: string): number {
  const row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    let diagonal = row[0];
    row[0] = i;
    for (let j = 1; j <= b.length; j++) {
      const substituted = diagonal + (a[i - 1] === b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = Math.min(substituted, row[j] + 1, row[j - 1] + 1);
    }
  }
  return row[b.length];
}

/** Longer words than this are nobody's typing errors; comparing them would take long. */
const LONGEST = 100;

/**
 * The candidate nearest to `word`, letter case aside (the first of several equally near), or
 * `null` where none is near enough to be what was meant: more than a third of the longer
 * word's letters differ (one letter is always forgiven), or `word` is very long.
 */
export function nearest(word: string, candidates: Iterable<string>): string | null {
  if (word.length > LONGEST) return null;
  const wanted = word.toLowerCase();
  let best: string | null = null;
  let bestDistance = Infinity;
  for (const candidate of candidates) {
    if (candidate.length > 2 * LONGEST) continue;
    const distance = editDistance(wanted, candidate.toLowerCase());
    const allowed = Math.max(1, Math.floor(Math.max(word.length, candidate.length) / 3));
    if (distance <= allowed && distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** `; did you mean "x"?` for the nearest candidate, or an empty string: the end of a message. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const suggestion = nearest(word, candidates);
  return suggestion === null ? "" : `; did you mean "${suggestion}"?`;
}
