// Waiting with a bound: tests wait for what they expect, never for time to pass.
import { setTimeout as pause } from 'node:timers/promises';

/** Where nothing is promised of how long it takes. */
const PATIENCE_MS = 20_000;

/** Bounds of one wait. */
export interface WaitBounds {
  /** Longest wait in ms; without it as long as a slow machine may need. */
  readonly withinMs?: number;
  /** Time between two looks in ms (default 15). */
  readonly everyMs?: number;
}

/**
 * Looks until `look` no longer throws, and gives what it gave.
 * @throws what the last look threw, once the bound is over
 */
export async function eventually<T>(look: () => T | Promise<T>, bounds: WaitBounds = {}): Promise<T> {
  const { withinMs = PATIENCE_MS, everyMs = 15 } = bounds;
  const start = performance.now();
  for (;;) {
    try {
      return await look();
    } catch (error) {
      if (performance.now() - start > withinMs) throw error;
      await pause(everyMs);
    }
  }
}

/**
 * Gives what the promise gives, or fails with `what` once the bound is over.
 * @throws Error where it takes longer than `withinMs`
 */
export async function inTime<T>(promise: Promise<T>, what: string, withinMs = PATIENCE_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${withinMs} ms`)), withinMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
