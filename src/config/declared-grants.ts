// What a declared key may do, in the form in which a record says it.
import type { KeyGrants } from '../core/key-record.ts';
import type { DeclaredKeyConfig } from './schema.ts';

export function declaredGrants({ owner, name, roles, scopes, networks, plan, expires }: DeclaredKeyConfig): KeyGrants {
  return {
    owner: owner ?? null,
    name: name ?? null,
    roles,
    scopes,
    allow: networks?.allow ?? [],
    deny: networks?.deny ?? [],
    plan: plan ?? null,
    expiresAt: expires ?? null,
  };
}
