// Counts of this process alone, for a store of one machine and while Redis is away: rate-limiter-flexible's
// memory limiter with a bound on how many sources it remembers; beyond it the least recent are forgotten.
import { RateLimiterMemory, RateLimiterRes, type IRateLimiterOptions } from 'rate-limiter-flexible';
import { BoundedMap } from '../core/bounded-map.ts';

export class BoundedMemoryLimiter extends RateLimiterMemory {
  readonly #sources: BoundedMap<true>;

  constructor(options: IRateLimiterOptions, most: number) {
    super(options);
    this.#sources = new BoundedMap(most);
  }

  override async penalty(source: string, points?: number): Promise<RateLimiterRes> {
    await this.#remember(source);
    return super.penalty(source, points);
  }

  /** Takes points back; never below none. */
  override async reward(source: string, points?: number): Promise<RateLimiterRes> {
    const held = await this.get(source);
    if (held === null || held.consumedPoints <= 0) return held ?? new RateLimiterRes(this.points, 0, 0, false);
    return super.reward(source, points);
  }

  override async block(source: string, seconds: number): Promise<RateLimiterRes> {
    await this.#remember(source);
    return super.block(source, seconds);
  }

  async #remember(source: string): Promise<void> {
    const forgotten = this.#sources.set(source, true);
    if (forgotten !== undefined) await this.delete(forgotten);
  }
}
