// Facts of a request that no check needs, but the log and the upstream do.
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { type Address, parseAddress } from '../core/address.ts';
import { fieldValue } from '../core/fields.ts';
import type { Policy } from '../core/policy.ts';

const REQUEST_ID = /^[A-Za-z0-9._-]{8,128}$/;
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-|$)/;

/**
 * The address at the other end; undefined where that is gone already. Of a link-local one Node adds the interface that
 * it came in by, which belongs to this host and is no part of the address.
 */
export function peerOf(socket: Pick<Socket, 'remoteAddress'>): Address | undefined {
  return parseAddress((socket.remoteAddress ?? '').replace(/%.*$/s, ''));
}

/** The id that a trusted proxy gave the request, or a new one. */
export function requestIdOf(rawHeaders: readonly string[], peer: Address, policy: Policy): string {
  if (policy.trustsProxies && policy.trustedProxies.permits(peer)) {
    const given = fieldValue(rawHeaders, 'x-request-id');
    if (given !== undefined && REQUEST_ID.test(given)) return given;
  }
  return randomUUID();
}

/** The trace id of `traceparent` (W3C Trace Context, section 3.2), or null. */
export function traceIdOf(rawHeaders: readonly string[]): string | null {
  const traceparent = fieldValue(rawHeaders, 'traceparent');
  return traceparent === undefined ? null : (TRACEPARENT.exec(traceparent)?.[1] ?? null);
}
