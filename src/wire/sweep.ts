// All timeouts of the forwarder in one coarse sweep: a timer for each request would cost more than all its
// parsing. Nothing expires early; everything expires within a sweep's period of its deadline,
// or within two where this process stood still.
import { BOUNDS } from '../core/bounds.ts';

/** Something that has a deadline now and then. */
export interface Timed {
  /** On `performance.now()`; infinite for none. */
  readonly deadlineAt: number;
  expired(): void;
}

const watched = new Set<Timed>();
let timer: NodeJS.Timeout | undefined;
let sweptAt = 0;
let hasLetPass = false;

/** So many periods between two sweeps mean that this process stood still. */
const LATE_PERIODS = 4;

/** Begins to look at its deadline. */
export function watch(timed: Timed): void {
  watched.add(timed);
  if (timer !== undefined) return;
  sweptAt = performance.now();
  timer = setInterval(sweep, BOUNDS.sweepMs).unref();
}

export function unwatch(timed: Timed): void {
  watched.delete(timed);
}

function sweep(): void {
  const now = performance.now();
  const isLate = now - sweptAt > LATE_PERIODS * BOUNDS.sweepMs;
  sweptAt = now;
  // What came while nobody looked waits to be read: who was in time is heard before deadlines are. Never twice in a
  // row: a process that is always late has timeouts too.
  hasLetPass = isLate && !hasLetPass;
  if (hasLetPass) return;
  for (const timed of watched) if (timed.deadlineAt <= now) timed.expired();
  if (watched.size > 0) return;
  clearInterval(timer);
  timer = undefined;
}
