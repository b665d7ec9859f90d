// Numbers that look random and come from a seed, for cases too many to write down; the seed is named where a
// test fails, and can be given back in `FUZZ_SEED`.

export interface SeededNumbers {
  /** To be named by a failing assertion. */
  readonly seed: string;
  /** A whole number from 0 to below `bound`. */
  readonly below: (bound: number) => number;
}

export function seededNumbers(): SeededNumbers {
  const start = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 32)) >>> 0;
  let state = start || 1;
  return {
    seed: `FUZZ_SEED=${start}`,
    // Marsaglia's xorshift32.
    below: (bound) => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return (state >>> 0) % bound;
    },
  };
}
