// How many admissions are asked for ahead: none for a first request, twice as many each time while demand is there,
// and no more than demand comes to within a short while.
import { BOUNDS } from '../core/bounds.ts';

/** Of a busy subject, a lot is a quarter of a second's demand; of a calm one so many requests, within so much time. */
const BUSY_LOT_S = 0.25;
const CALM_LOT = 80;
/** Of a limit that would hardly miss them, more: one in so many admissions, up to so many requests. */
const CALM_SHARE = 1_000;
const CALM_LOT_OF_LARGE = 240;
const CALM_LOT_S = 8;
const MOST_PER_S = 1_000_000;

/** A lot to ask for. */
export interface Lot {
  readonly size: number;
  /** Demand since the last lot, admissions a second. */
  readonly pacePerS: number;
}

export class LotSize {
  readonly #calmLot: number;
  #demanded = 0;
  #askedAt: number;
  #size = 0;
  /** Of the last request that the store was asked for. */
  #cost = 1;

  /**
   * @param firstSeenAt when the subject was first demanded
   * @param requests what the limit admits a period
   */
  constructor(firstSeenAt: number, requests: number) {
    this.#askedAt = firstSeenAt;
    this.#calmLot = Math.min(CALM_LOT_OF_LARGE, Math.max(CALM_LOT, requests / CALM_SHARE));
  }

  demanded(cost: number): void {
    this.#demanded += cost;
  }

  /** Sizes are multiples of a request's cost. */
  costs(cost: number): void {
    this.#cost = cost;
  }

  next(now: number): Lot {
    const elapsedMs = Math.max(1, now - this.#askedAt);
    const pacePerS = Math.min(MOST_PER_S, Math.ceil((this.#demanded * 1_000) / elapsedMs));
    const wanted = Math.max(pacePerS * BUSY_LOT_S, Math.min(this.#calmLot * this.#cost, pacePerS * CALM_LOT_S));
    const size = Math.min(Math.ceil(wanted), 2 * (this.#size + this.#cost), BOUNDS.leaseLot);
    return { size, pacePerS };
  }

  /** The lot was asked for: demand is counted anew. */
  asked({ size }: Lot, now: number): void {
    this.#askedAt = now;
    this.#demanded = 0;
    this.#size = size;
  }
}
