// One key on its way in: what its line says, whether that can be kept, and what it is found by.
import { classifyKeyText, IMPORTED_KEY_BYTES, isMintedText, keyHint } from '../core/api-key.ts';
import { KEY_ID_PATTERN, type KeyGrants, type KeyRecord } from '../core/key-record.ts';
import type { Declarations, KeyMeta } from './declarations.ts';
import { grantProblems } from './grant-problems.ts';
import { grantsAreDeclaredSentence, hasGrants, KEY_ID_HINT } from './key-rules.ts';
import { distinct } from './new-record.ts';
import { allPeppers, type Peppers } from './peppers.ts';

/** One key to be taken in. */
export interface ImportEntry {
  /** Left out: one is made. */
  readonly id?: string;
  /** Its plaintext, or the SHA-256 of the plaintext's UTF-8 bytes where only its holder knows it. */
  readonly secret: { readonly text: string } | { readonly sha256: Uint8Array };
  readonly grants: Partial<KeyGrants>;
  readonly meta: KeyMeta;
}

/** What can be said of an entry without asking the store. */
export function entryProblems(
  { id, secret, grants, meta }: ImportEntry,
  { prefix, declarations }: { readonly prefix: string; readonly declarations: Declarations },
): string[] {
  const problems = grantProblems(grants, meta, declarations);
  // An id is not repeated: whoever mixes up two columns has put a secret there.
  if (id !== undefined && (!KEY_ID_PATTERN.test(id) || isMintedText(id))) {
    problems.push(`id ${KEY_ID_HINT}, and is not a secret`);
  } else if (id !== undefined && declarations.keys.has(id) && hasGrants(grants)) {
    problems.push(grantsAreDeclaredSentence(id));
  }
  if ('text' in secret) problems.push(...secretProblems(secret.text, prefix));
  else if (secret.sha256.length !== 32) problems.push('sha256 takes 64 hexadecimal digits');
  return problems;
}

/** What the secret is kept under. */
export function digestOf({ secret }: ImportEntry, peppers: Peppers): string {
  return 'text' in secret
    ? peppers.current.digest(bytesOf(secret.text))
    : peppers.current.digestOfSha256(secret.sha256);
}

/** All that a key with this secret may be kept under. */
export function everyDigestOf({ secret }: ImportEntry, peppers: Peppers): string[] {
  return allPeppers(peppers).flatMap((pepper) =>
    'text' in secret ? pepper.digestsOf(bytesOf(secret.text)) : [pepper.digestOfSha256(secret.sha256)],
  );
}

/** How it is shown; null where the text is not known. */
export function hintOf({ secret }: ImportEntry, prefix: string): string | null {
  return 'text' in secret ? keyHint(prefix, secret.text).toWellFormed() : null;
}

/** Whether a record grants other than the entry asks; what the entry leaves out is not compared. */
export function differs({ grants, meta }: ImportEntry, record: KeyRecord): boolean {
  const asked = { ...distinct(grants), ...(Object.keys(meta).length > 0 && { meta }) };
  return Object.entries(asked).some(
    ([field, value]) => sortedText(value) !== sortedText(record[field as keyof KeyGrants]),
  );
}

function secretProblems(text: string, prefix: string): string[] {
  const bytes = bytesOf(text);
  if (text.isWellFormed() && classifyKeyText(prefix, bytes) !== 'malformed') return [];
  if (bytes.startsWith(`${prefix}_`)) {
    return [`secret begins with ${prefix}_, but is not a key that was minted here: its checksum is wrong`];
  }
  const { least, most } = IMPORTED_KEY_BYTES;
  return bytes.length < least || bytes.length > most
    ? [`secret has ${bytes.length} bytes; an imported key takes ${least} to ${most}`]
    : ['secret has a control character in it, or a space at one of its ends, which no header can carry'];
}

/** A text's UTF-8 bytes, one character a byte: what a client that sends the text makes Node hand out. */
function bytesOf(text: string): string {
  return Buffer.from(text).toString('latin1');
}

/** One text for a value and for the same entries in any order. */
function sortedText(value: unknown): string {
  const entries = Array.isArray(value)
    ? value
    : value !== null && typeof value === 'object'
      ? Object.entries(value)
      : undefined;
  return JSON.stringify(entries ? entries.map((entry) => JSON.stringify(entry)).sort() : value);
}
