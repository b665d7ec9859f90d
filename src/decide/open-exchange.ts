// A request that was let through and has not ended, as those that watch over it see it. What let it through may end
// before it does.
import type { Denial } from '../core/decision.ts';
import type { PresentedKey } from '../core/key-record.ts';
import type { Caller } from '../core/policy.ts';
import type { Admitted } from './request-state.ts';

export abstract class OpenExchange {
  /** Its place among the open ones, which they keep; -1 where it is none. */
  place = -1;
  /** How much news there had been when its decision began. */
  newsBefore = 0;
  /** Whether what is known of its key may be out of date. */
  isSuspect = false;
  /** Whether another configuration has come into force that it was not yet decided by. */
  isOutdated = false;
  /** Whether the presented key's text is gone. */
  hasForgotten = false;
  admitted: Admitted | null = null;
  /** The key that it came with and that key's holder, as last known. Null without one. */
  key: PresentedKey | null = null;
  caller: Caller | null = null;

  /** Whether it is wholly with the upstream: nothing more of it is to come, and nothing of its answer has. */
  abstract get isAwaited(): boolean;

  /** Ends it, both ways and at once, because it would now be denied. */
  abstract endFor(denial: Denial): void;

  /** Lets go of the presented key's text: it lasts longer than a moment. */
  abstract forgetCredential(): void;
}
