// Records of requests that tests hand to metrics and log.
import type { RequestRecord } from '../../src/core/ports.ts';

const ALLOWED: RequestRecord = {
  requestId: '0195b2f0-8f5c-7d3a-b1f2-3d5c7e9a0b1c',
  traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
  client: '203.0.113.9',
  peer: '10.0.0.2',
  route: 'read-orders',
  method: 'GET',
  path: '/orders/7',
  status: 200,
  outcome: 'allowed',
  reason: 'key',
  keyId: 'billing-job',
  owner: 'acme',
  missing: null,
  violated: null,
  durationMs: 12.3456,
  overheadMs: 0.25,
  upstreamMs: 11,
  upstream: 'orders',
  bytesIn: 0,
  bytesOut: 200,
  userAgent: 'curl/8.5.0',
  detail: null,
  nearLimits: null,
};

/** An allowed request on the route `read-orders`, but for what `differs`. */
export function requestRecord(differs: Partial<RequestRecord> = {}): RequestRecord {
  return { ...ALLOWED, ...differs };
}
