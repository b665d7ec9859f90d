// A key as people and other programs are shown it: what it may do under the configuration in force, in what
// state it is, and never anything that a secret could be found by.
import { type KeyGrants, type KeyRecord, type KeyState, keyState, type StoredSecret } from '../core/key-record.ts';
import type { Declarations, KeyMeta } from './declarations.ts';
import { type PepperInUse, pepperInUse, type Peppers, sealerOf } from './peppers.ts';

/**
 * A key's state, and two that say why requests with an otherwise active key are refused. `undeclared`: its
 * declaration or its plan is gone from the configuration. `tampered`: no known pepper made its record, or none of
 * them can recognise a secret of it.
 */
export type ShownState = KeyState | 'undeclared' | 'tampered';

export const SHOWN_STATES: readonly ShownState[] = [
  'active',
  'disabled',
  'revoked',
  'expired',
  'undeclared',
  'tampered',
];

/** What `keys show` prints. Times are RFC 3339 text. */
export interface KeyView {
  readonly id: string;
  readonly state: ShownState;
  readonly owner: string | null;
  readonly name: string | null;
  /** `true`: what it may do stands in the configuration. */
  readonly declared: boolean;
  readonly roles: readonly string[];
  /** Its own scopes. */
  readonly scopes: readonly string[];
  /** Its own scopes and those of its roles, sorted. */
  readonly effectiveScopes: readonly string[];
  readonly networks: { readonly allow: readonly string[]; readonly deny: readonly string[] };
  readonly plan: string | null;
  readonly expires: string | null;
  readonly meta: KeyMeta;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly revision: number;
  /** Those that work, or would if the key were active: the current one and, after a rotation, the retiring one. */
  readonly secrets: readonly SecretView[];
  /** What a person should know about it, each a sentence. */
  readonly warnings: readonly string[];
}

export interface SecretView {
  readonly state: 'current' | 'retiring';
  /** Prefix and last characters; null where the text was never known. */
  readonly hint: string | null;
  readonly createdAt: string;
  /** When a retiring secret stops working. */
  readonly endsAt: string | null;
  /** Whether it stops working once the previous peppers are taken out; `unknown`: it does not work. */
  readonly pepper: PepperInUse;
}

/**
 * The grants in force: the configuration's, where it declares the record's id; else the record's. `undefined`
 * for a declared key whose declaration is gone.
 */
export function grantsInForce(record: KeyRecord, declarations: Declarations): KeyGrants | undefined {
  return declarations.keys.get(record.id) ?? (record.declared ? undefined : record);
}

/** Shows one record. `nowMs` is ms since the epoch. */
export function viewKey(record: KeyRecord, declarations: Declarations, peppers: Peppers, nowMs: number): KeyView {
  const grants = grantsInForce(record, declarations);
  const shown = grants ?? record;
  const sealer = sealerOf(peppers, record);
  const genuine = sealer !== undefined;
  const secrets = record.secrets
    .filter(({ endsAt }) => endsAt === null || endsAt > nowMs)
    .map((secret) => secretView(secret, pepperInUse(secret, sealer, peppers)));
  // Of a revoked key nobody misses a secret.
  const missed = record.status === 'revoked' ? [] : secrets.filter(isUnknown);
  const isLost = secrets.every(({ pepper }) => pepper === 'unknown');
  const state = genuine ? stateOf(record, grants, declarations, nowMs) : 'tampered';
  const fromRoles = shown.roles.flatMap((role) => declarations.roles.get(role) ?? []);
  return {
    id: record.id,
    state: state === 'active' && isLost ? 'tampered' : state,
    owner: shown.owner,
    name: shown.name,
    declared: declarations.keys.has(record.id) || record.declared,
    roles: shown.roles,
    scopes: shown.scopes,
    effectiveScopes: genuine ? [...new Set([...shown.scopes, ...fromRoles])].sort() : [],
    networks: { allow: shown.allow, deny: shown.deny },
    plan: shown.plan,
    expires: timeText(shown.expiresAt),
    meta: record.meta,
    createdAt: timeText(record.createdAt),
    updatedAt: timeText(record.updatedAt),
    revision: record.revision,
    secrets,
    warnings: genuine
      ? [...warningsOf(record, grants, declarations), ...missed.map(unknownSentence(record.id))]
      : [tamperedSentence(record.id)],
  };
}

/** Why a record is not believed, and what to do. */
export function tamperedSentence(id: string): string {
  return (
    `the record of key ${id} was not made with this pepper, so the gateway treats the key as unknown: ` +
    'either credentials.pepper or previousPeppers lacks the pepper it was made with, or someone changed it in the store; ' +
    'put the right pepper back, or restore the store and create the key anew'
  );
}

function isUnknown({ pepper }: SecretView): boolean {
  return pepper === 'unknown';
}

function unknownSentence(id: string): (secret: SecretView) => string {
  return ({ state }) =>
    `the ${state} secret of key ${id} is unknown to the gateway, because credentials.pepper and previousPeppers lack the ` +
    `pepper it was kept with; put that pepper back, or make a new secret with portcullis keys rotate ${id}`;
}

function secretView({ hint, createdAt, endsAt }: StoredSecret, pepper: PepperInUse): SecretView {
  return {
    state: endsAt === null ? 'current' : 'retiring',
    hint,
    createdAt: timeText(createdAt),
    endsAt: timeText(endsAt),
    pepper,
  };
}

function stateOf(
  record: KeyRecord,
  grants: KeyGrants | undefined,
  declarations: Declarations,
  nowMs: number,
): ShownState {
  const state = keyState(record, grants?.expiresAt ?? null, nowMs);
  const isUndeclared = grants === undefined || (grants.plan !== null && !declarations.plans.has(grants.plan));
  return state === 'active' && isUndeclared ? 'undeclared' : state;
}

function warningsOf(record: KeyRecord, grants: KeyGrants | undefined, declarations: Declarations): string[] {
  if (!grants)
    return [
      `key ${record.id} is no longer under keys in the configuration, so it is refused; declare it again or revoke it`,
    ];
  const warnings = grants.roles
    .filter((role) => !declarations.roles.has(role))
    .map((role) => `role ${role} is not in the configuration, so it grants nothing`);
  if (grants.plan !== null && !declarations.plans.has(grants.plan)) {
    warnings.push(
      `plan ${grants.plan} is not in the configuration, so the key is refused; add the plan or give the key another`,
    );
  }
  return warnings;
}

function timeText(ms: number): string;
function timeText(ms: number | null): string | null;
function timeText(ms: number | null): string | null {
  if (ms === null) return null;
  // A record that someone tampered with may hold a time that no calendar has; it must still be showable.
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? String(ms) : date.toISOString();
}
