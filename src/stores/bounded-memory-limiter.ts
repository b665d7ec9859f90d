// Counts of this process alone, for a store of one machine and while Redis is away: rate-limiter-flexible's
// memory limiter with a bound on how many sources it remembers; beyond it the least recent are forgotten.
import { RateLimiterMemory, RateLimiterRes, type IRateLimiterOptions } from 'rate-limiter-flexible';

export class BoundedMemoryLimiter extends RateLimiterMemory {
  readonly #sources = new Set<string>();
  readonly #most: number;

  constructor(options: IRateLimiterOptions, most: number) {
    super(options);
    this.#most = most;
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
    this.#sources.delete(source);
    this.#sources.add(source);
    if (this.#sources.size <= this.#most) return;
    const [oldest] = this.#sources;
    if (oldest === undefined) return;
    this.#sources.delete(oldest);
    await this.delete(oldest);
  }
}
