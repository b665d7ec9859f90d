// One series of a histogram as a typed array: observing is a short walk and two additions.

/** Label values by label name. */
export type Labels = Readonly<Record<string, string>>;

/** Upper bounds of buckets, in seconds, ascending; a last one without bound follows. */
export type Scale = readonly number[];

/** Requests and upstream answers: 0.5 ms to 60 s. */
export const REQUEST_SCALE: Scale = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
];

/** The gateway's own share: 50 µs to 1 s. */
export const OVERHEAD_SCALE: Scale = [
  0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
];

/** Store operations: 100 µs to 5 s. */
export const STORE_SCALE: Scale = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
];

/** Counts of observations by bucket, and their sum in seconds. */
export class Buckets {
  readonly labels: Labels;
  /** The labels of each bucket: kept, for prom-client remembers the text of the label objects it has seen. */
  readonly bucketLabels: readonly Labels[];
  readonly counts: Float64Array;
  sum = 0;
  readonly #bounds: Float64Array;

  constructor(scale: Scale, labels: Labels) {
    this.labels = labels;
    this.bucketLabels = [...scale, '+Inf'].map((bound) => ({ ...labels, le: String(bound) }));
    this.counts = new Float64Array(this.bucketLabels.length);
    this.#bounds = Float64Array.from(scale);
  }

  /** @param durationMs ms; what is no duration (negative, NaN) counts as 0 */
  observeMs(durationMs: number): void {
    const seconds = durationMs > 0 ? durationMs / 1000 : 0;
    const bounds = this.#bounds;
    let at = 0;
    while (at < bounds.length && seconds > bounds[at]!) at++;
    this.counts[at]!++;
    this.sum += seconds;
  }
}
