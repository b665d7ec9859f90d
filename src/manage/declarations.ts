// What the configuration says about keys, in the form that managing them needs: which roles and plans a
// record may name, and what each declared key may do.
import { declaredGrants } from '../config/declared-grants.ts';
import type { Config } from '../config/schema.ts';
import type { KeyGrants } from '../core/key-record.ts';

export interface Declarations {
  /** Scopes by role. */
  readonly roles: ReadonlyMap<string, readonly string[]>;
  readonly plans: ReadonlySet<string>;
  readonly keys: ReadonlyMap<string, KeyGrants>;
}

/** Free pairs that a record carries beside its grants. */
export type KeyMeta = Readonly<Record<string, string>>;

/** Takes them from a configuration. */
export function declarationsOf({ roles, plans, keys }: Pick<Config, 'roles' | 'plans' | 'keys'>): Declarations {
  return {
    roles: new Map(Object.entries(roles)),
    plans: new Set(Object.keys(plans)),
    keys: new Map(Object.entries(keys).map(([id, key]) => [id, declaredGrants(key)])),
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
