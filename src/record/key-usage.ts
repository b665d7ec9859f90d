// The busiest keys by name, all others together: `portcullis_key_usage_total` in a bounded number of series
// whatever number of keys there is.
//
// Every use is counted in exactly one series at the time it happens, that of its key if the key has a seat
// then, else `other`. So no series ever goes backwards, and sums of `rate` and `increase` are exact. A key
// that loses its seat leaves its counts behind: its series ends, and they are not added to `other`, which
// would show up there as requests that have just happened. Seats change hands only between two scrapes: the
// loser's last count has been published, and the heir's first published count is 0.
//
// Who is busy is told by weights that halve every five minutes. Candidates without a seat are kept in a
// frequent-items summary: what has more than one in PRUNED_TO of all uses is never lost from it.
import type { Sample } from './published.ts';

/** Candidates that are kept; above, all but the heaviest PRUNED_TO are forgotten. */
const CANDIDATES = 8_192;
const PRUNED_TO = 2_048;
const HALF_LIFE_MS = 300_000;
/** Seats are reviewed no more often, for each change ends one series and begins another. */
const REVIEW_MS = 60_000;
/** A heir must be this much busier than who holds the seat: `2 × weight + 10`. */
const LEAD_FACTOR = 2;
const LEAD_USES = 10;

const OTHER = 'other';

export class KeyUsage {
  readonly #places: number;
  readonly #seats = new Map<string, Seat>();
  /** Will have a seat at the next scrape. */
  readonly #heirs = new Set<string>();
  #candidates = new Map<string, number>();
  #other = 0;
  #reviewedAtMs: number;

  /** @param places how many keys are named */
  constructor(places: number, nowMs: number) {
    this.#places = places;
    this.#reviewedAtMs = nowMs;
  }

  /** Counts uses of a key. */
  count(id: string, uses = 1): void {
    const seat = this.#seats.get(id);
    if (seat !== undefined) {
      seat.count += uses;
      seat.weight += uses;
    } else if (this.#seats.size + this.#heirs.size < this.#places && id !== OTHER) {
      this.#seats.set(id, { count: uses, weight: uses });
    } else {
      this.#other += uses;
      this.#candidates.set(id, (this.#candidates.get(id) ?? 0) + uses);
      if (this.#candidates.size > CANDIDATES) this.#prune();
    }
  }

  /** The series as they stand. Afterwards, if it is time, seats pass to busier keys. */
  publish(nowMs: number): Sample[] {
    for (const id of this.#heirs) {
      this.#seats.set(id, { count: 0, weight: this.#candidates.get(id) ?? 0 });
      this.#candidates.delete(id);
    }
    this.#heirs.clear();
    const samples = [...this.#seats].map(([key, { count }]) => ({ labels: { key }, value: count }));
    samples.push({ labels: { key: OTHER }, value: this.#other });
    const sinceReviewMs = nowMs - this.#reviewedAtMs;
    if (sinceReviewMs >= REVIEW_MS || sinceReviewMs < 0) this.#review(nowMs, Math.max(0, sinceReviewMs));
    return samples;
  }

  #review(nowMs: number, sinceReviewMs: number): void {
    const remaining = 0.5 ** (sinceReviewMs / HALF_LIFE_MS);
    for (const seat of this.#seats.values()) seat.weight *= remaining;
    for (const [id, weight] of this.#candidates) this.#candidates.set(id, weight * remaining);
    this.#reviewedAtMs = nowMs;

    const lightest = [...this.#seats].sort(([, a], [, b]) => a.weight - b.weight);
    const heaviest = [...this.#candidates].filter(([id]) => id !== OTHER).sort(([, a], [, b]) => b - a);
    for (const [at, [id, seat]] of lightest.entries()) {
      const heir = heaviest[at];
      if (heir === undefined || heir[1] <= LEAD_FACTOR * seat.weight + LEAD_USES) break;
      this.#seats.delete(id);
      this.#candidates.set(id, seat.weight);
      this.#heirs.add(heir[0]);
    }
  }

  /** Keeps the heaviest, less what the heaviest of the others had (Misra and Gries). */
  #prune(): void {
    const weights = Float64Array.from(this.#candidates.values()).sort();
    const forgotten = weights[weights.length - PRUNED_TO - 1]!;
    const kept = new Map<string, number>();
    for (const [id, weight] of this.#candidates) if (weight > forgotten) kept.set(id, weight - forgotten);
    this.#candidates = kept;
  }
}

interface Seat {
  /** Uses since it was taken. */
  count: number;
  weight: number;
}
