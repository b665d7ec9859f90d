// The sentence once more, for a request that was let through and has not ended: would it still be? The same checks
// as at first, but for what was settled then: who the client is, the guard, the body, and what limits it took.
import { allowUpgrade } from '../checks/allow-upgrade.ts';
import { judge } from '../checks/authenticate-key.ts';
import { authorizeNetwork } from '../checks/authorize-network.ts';
import { authorizeScope } from '../checks/authorize-scope.ts';
import { matchRoute } from '../checks/match-route.ts';
import { type Check, type Denial, deny } from '../core/decision.ts';
import type { PresentedKey } from '../core/key-record.ts';
import type { Caller, Policy } from '../core/policy.ts';
import type { Accepted, CallerKnown, ClientKnown, RouteKnown } from '../core/request.ts';
import { type Admitted, RequestState } from './request-state.ts';
import { Sequence } from './sequence.ts';

/** What holds now for an open request. */
export interface RecheckFacts {
  readonly policy: Policy;
  /** The key that it came with, as it is now; `absent` where it or its secret is gone; null where it came with none. */
  readonly key: PresentedKey | 'absent' | null;
  readonly nowMs: number;
}

/** What is still granted. */
export interface Rechecked {
  /** What ends the request; null where it may go on. */
  readonly denial: Denial | null;
  /** Its holder as of now; null where it needs none. */
  readonly caller: Caller | null;
}

/** Decides again about a request that is open. */
export async function recheck(opened: Admitted, { policy, key, nowMs }: RecheckFacts): Promise<Rechecked> {
  const state = new OpenedState({ ...seenOf(opened), policy, acceptedAtMs: nowMs }, opened.client, key);
  const { outcome, denial } = await SEQUENCE.run(state);
  return { denial: outcome === 'denied' ? denial : null, caller: state.caller };
}

interface Opened {
  readonly openedBy: ClientKnown['client'];
  readonly keyNow: RecheckFacts['key'];
}

class OpenedState extends RequestState implements Opened {
  readonly openedBy: Opened['openedBy'];
  readonly keyNow: Opened['keyNow'];

  constructor(seen: Accepted, openedBy: Opened['openedBy'], keyNow: Opened['keyNow']) {
    super(seen);
    this.openedBy = openedBy;
    this.keyNow = keyNow;
  }
}

/** Whoever opened it, whatever proxies are trusted by now. */
const keepClient: Check<Opened, Pick<ClientKnown, 'client'>> = (request, learn) => {
  learn.client = request.openedBy;
  return undefined;
};

const keyStillHolds: Check<Accepted & Opened & RouteKnown, CallerKnown> = (request, learn) => {
  const { route, isPreflight, keyNow, acceptedAtMs } = request;
  learn.caller = null;
  if (isPreflight || route.access === 'public') return undefined;
  if (keyNow === null) return deny('key_missing');
  const hasEnded = keyNow === 'absent' || (keyNow.secretEndsAt !== null && keyNow.secretEndsAt <= acceptedAtMs);
  const judged = judge(request, hasEnded ? 'absent' : keyNow);
  if (typeof judged === 'string') return { code: 'key_invalid', reason: judged };
  learn.caller = judged;
  return undefined;
};

const SEQUENCE = Sequence.begin<Accepted & Opened>()
  .then('client', keepClient)
  .then('route', matchRoute)
  .then('upgrade', allowUpgrade)
  .then('key', keyStillHolds)
  .thenWaivable('network', authorizeNetwork as Check<Pick<ClientKnown, 'client'> & RouteKnown & CallerKnown, unknown>)
  .thenWaivable('scope', authorizeScope);

function seenOf({ id, method, target, host, rawHeaders, peer, upgrades, contentLength }: Admitted) {
  return { id, method, target, host, rawHeaders, peer, upgrades, contentLength };
}
