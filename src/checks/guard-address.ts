// A blocked address is answered before any look-up.
import { sourcePrefix } from '../core/address.ts';
import { type Check, deny } from '../core/decision.ts';
import type { ClientKnown, GuardPassed } from '../core/request.ts';
import type { AddressGuard } from './address-guard.ts';

export function guardAddress(guard: AddressGuard): Check<ClientKnown, GuardPassed> {
  return (request, learn) => {
    learn.source = sourcePrefix(request.client);
    const blockedMs = guard.blockedForMs(learn.source);
    if (blockedMs === 0 || guard.isKnownGood(learn.source)) return undefined;
    return deny('address_blocked', { retryAfterS: Math.ceil(blockedMs / 1000) });
  };
}
