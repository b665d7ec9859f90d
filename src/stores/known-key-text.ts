// What a decision takes of a key as one short text, for keys that are kept in memory. It never leaves the
// process, and what was written here is read back as it was.
import type { KnownKey } from '../core/key-record.ts';
import type { HeldKey } from '../core/policy.ts';

/** A JSON array: names would take more than the values. */
export function knownKeyText(key: KnownKey): string {
  const { id, declared, status, owner, name, roles, scopes, allow, deny, plan, expiresAt } = key;
  return JSON.stringify([id, declared, status, owner, name, roles, scopes, allow, deny, plan, expiresAt]);
}

/** The key of a text that {@link knownKeyText} gave. */
export function parseKnownKey(text: string): HeldKey {
  const [id, declared, status, owner, name, roles, scopes, allow, deny, plan, expiresAt] = JSON.parse(text) as Fields;
  return { id, declared, status, owner, name, roles, scopes, allow, deny, plan, expiresAt, compiled: null };
}

type Fields = readonly [
  id: KnownKey['id'],
  declared: KnownKey['declared'],
  status: KnownKey['status'],
  owner: KnownKey['owner'],
  name: KnownKey['name'],
  roles: KnownKey['roles'],
  scopes: KnownKey['scopes'],
  allow: KnownKey['allow'],
  deny: KnownKey['deny'],
  plan: KnownKey['plan'],
  expiresAt: KnownKey['expiresAt'],
];
