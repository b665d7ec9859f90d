// A time for each of the sources that were set lately, and counts that end at one.
import { BOUNDS } from '../core/bounds.ts';
import { RecentTexts } from '../core/recent-texts.ts';

/** Of each source a time, ms. */
export class SourceTimes {
  readonly #sources = new RecentTexts(BOUNDS.guardSources);
  readonly #times = new Float64Array(BOUNDS.guardSources);

  get size(): number {
    return this.#sources.size;
  }

  /** -Infinity for a source that has none. */
  get(source: string): number {
    const slot = this.#sources.find(source);
    return slot === -1 ? Number.NEGATIVE_INFINITY : this.#times[slot]!;
  }

  set(source: string, time: number): void {
    this.#times[this.#sources.set(source)] = time;
  }
}

/** Of each source a count, and when it ends, ms. */
export class SourceCounts {
  readonly #sources = new RecentTexts(BOUNDS.guardSources);
  readonly #counts = new Int32Array(BOUNDS.guardSources);
  readonly #ends = new Float64Array(BOUNDS.guardSources);

  get size(): number {
    return this.#sources.size;
  }

  /** 0 for a source that has none; one that has ended still has its count. */
  get(source: string): number {
    const slot = this.#sources.find(source);
    return slot === -1 ? 0 : this.#counts[slot]!;
  }

  /**
   * Adds to the count, or where it has ended begins another.
   * @param lastsMs how long one that begins now lasts
   * @returns the count
   */
  add(source: string, count: number, now: number, lastsMs: number): number {
    const known = this.#sources.find(source);
    if (known !== -1 && this.#ends[known]! > now) return (this.#counts[known]! += count);
    const slot = this.#sources.set(source);
    this.#counts[slot] = count;
    this.#ends[slot] = now + lastsMs;
    return count;
  }

  /** Takes one back, where there is one. */
  takeBack(source: string): void {
    const slot = this.#sources.find(source);
    if (slot !== -1 && this.#counts[slot]! > 0) this.#counts[slot]!--;
  }
}
