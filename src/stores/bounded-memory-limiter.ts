// Counts of this process alone, for a store of one machine and while Redis is away: a limiter of
// rate-limiter-flexible with a bound on how many sources it remembers; beyond it the least recent are forgotten. The library's own
// takes half a kilobyte and a timer for each source.
import { RateLimiterCompatibleAbstract, RateLimiterRes } from 'rate-limiter-flexible';
import { RecentTexts } from '../core/recent-texts.ts';

export class BoundedMemoryLimiter extends RateLimiterCompatibleAbstract {
  // The library wants these of every limiter, and sets the last two to those of the one that is insured.
  override readonly keyPrefix = '';
  override blockDuration = 0;
  override execEvenly = false;
  readonly #limit: number;
  readonly #durationMs: number;
  readonly #sources: RecentTexts;
  readonly #points: Int32Array;
  /** By a clock that nobody sets, ms. */
  readonly #ends: Float64Array;

  /** @param options points a source has for `duration`, seconds */
  constructor(options: { readonly points: number; readonly duration: number }, most: number) {
    super();
    this.#limit = options.points;
    this.#durationMs = options.duration * 1_000;
    this.#sources = new RecentTexts(most);
    this.#points = new Int32Array(most);
    this.#ends = new Float64Array(most);
  }

  override async penalty(source: string, points = 1): Promise<RateLimiterRes> {
    const slot = this.#find(source);
    if (slot === -1) return this.#set(source, points, this.#durationMs);
    this.#sources.set(source);
    this.#points[slot]! += points;
    return this.#result(slot);
  }

  /** Takes points back; never below none. */
  override async reward(source: string, points = 1): Promise<RateLimiterRes> {
    const slot = this.#find(source);
    if (slot === -1) return new RateLimiterRes(this.#limit, 0, 0, false);
    this.#points[slot] = Math.max(0, this.#points[slot]! - points);
    return this.#result(slot);
  }

  override async block(source: string, seconds: number): Promise<RateLimiterRes> {
    return this.#set(source, this.#limit + 1, seconds * 1_000);
  }

  override async get(source: string): Promise<RateLimiterRes | null> {
    const slot = this.#find(source);
    return slot === -1 ? null : this.#result(slot);
  }

  /** The slot of a source whose time is not over; else -1. */
  #find(source: string): number {
    const slot = this.#sources.find(source);
    return slot !== -1 && this.#leftMs(slot) > 0 ? slot : -1;
  }

  #set(source: string, points: number, lastsMs: number): RateLimiterRes {
    const slot = this.#sources.set(source);
    this.#points[slot] = points;
    this.#ends[slot] = performance.now() + lastsMs;
    return this.#result(slot);
  }

  #result(slot: number): RateLimiterRes {
    const points = this.#points[slot]!;
    return new RateLimiterRes(Math.max(0, this.#limit - points), this.#leftMs(slot), points, false);
  }

  #leftMs(slot: number): number {
    return this.#ends[slot]! - performance.now();
  }
}
