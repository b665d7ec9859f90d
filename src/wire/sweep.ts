// All timeouts of the forwarder in one coarse sweep: a timer for each request would cost more than all its
// parsing. Nothing expires early; everything expires within a sweep's period of its deadline.
import { BOUNDS } from '../core/bounds.ts';

/** Something that has a deadline now and then. */
export interface Timed {
  /** On `performance.now()`; infinite for none. */
  readonly deadlineAt: number;
  expired(): void;
}

const watched = new Set<Timed>();
let timer: NodeJS.Timeout | undefined;

/** Begins to look at its deadline. */
export function watch(timed: Timed): void {
  watched.add(timed);
  timer ??= setInterval(sweep, BOUNDS.sweepMs).unref();
}

export function unwatch(timed: Timed): void {
  watched.delete(timed);
}

function sweep(): void {
  const now = performance.now();
  for (const timed of watched) if (timed.deadlineAt <= now) timed.expired();
  if (watched.size > 0) return;
  clearInterval(timer);
  timer = undefined;
}
