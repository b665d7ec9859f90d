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
  readonly #most: number;
  /** Made when they are needed: with a store that answers they never are. */
  #tables: Tables | undefined;

  /** @param options points a source has for `duration`, seconds */
  constructor(options: { readonly points: number; readonly duration: number }, most: number) {
    super();
    this.#limit = options.points;
    this.#durationMs = options.duration * 1_000;
    this.#most = most;
  }

  override async penalty(source: string, points = 1): Promise<RateLimiterRes> {
    const { tables, slot } = this.#find(source);
    if (slot === -1) return this.#set(source, points, this.#durationMs);
    tables.sources.set(source);
    tables.points[slot]! += points;
    return this.#result(tables, slot);
  }

  /** Takes points back; never below none. */
  override async reward(source: string, points = 1): Promise<RateLimiterRes> {
    const { tables, slot } = this.#find(source);
    if (slot === -1) return new RateLimiterRes(this.#limit, 0, 0, false);
    tables.points[slot] = Math.max(0, tables.points[slot]! - points);
    return this.#result(tables, slot);
  }

  override async block(source: string, seconds: number): Promise<RateLimiterRes> {
    return this.#set(source, this.#limit + 1, seconds * 1_000);
  }

  override async get(source: string): Promise<RateLimiterRes | null> {
    if (!this.#tables) return null;
    const { tables, slot } = this.#find(source);
    return slot === -1 ? null : this.#result(tables, slot);
  }

  /** The slot of a source whose time is not over; else -1. */
  #find(source: string): { readonly tables: Tables; readonly slot: number } {
    const tables = (this.#tables ??= new Tables(this.#most));
    const slot = tables.sources.find(source);
    return { tables, slot: slot !== -1 && leftMs(tables, slot) > 0 ? slot : -1 };
  }

  #set(source: string, points: number, lastsMs: number): RateLimiterRes {
    const tables = (this.#tables ??= new Tables(this.#most));
    const slot = tables.sources.set(source);
    tables.points[slot] = points;
    tables.ends[slot] = performance.now() + lastsMs;
    return this.#result(tables, slot);
  }

  #result(tables: Tables, slot: number): RateLimiterRes {
    const points = tables.points[slot]!;
    return new RateLimiterRes(Math.max(0, this.#limit - points), leftMs(tables, slot), points, false);
  }
}

class Tables {
  readonly sources: RecentTexts;
  readonly points: Int32Array;
  /** By a clock that nobody sets, ms. */
  readonly ends: Float64Array;

  constructor(most: number) {
    this.sources = new RecentTexts(most);
    this.points = new Int32Array(most);
    this.ends = new Float64Array(most);
  }
}

function leftMs({ ends }: Tables, slot: number): number {
  return ends[slot]! - performance.now();
}
