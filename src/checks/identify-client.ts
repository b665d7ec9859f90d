// Who is at the other end: the peer, or where the peer is a trusted proxy, the rightmost address in
// X-Forwarded-For that is not one.
import { type Address, parseAddress } from '../core/address.ts';
import { type Check, deny } from '../core/decision.ts';
import { fieldValue, fieldValues, withoutSpaceAround } from '../core/fields.ts';
import type { Accepted, ClientKnown } from '../core/request.ts';

export const identifyClient: Check<Accepted, ClientKnown> = (request, learn) => {
  const { policy, peer, rawHeaders } = request;
  learn.client = peer;
  learn.forwardedFor = NOBODY;
  learn.proto = 'http';
  if (!policy.trustsProxies || !policy.trustedProxies.permits(peer)) return undefined;
  learn.proto = fieldValue(rawHeaders, 'x-forwarded-proto') === 'https' ? 'https' : 'http';
  // Several lines are one list (RFC 9110 section 5.3).
  const chain = fieldValues(rawHeaders, 'x-forwarded-for');
  if (chain.length === 0) return undefined;
  const believed: Address[] = [];
  for (const entry of chain.join(',').split(',').reverse()) {
    const address = parseAddress(withoutSpaceAround(entry));
    // What a trusted proxy wrote must be an address; what stands left of an untrusted one is never read.
    if (!address) return deny('ambiguous_request', { detail: 'X-Forwarded-For' });
    believed.unshift(address);
    if (!policy.trustedProxies.permits(address)) break;
  }
  learn.client = believed[0] ?? peer;
  learn.forwardedFor = believed.map((address) => address.text);
  return undefined;
};

const NOBODY: readonly string[] = [];
