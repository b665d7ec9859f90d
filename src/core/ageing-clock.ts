// A clock for how long something has been so. The wall clock may be set an hour back, and what is believed for ten
// seconds would be believed for an hour; the monotonic one stands still while a machine sleeps or is moved.
import type { Clock } from './ports.ts';

/**
 * A clock for what may be believed for a time only. It never goes back, and counts what either of the system's clocks
 * says has passed: setting the wall clock forward ages, setting it back changes nothing. Beginning at the wall clock's
 * ms since the epoch, it is not told from then on what the date is.
 */
export function ageingClock(wall: Clock = Date.now, monotonic: Clock = () => performance.now()): Clock {
  let leadMs = wall() - monotonic();
  let beganMs = leadMs;
  return () => {
    const monotonicMs = monotonic();
    const nextLeadMs = wall() - monotonicMs;
    // Less is a wall clock that is being slewed, or whole milliseconds.
    if (nextLeadMs - leadMs > LEAST_JUMP_MS) beganMs += nextLeadMs - leadMs;
    leadMs = nextLeadMs;
    return beganMs + monotonicMs;
  };
}

/** By how much the wall clock gets ahead at once for that to count, ms. */
const LEAST_JUMP_MS = 100;
