// When a key may be made or changed, and the sentence that says why not.
import { classifyKeyText, isMintedText } from '../core/api-key.ts';
import { UserFault } from '../core/fault.ts';
import { KEY_ID_PATTERN, type KeyGrants, type KeyRecord, keyState, type Pepper } from '../core/key-record.ts';
import type { Found } from '../core/ports.ts';
import type { Declarations } from './declarations.ts';
import { grantsInForce, tamperedSentence } from './key-view.ts';
import { isGenuine, type Peppers, sealerOf } from './peppers.ts';

const LAST_EXPIRY_MS = Date.UTC(10_000, 0, 1);

/** What a key id takes. */
export const KEY_ID_HINT =
  'takes 1 to 64 of letters, digits, dot, dash and underscore, and begins with a letter or digit';

/** The id, if it is one. The message does not repeat a secret that was given in its place. */
export function requireKeyId(id: string, prefix: string): string {
  if (classifyKeyText(prefix, id) === 'minted') throw secretForId();
  if (KEY_ID_PATTERN.test(id)) return id;
  throw new UserFault(`${JSON.stringify(id)} is not a key id, which ${KEY_ID_HINT}`, 2);
}

/** As {@link requireKeyId}, of an id to be taken: nor is it a key that was minted under another prefix. */
export function requireNewKeyId(id: string, prefix: string): string {
  if (isMintedText(id)) throw secretForId();
  return requireKeyId(id, prefix);
}

function secretForId(): UserFault {
  return new UserFault("that is a key's secret, not its id; portcullis keys list shows the ids", 2);
}

/** The pepper that sealed the record. */
export function requireGenuine(record: KeyRecord, peppers: Peppers): Pepper {
  const sealer = sealerOf(peppers, record);
  if (!sealer) throw new UserFault(tamperedSentence(record.id));
  return sealer;
}

export function requireNotRevoked({ id, status }: KeyRecord, what: string): void {
  if (status === 'revoked') {
    throw new UserFault(`key ${id} was revoked, which is final, so it cannot ${what}; create a new key`);
  }
}

/** The expiry in force of a key that may be rotated, ms since the epoch. */
export function requireRotatable(record: KeyRecord, declarations: Declarations, nowMs: number): number | null {
  const { id } = record;
  requireNotRevoked(record, 'be rotated');
  const grants = grantsInForce(record, declarations);
  if (!grants) {
    throw new UserFault(`key ${id} is no longer under keys in the configuration; declare it again before rotating it`);
  }
  if (keyState({ status: 'active' }, grants.expiresAt, nowMs) === 'expired') {
    const cure =
      grants === record
        ? `give it a later date with portcullis keys update ${id} --expires DATE`
        : `give it a later date in the configuration, at keys.${id}.expires`;
    throw new UserFault(`key ${id} has expired, so a new secret would not work either; first ${cure}`);
  }
  return grants.expiresAt;
}

export function requireNoProblem(problems: readonly string[]): void {
  if (problems.length > 0) throw new UserFault(problems.join('\n'), 2);
}

/** A new expiry lies ahead, and within what a calendar has. */
export function expiryProblems(expiresAt: number | null | undefined, nowMs: number): string[] {
  if (expiresAt === null || expiresAt === undefined) return [];
  if (expiresAt > LAST_EXPIRY_MS) return ['expires is too far ahead; give a date before the year 10000, or never'];
  return expiresAt <= nowMs
    ? ['expires is in the past; give a later date, or end the key with portcullis keys disable or revoke']
    : [];
}

/** Whether anything is granted, named or cleared. */
export function hasGrants(grants: Partial<KeyGrants>): boolean {
  return Object.values(grants).some((value) => value !== undefined);
}

export function grantsAreDeclared(id: string): UserFault {
  return new UserFault(grantsAreDeclaredSentence(id), 2);
}

export function grantsAreDeclaredSentence(id: string): string {
  return `key ${id} is declared in the configuration; say there what it may do, at keys.${id}, and not here`;
}

export function noSuchKey(id: string, declarations: Declarations): UserFault {
  if (isMintedText(id)) return secretForId();
  return new UserFault(
    declarations.keys.has(id)
      ? `key ${id} is declared in the configuration but has no secret yet; make one with portcullis keys create ${id}`
      : `there is no key ${id}; portcullis keys list shows the ids`,
  );
}

/** Why an id is not free; `found` is what stands under it. */
export function existsAlready(id: string, found: Found, peppers: Peppers): UserFault {
  if (found === 'absent') {
    return new UserFault(`key ${id} is being created by another at the same time; portcullis keys show ${id} shows it`);
  }
  if (!isGenuine(peppers, found)) return new UserFault(`key ${id} exists already, but ${tamperedSentence(id)}`);
  return new UserFault(
    found.status === 'revoked'
      ? `key ${id} exists already and was revoked, which is final; choose another id`
      : `key ${id} exists already; give it a new secret with portcullis keys rotate ${id}, or choose another id`,
  );
}
