// The first revision of a key's record, made for a minted secret or an imported one.
import type { KeyGrants, KeyRecord, StoredSecret } from '../core/key-record.ts';
import { type KeyMeta, NO_GRANTS } from './declarations.ts';
import type { Peppers } from './peppers.ts';

export interface FirstRevision {
  readonly id: string;
  readonly declared: boolean;
  readonly grants: Partial<KeyGrants>;
  readonly meta: KeyMeta;
  readonly secret: StoredSecret;
}

/** Makes and seals it; the key is as old as its secret. */
export function newRecord({ id, declared, grants, meta, secret }: FirstRevision, peppers: Peppers): KeyRecord {
  const nowMs = secret.createdAt;
  const { owner, name, roles, scopes, allow, deny, plan, expiresAt } = { ...NO_GRANTS, ...distinct(grants) };
  return peppers.current.seal({
    id,
    revision: 1,
    owner,
    name,
    declared,
    roles,
    scopes,
    allow,
    deny,
    plan,
    expiresAt,
    status: 'active',
    meta,
    createdAt: nowMs,
    updatedAt: nowMs,
    secrets: [secret],
  });
}

/** The same grants with every entry of a list once, and without fields that are undefined. */
export function distinct(grants: Partial<KeyGrants>): Partial<KeyGrants> {
  const once = Object.entries(grants)
    .filter(([, value]) => value !== undefined)
    .map(([field, value]) => [field, Array.isArray(value) ? [...new Set(value)] : value]);
  return Object.fromEntries(once) as Partial<KeyGrants>;
}
