// Notices that this process itself stood still: stopped, swapped out, held up by one long turn. What it was told
// meanwhile still waits to be read, so what it believed before is older than it looks.
import { BOUNDS } from './bounds.ts';
import type { Clock } from './ports.ts';

export interface WakefulnessOptions {
  /** What is told is on this clock, ms: the one by which what is believed ages. */
  readonly now: Clock;
  /** Never jumps, ms. Default: `performance.now`. */
  readonly elapsedMs?: () => number;
}

export class Wakefulness {
  readonly #now: Clock;
  readonly #elapsedMs: () => number;
  readonly #beat: NodeJS.Timeout;
  #lastMs: number;
  #sinceMs = Number.NEGATIVE_INFINITY;

  constructor({ now, elapsedMs = () => performance.now() }: WakefulnessOptions) {
    this.#now = now;
    this.#elapsedMs = elapsedMs;
    this.#lastMs = elapsedMs();
    this.#beat = setInterval(() => this.sinceMs(), BOUNDS.wakeBeatMs).unref();
  }

  /** Since when it has run without standing still; minus infinity where it always has. */
  sinceMs(): number {
    const atMs = this.#elapsedMs();
    if (atMs - this.#lastMs > BOUNDS.stoodStillMs) this.#sinceMs = this.#now();
    this.#lastMs = atMs;
    return this.#sinceMs;
  }

  stop(): void {
    clearInterval(this.#beat);
  }
}
