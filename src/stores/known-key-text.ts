// What a decision takes of a key as one short text, for keys that are kept in memory. It never leaves the
// process, and what was written here is read back as it was.
import type { PresentedKey } from '../core/key-record.ts';
import type { HeldKey } from '../core/policy.ts';

/** A JSON array: names would take more than the values. */
export function knownKeyText(key: PresentedKey): string {
  const { id, declared, status, owner, name, roles, scopes, allow, deny, plan, expiresAt } = key;
  const { secretCreatedAt, secretEndsAt } = key;
  return JSON.stringify([
    id,
    declared,
    status,
    owner,
    name,
    roles,
    scopes,
    allow,
    deny,
    plan,
    expiresAt,
    secretCreatedAt,
    secretEndsAt,
  ]);
}

/** The key of a text that {@link knownKeyText} gave. */
export function parseKnownKey(text: string): HeldKey {
  const fields = JSON.parse(text) as Fields;
  const [id, declared, status, owner, name, roles, scopes, allow, deny, plan, expiresAt, ...secret] = fields;
  const [secretCreatedAt, secretEndsAt] = secret;
  return {
    id,
    declared,
    status,
    owner,
    name,
    roles,
    scopes,
    allow,
    deny,
    plan,
    expiresAt,
    secretCreatedAt,
    secretEndsAt,
    compiled: null,
  };
}

type Fields = readonly [
  id: PresentedKey['id'],
  declared: PresentedKey['declared'],
  status: PresentedKey['status'],
  owner: PresentedKey['owner'],
  name: PresentedKey['name'],
  roles: PresentedKey['roles'],
  scopes: PresentedKey['scopes'],
  allow: PresentedKey['allow'],
  deny: PresentedKey['deny'],
  plan: PresentedKey['plan'],
  expiresAt: PresentedKey['expiresAt'],
  secretCreatedAt: PresentedKey['secretCreatedAt'],
  secretEndsAt: PresentedKey['secretEndsAt'],
];
