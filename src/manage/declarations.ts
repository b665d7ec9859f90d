// What the configuration says about keys, in the form that managing them needs: which roles and plans a
// record may name, and what each declared key may do.
import type { Config, DeclaredKeyConfig } from '../config/schema.ts';

export interface Declarations {
  /** Scopes by role. */
  readonly roles: ReadonlyMap<string, readonly string[]>;
  readonly plans: ReadonlySet<string>;
  readonly keys: ReadonlyMap<string, KeyGrants>;
}

/** What a key may do, and whose it is: from its record, or from the configuration for a declared key. */
export interface KeyGrants {
  readonly owner: string | null;
  readonly name: string | null;
  readonly roles: readonly string[];
  readonly scopes: readonly string[];
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  readonly plan: string | null;
  /** Ms since the epoch, or null. */
  readonly expiresAt: number | null;
}

/** Free pairs that a record carries beside its grants. */
export type KeyMeta = Readonly<Record<string, string>>;

/** Takes them from a configuration. */
export function declarationsOf({ roles, plans, keys }: Pick<Config, 'roles' | 'plans' | 'keys'>): Declarations {
  return {
    roles: new Map(Object.entries(roles)),
    plans: new Set(Object.keys(plans)),
    keys: new Map(Object.entries(keys).map(([id, key]) => [id, grantsOf(key)])),
  };
}

/** A key without any grant. */
export const NO_GRANTS: KeyGrants = {
  owner: null,
  name: null,
  roles: [],
  scopes: [],
  allow: [],
  deny: [],
  plan: null,
  expiresAt: null,
};

function grantsOf({ owner, name, roles, scopes, networks, plan, expires }: DeclaredKeyConfig): KeyGrants {
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
