// Whether two sets of timings differ, as dudect asks it (Reparaz, Balasch, Verbauwhede: "Dude, is my code constant
// time?", DATE 2017): Welch's t over all samples, and over those below several percentiles of both together, because a
// few that were interrupted hide a difference of the rest. The t that is farthest from 0 counts; below 4.5, no difference was found.

/** Percentiles above which samples are cut off: none, then a few. */
const CROPS = [1, 0.99, 0.95, 0.9, 0.75, 0.5] as const;

export interface Difference {
  /** Welch's t, the farthest from 0 of all crops. */
  readonly t: number;
  /** The percentile below which it was found; 1 for all samples. */
  readonly crop: number;
  /** Of the means of these, in the unit of the samples. */
  readonly difference: number;
}

export function differenceOf(a: Float64Array, b: Float64Array): Difference {
  const both = new Float64Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  both.sort();
  let farthest: Difference = { t: 0, crop: 1, difference: 0 };
  for (const crop of CROPS) {
    const limit = both[Math.min(both.length - 1, Math.floor(crop * both.length))]!;
    const [one, other] = [momentsBelow(a, limit), momentsBelow(b, limit)];
    const difference = one.mean - other.mean;
    const t = difference / Math.sqrt(one.variance / one.count + other.variance / other.count);
    if (Math.abs(t) > Math.abs(farthest.t)) farthest = { t, crop, difference };
  }
  return farthest;
}

/** By Welford's algorithm, which keeps its digits. */
function momentsBelow(samples: Float64Array, limit: number): { mean: number; variance: number; count: number } {
  let [count, mean, squares] = [0, 0, 0];
  for (const sample of samples) {
    if (sample > limit) continue;
    const delta = sample - mean;
    mean += delta / ++count;
    squares += delta * (sample - mean);
  }
  return { mean, variance: squares / (count - 1), count };
}
