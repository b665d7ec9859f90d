// Numbers that look random and come from a seed, for cases too many to write down; the seed is named where a test
// fails. It is the same each time, so that a change is judged by what it changes; `FUZZ_SEED` gives another.

export interface SeededNumbers {
  /** To be named by a failing assertion. */
  readonly seed: string;
  /** A whole number from 0 to below `bound`. */
  readonly below: (bound: number) => number;
}

/** The seed of every generated case, a whole number from 0 to below 2 ** 32. */
export const FUZZ_SEED = Number(process.env['FUZZ_SEED'] ?? 1) >>> 0;

export function seededNumbers(): SeededNumbers {
  let state = FUZZ_SEED || 1;
  return {
    seed: `FUZZ_SEED=${FUZZ_SEED}`,
    // Marsaglia's xorshift32.
    below: (bound) => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return (state >>> 0) % bound;
    },
  };
}
