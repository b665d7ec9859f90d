// One series of a histogram as a typed array: observing is a short walk and two additions.

/** Upper bounds of buckets, in seconds, ascending; a last one without bound follows. */
export class Scale {
  readonly bounds: Float64Array;
  /** The `le` label of each bucket, the unbounded one too. */
  readonly labels: readonly { readonly le: string }[];

  constructor(bounds: readonly number[]) {
    this.bounds = Float64Array.from(bounds);
    this.labels = [...bounds.map((bound) => ({ le: String(bound) })), { le: '+Inf' }];
  }
}

/** Requests and upstream answers: 0.5 ms to 60 s. */
export const REQUEST_SCALE = new Scale([
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
]);

/** The gateway's own share: 50 µs to 1 s. */
export const OVERHEAD_SCALE = new Scale([
  0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
]);

/** Store operations: 100 µs to 5 s. */
export const STORE_SCALE = new Scale([
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
]);

/** Counts of observations by bucket, and their sum in seconds. */
export class Buckets {
  readonly scale: Scale;
  readonly counts: Float64Array;
  sum = 0;

  constructor(scale: Scale) {
    this.scale = scale;
    this.counts = new Float64Array(scale.labels.length);
  }

  /** @param durationMs ms; what is no duration (negative, NaN) counts as 0 */
  observeMs(durationMs: number): void {
    const seconds = durationMs > 0 ? durationMs / 1000 : 0;
    const { bounds } = this.scale;
    let at = 0;
    while (at < bounds.length && seconds > bounds[at]!) at++;
    this.counts[at]!++;
    this.sum += seconds;
  }
}
