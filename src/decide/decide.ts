// The sentence: what stands between a request and the upstream, in the order in which it is asked.
import type { AddressGuard } from '../checks/address-guard.ts';
import { admitLimits, type HoldSeat, type TakeLimits } from '../checks/admit-limits.ts';
import { allowUpgrade } from '../checks/allow-upgrade.ts';
import { authenticateKey, type KeyFinder } from '../checks/authenticate-key.ts';
import { authorizeNetwork } from '../checks/authorize-network.ts';
import { authorizeScope } from '../checks/authorize-scope.ts';
import { boundBody } from '../checks/bound-body.ts';
import { guardAddress } from '../checks/guard-address.ts';
import { identifyClient } from '../checks/identify-client.ts';
import { matchRoute } from '../checks/match-route.ts';
import { Sequence } from './sequence.ts';

/** What the checks ask. */
export interface DecisionServices {
  readonly guard: AddressGuard;
  readonly keys: KeyFinder;
  readonly take: TakeLimits;
  readonly hold: HoldSeat;
}

/** Builds the pipeline that every front runs. */
export function decisionSequence({ guard, keys, take, hold }: DecisionServices) {
  return Sequence.begin()
    .then('client', identifyClient)
    .then('guard', guardAddress(guard))
    .then('route', matchRoute)
    .then('upgrade', allowUpgrade)
    .then('key', authenticateKey(keys, guard))
    .thenWaivable('network', authorizeNetwork)
    .thenWaivable('scope', authorizeScope)
    .then('body', boundBody)
    .thenWaivable('limits', admitLimits(take, hold));
}
