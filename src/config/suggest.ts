// "Did you mean": the nearest accepted name to one that is not.

/**
 * The candidate that the text most probably stands for, or undefined where none is near. Case, dashes and
 * underscores count for nothing, so `connect_timeout` finds `connectTimeout`.
 */
export function nearest(text: string, candidates: Iterable<string>): string | undefined {
  const wanted = plain(text);
  let best: string | undefined;
  // A slip in every three characters is still a slip; more is another word.
  let bestDistance = Math.floor(Math.max(wanted.length, 3) / 3) + 1;
  let compared = 0;
  for (const candidate of candidates) {
    if (++compared > MOST_COMPARED) break;
    const other = plain(candidate);
    if (Math.abs(other.length - wanted.length) >= bestDistance) continue;
    const distance = editDistance(wanted, other);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Candidates that are looked at: a file may declare thousands of names, and be wrong in as many places. */
const MOST_COMPARED = 1_000;

/** `; did you mean X?`, or nothing where no candidate is near. */
export function didYouMean(text: string, candidates: Iterable<string>): string {
  const found = nearest(text, candidates);
  return found === undefined ? '' : `; did you mean ${found}?`;
}

/** The end of a sentence: what was probably meant (of an empty text nothing), and all there is under a heading such as `accepted`. */
export function alternatives(text: string, candidates: readonly string[], heading: string): string {
  const shown = candidates.length > MOST_SHOWN ? [...candidates.slice(0, MOST_SHOWN), '…'] : candidates;
  const list = `${heading}: ${shown.join(', ')}`;
  const meant = text === '' ? '' : didYouMean(text, candidates);
  return meant === '' ? `; ${list}` : `${meant} ${list.charAt(0).toUpperCase()}${list.slice(1)}`;
}

const MOST_SHOWN = 20;

function plain(text: string): string {
  return text.slice(0, 64).toLowerCase().replaceAll(/[-_]/g, '');
}

/** Insertions, deletions, replacements and swaps of neighbours between two texts (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const isSame = a[row - 1] === b[column - 1];
      let least = Math.min(last[column]! + 1, current[column - 1]! + 1, last[column - 1]! + (isSame ? 0 : 1));
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        least = Math.min(least, beforeLast[column - 2]! + 1);
      current.push(least);
    }
    [beforeLast, last] = [last, current];
  }
  return last[b.length]!;
}
