// From a key's record to its holder under one configuration: roles, plans and declared keys follow the
// live configuration, everything else is in the record.
import { declaredGrants } from '../config/declared-grants.ts';
import type { Config } from '../config/schema.ts';
import type { KeyGrants, KeyRecord } from '../core/key-record.ts';
import { compileNetworks } from '../core/networks.ts';
import type { Caller, Plan } from '../core/policy.ts';
import { GrantedScopes } from '../core/scopes.ts';

/**
 * Compiles the look-up of callers. The result is memoised by record, so a cached record is compiled once a policy.
 */
export function compileCallers(
  config: Config,
  plans: ReadonlyMap<string, Plan>,
): (record: KeyRecord) => Caller | 'undeclared' {
  const compiled = new WeakMap<KeyRecord, Caller | 'undeclared'>();
  return (record) => {
    let caller = compiled.get(record);
    if (caller === undefined) {
      caller = callerOf(record, config, plans);
      compiled.set(record, caller);
    }
    return caller;
  };
}

function callerOf(record: KeyRecord, config: Config, plans: ReadonlyMap<string, Plan>): Caller | 'undeclared' {
  const grants = grantsOf(record, config);
  if (grants === undefined) return 'undeclared';
  const plan = grants.plan === null ? null : plans.get(grants.plan);
  // A plan that is gone took its limits with it; letting the key run without them would be laxer than ever asked.
  if (plan === undefined) return 'undeclared';
  const scopes = [...new Set([...grants.scopes, ...grants.roles.flatMap((role) => scopesOfRole(config, role))])].sort();
  return {
    keyId: record.id,
    owner: grants.owner,
    name: grants.name,
    roles: grants.roles,
    scopes,
    granted: new GrantedScopes(scopes),
    networks: compileNetworks(grants.allow, grants.deny),
    plan,
    expiresAt: grants.expiresAt,
    identityFields: identityFields(config, record.id, grants, scopes),
  };
}

/** A declaration under the record's id wins over the record; a declared record without one has no grants. */
function grantsOf(record: KeyRecord, config: Config): KeyGrants | undefined {
  if (Object.hasOwn(config.keys, record.id)) return declaredGrants(config.keys[record.id]!);
  return record.declared ? undefined : record;
}

/** A role that is no longer in the configuration grants nothing. */
function scopesOfRole({ roles }: Config, role: string): readonly string[] {
  return Object.hasOwn(roles, role) ? roles[role]! : [];
}

function identityFields(
  config: Config,
  keyId: string,
  grants: KeyGrants,
  scopes: readonly string[],
): readonly string[] {
  const names = config.identityHeaders;
  const fields: string[] = [];
  const add = (name: string | null, value: string): void => {
    if (name !== null && value !== '') fields.push(name, fieldText(value));
  };
  add(names.owner, grants.owner ?? '');
  add(names.key, keyId);
  add(names.roles, grants.roles.join(','));
  add(names.scopes, scopes.join(' '));
  return fields;
}

/** Field values are visible ASCII; everything else in an owner's name is percent-encoded as UTF-8. */
function fieldText(value: string): string {
  return value
    .toWellFormed()
    .replace(/[^\x20-\x7e]|%|^ | $/gu, (character) =>
      character === ' ' || character === '%'
        ? `%${character.charCodeAt(0).toString(16)}`
        : encodeURIComponent(character),
    );
}
