// What may stand in a key's record. The same rules hold on the command line and in an import file.
import { nearest } from '../config/suggest.ts';
import { parseCidr } from '../core/networks.ts';
import { GRANT_PATTERN } from '../core/scopes.ts';
import type { KeyGrants } from '../core/key-record.ts';
import type { Declarations, KeyMeta } from './declarations.ts';

/** Bounds of one record. */
const BOUNDS = {
  textLength: 256,
  roles: 64,
  scopes: 1_024,
  networks: 10_000,
  metaPairs: 64,
  metaLength: 1_024,
} as const;

const META_KEY = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\x00-\x1f\x7f-\x9f\u2028\u2029]/;

/** Every reason why these grants cannot be kept, each a sentence that begins with the field; empty if they can. */
export function grantProblems(grants: Partial<KeyGrants>, meta: KeyMeta, declarations: Declarations): string[] {
  return [
    ...textProblems('owner', grants.owner),
    ...textProblems('name', grants.name),
    ...tooMany('roles', grants.roles, BOUNDS.roles),
    ...(grants.roles ?? [])
      .filter((role) => !declarations.roles.has(role))
      .map((role) => unknown('role', role, declarations.roles.keys())),
    ...tooMany('scopes', grants.scopes, BOUNDS.scopes),
    ...(grants.scopes ?? []).filter((scope) => !GRANT_PATTERN.test(scope)).map(scopeProblem),
    ...networkProblems('allow', grants.allow),
    ...networkProblems('deny', grants.deny),
    ...planProblems(grants.plan, declarations),
    ...metaProblems(meta),
  ];
}

function textProblems(field: string, text: string | null | undefined): string[] {
  if (text === null || text === undefined) return [];
  if (text.length === 0 || text.length > BOUNDS.textLength)
    return [`${field} takes 1 to ${BOUNDS.textLength} characters`];
  return CONTROL.test(text) || !text.isWellFormed() ? [`${field} has a control character or broken Unicode in it`] : [];
}

function tooMany(field: string, list: readonly string[] | undefined, most: number): string[] {
  return list && list.length > most ? [`${field} has ${list.length} entries; a key takes at most ${most}`] : [];
}

function scopeProblem(scope: string): string {
  return `scope ${JSON.stringify(scope)} is not a scope that can be granted; write one like orders:read, orders:* or *`;
}

function networkProblems(field: string, cidrs: readonly string[] | undefined): string[] {
  const problems = tooMany(field, cidrs, BOUNDS.networks);
  if (problems.length > 0) return problems;
  for (const cidr of cidrs ?? []) {
    const parsed = parseCidr(cidr);
    if (!parsed.ok) problems.push(`${field} ${JSON.stringify(cidr)} ${parsed.problem}`);
  }
  return problems;
}

function planProblems(plan: string | null | undefined, { plans }: Declarations): string[] {
  return plan === null || plan === undefined || plans.has(plan) ? [] : [unknown('plan', plan, plans)];
}

function metaProblems(meta: KeyMeta): string[] {
  const problems = tooMany('meta', Object.keys(meta), BOUNDS.metaPairs);
  for (const [key, value] of Object.entries(meta)) {
    if (!META_KEY.test(key)) {
      problems.push(`meta name ${JSON.stringify(key)} takes 1 to 64 of letters, digits, dot, dash and underscore`);
    } else if (value.length > BOUNDS.metaLength || CONTROL.test(value) || !value.isWellFormed()) {
      problems.push(`meta ${key} takes at most ${BOUNDS.metaLength} characters, none of them a control character`);
    }
  }
  return problems;
}

function unknown(kind: 'role' | 'plan', given: string, known: Iterable<string>): string {
  const names = [...known];
  return `${kind} ${JSON.stringify(given)} is not in the configuration; ${cure(kind, given, names)}`;
}

function cure(kind: 'role' | 'plan', given: string, known: readonly string[]): string {
  const meant = nearest(given, known);
  if (meant !== undefined) return `did you mean ${meant}?`;
  return known.length > 0 && known.length <= 8 ? `it has ${known.toSorted().join(', ')}` : `add it under ${kind}s`;
}
