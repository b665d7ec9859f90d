// From a key to its holder under one configuration: roles, plans and declared keys follow the
// live configuration, everything else is in the record.
import { declaredGrants } from '../config/declared-grants.ts';
import type { Config } from '../config/schema.ts';
import type { KeyGrants, KnownKey } from '../core/key-record.ts';
import { compileNetworks } from '../core/networks.ts';
import type { Caller, HeldKey, Plan } from '../core/policy.ts';
import { GrantedScopes } from '../core/scopes.ts';

/** Compiles the look-up of callers. What comes out for a held key is kept with it, so it is compiled once a policy. */
export function compileCallers(
  config: Config,
  plans: ReadonlyMap<string, Plan>,
): (key: KnownKey | HeldKey) => Caller | 'undeclared' {
  const by = {};
  return (key) => {
    if (!('compiled' in key)) return callerOf(key, config, plans);
    if (key.compiled?.by !== by) key.compiled = { by, caller: callerOf(key, config, plans) };
    return key.compiled.caller;
  };
}

/** When a key ends: a declaration under its id says it, or its record. */
export function expiryOf(key: KnownKey, config: Config): number | null {
  return Object.hasOwn(config.keys, key.id) ? (config.keys[key.id]!.expires ?? null) : key.expiresAt;
}

function callerOf(key: KnownKey, config: Config, plans: ReadonlyMap<string, Plan>): Caller | 'undeclared' {
  const grants = grantsOf(key, config);
  if (grants === undefined) return 'undeclared';
  const plan = grants.plan === null ? null : plans.get(grants.plan);
  // A plan that is gone took its limits with it; letting the key run without them would be laxer than ever asked.
  if (plan === undefined) return 'undeclared';
  const scopes = [...new Set([...grants.scopes, ...grants.roles.flatMap((role) => scopesOfRole(config, role))])].sort();
  return {
    keyId: key.id,
    owner: grants.owner,
    name: grants.name,
    roles: grants.roles,
    scopes,
    granted: new GrantedScopes(scopes),
    networks: compileNetworks(grants.allow, grants.deny),
    plan,
    expiresAt: grants.expiresAt,
    identityFields: identityFields(config, key.id, grants, scopes),
  };
}

/** A declaration under the key's id wins over its record; a declared key without one has no grants. */
function grantsOf(key: KnownKey, config: Config): KeyGrants | undefined {
  if (Object.hasOwn(config.keys, key.id)) return declaredGrants(config.keys[key.id]!);
  return key.declared ? undefined : key;
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
  if (PLAIN.test(value)) return value;
  return value
    .toWellFormed()
    .replace(/[^\x20-\x7e]|%|^ | $/gu, (character) =>
      character === ' ' || character === '%'
        ? `%${character.charCodeAt(0).toString(16)}`
        : encodeURIComponent(character),
    );
}

/** What goes out as it is; a scan for it is much cheaper than for what does not. */
const PLAIN = /^[\x21-\x24\x26-\x7e](?:[\x20-\x24\x26-\x7e]*[\x21-\x24\x26-\x7e])?$/;
