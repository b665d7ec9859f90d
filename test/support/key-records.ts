// A plausible key record, to be varied.
import type { KeyRecord } from '../../src/core/key-record.ts';

/** A record with one secret; its digest follows from the id unless `secrets` says otherwise. */
export function keyRecord(overrides: Partial<KeyRecord> = {}): KeyRecord {
  const id = overrides.id ?? 'billing-job';
  return {
    id,
    revision: 1,
    owner: 'acme',
    name: null,
    declared: false,
    roles: ['reader'],
    scopes: ['orders:read'],
    allow: ['203.0.113.0/24'],
    deny: [],
    plan: 'free',
    expiresAt: null,
    status: 'active',
    meta: { team: 'blue' },
    createdAt: 1_700_000_000_000,
    updatedAt: 1_700_000_000_000,
    secrets: [{ digest: `digest-of-${id}`, hint: 'ptc_live_…abcd', createdAt: 1_700_000_000_000, endsAt: null }],
    mac: 'bWFj',
    ...overrides,
  };
}
