// From a case that fails to a smaller one that fails in the same way: delta debugging (Zeller, Hildebrandt 2002), first
// over the parts of the case, then over the characters of each part.
import type { FuzzCase } from './fuzz-case.ts';

/** Whether a case still breaks the rule that is looked into. */
export type StillFails = (candidate: FuzzCase) => Promise<boolean>;

/** What bounds a search. */
export interface ShrinkBounds {
  readonly tries: number;
  readonly ms: number;
}

/** The smallest case that was found within the bounds; the one given where none is smaller. */
export async function shrunk(failing: FuzzCase, stillFails: StillFails, bounds: ShrinkBounds): Promise<FuzzCase> {
  const endsAt = performance.now() + bounds.ms;
  let triesLeft = bounds.tries;
  let smallest = failing;
  const accept = async (parts: readonly string[]): Promise<boolean> => {
    if (triesLeft-- <= 0 || performance.now() > endsAt) return false;
    const candidate = { ...failing, parts };
    if (!(await stillFails(candidate))) return false;
    smallest = candidate;
    return true;
  };
  for (let before = Infinity; sizeOf(smallest) < before;) {
    before = sizeOf(smallest);
    await smallestList(smallest.parts, accept);
    for (let at = 0; at < smallest.parts.length; at++) {
      const { parts } = smallest;
      await smallestList([...parts[at]!], (letters) => accept(parts.with(at, letters.join(''))));
    }
  }
  return smallest;
}

/** Parts and characters. */
function sizeOf({ parts }: FuzzCase): number {
  return parts.reduce((sum, part) => sum + part.length, parts.length);
}

/** The fewest items of a list that are still accepted, by leaving out ever smaller stretches. */
export async function smallestList<T>(
  items: readonly T[],
  accept: (fewer: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  let kept = items;
  for (let size = kept.length; size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < kept.length;) {
      const fewer = kept.toSpliced(at, size);
      if (await accept(fewer)) kept = fewer;
      else at += size;
    }
  }
  return kept;
}
