// What is kept of a key, and the two things only the pepper's holder can make: the digest a secret is
// found by, and the MAC over what the record grants. Who can write to the store but lacks the pepper can
// neither add a key nor widen one.
import { hkdfSync, timingSafeEqual } from 'node:crypto';
import { HmacSha256, sha256Text } from './hmac.ts';

/** What a key may do, and whose it is: from its record, or from the configuration for a declared key. */
export interface KeyGrants {
  readonly owner: string | null;
  readonly name: string | null;
  readonly roles: readonly string[];
  readonly scopes: readonly string[];
  /** Canonical CIDRs. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  readonly plan: string | null;
  /** Ms since the epoch, or null. */
  readonly expiresAt: number | null;
}

/** What a decision takes of a key. */
export interface KnownKey extends KeyGrants {
  readonly id: string;
  /** `true`: what it may do stands in the configuration under its id, and the grants here are empty. */
  readonly declared: boolean;
  readonly status: 'active' | 'disabled' | 'revoked';
}

/** A key as one of its secrets found it. */
export interface PresentedKey extends KnownKey {
  /** When that secret was made, ms since the epoch. It names the secret: no other of the key has the same. */
  readonly secretCreatedAt: number;
  /** When that secret stops working, ms since the epoch; null where it is not retiring. */
  readonly secretEndsAt: number | null;
}

/** A key as stored. Times are milliseconds since the epoch. */
export interface KeyRecord extends KnownKey {
  /** Goes up by one with every change; a write names the revision it replaces. */
  readonly revision: number;
  readonly meta: Readonly<Record<string, string>>;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** The first is current; a second is retiring and has `endsAt`. */
  readonly secrets: readonly StoredSecret[];
  /** MAC over all of the above, base64url. */
  readonly mac: string;
}

/** One secret of a key, as stored: never its text. */
export interface StoredSecret {
  /** What it is found by, base64url: see {@link Pepper.digest} and {@link Pepper.digestOfSha256}. */
  readonly digest: string;
  /** Prefix and last characters, for people; null where the text was never known. */
  readonly hint: string | null;
  readonly createdAt: number;
  /** When a retiring secret stops working. */
  readonly endsAt: number | null;
  /** Which pepper the digest was made with, by its {@link Pepper.id}; left out where that one sealed the record, too. */
  readonly pepper?: string;
}

/** The state a person or a label sees. `expired` is never stored: it follows from the clock. */
export type KeyState = 'active' | 'disabled' | 'revoked' | 'expired';

export const KEY_STATES: readonly KeyState[] = ['active', 'disabled', 'revoked', 'expired'];

/** Ids may stand in URLs, labels, log lines and store keys as they are. */
export const KEY_ID_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/**
 * The state at a time. `expiresAt` is the one in force: a declared key's stands in the configuration.
 */
export function keyState(record: Pick<KnownKey, 'status'>, expiresAt: number | null, nowMs: number): KeyState {
  if (record.status !== 'active') return record.status;
  return expiresAt !== null && expiresAt <= nowMs ? 'expired' : 'active';
}

/** The pepper's uses. Holds secret material: never logged, never serialised. */
export class Pepper {
  readonly #digests: HmacSha256;
  readonly #macs: HmacSha256;
  /** Tells it from others in what it made, and nothing of what it is. */
  readonly id: string;

  /** @throws {RangeError} below 32 bytes */
  constructor(pepper: Uint8Array) {
    if (pepper.length < 32) throw new RangeError('a pepper takes at least 32 bytes');
    this.#digests = new HmacSha256(pepper);
    this.#macs = new HmacSha256(derived(pepper, 'portcullis key record mac 1', 32));
    this.id = Buffer.from(derived(pepper, 'portcullis pepper id 1', 8)).toString('hex');
  }

  /** HMAC-SHA-256(pepper, text), base64url. `text` has one character a byte (latin1). */
  digest(text: string): string {
    return this.#digests.of(text);
  }

  /** The digest under which a key is kept whose plaintext only its holder knows; `sha256` is 32 bytes. */
  digestOfSha256(sha256: Uint8Array): string {
    // A NUL cannot stand in a presented text, so knowing the SHA-256 is not holding the key.
    return this.#digests.of(SHA256_MARK + Buffer.from(sha256).toString('latin1'));
  }

  /** Both digests a presented text of unknown origin may be kept under. */
  digestsOf(text: string): readonly [string, string] {
    return [this.digest(text), this.#digests.of(SHA256_MARK + sha256Text(text))];
  }

  /** The record with its MAC set. Of a secret that names no pepper, this one has made the digest. */
  seal(record: Omit<KeyRecord, 'mac'>): KeyRecord {
    const secrets = record.secrets.map(({ pepper, ...secret }) =>
      pepper === undefined || pepper === this.id ? secret : { ...secret, pepper },
    );
    const named = { ...record, secrets };
    return { ...named, mac: this.#mac(named) };
  }

  /** Whether the record is as its writer, who had the pepper, left it. */
  isGenuine(record: KeyRecord): boolean {
    const given = Buffer.from(record.mac, 'base64url');
    const right = Buffer.from(this.#mac(record), 'base64url');
    return given.length === right.length && timingSafeEqual(given, right);
  }

  #mac(record: Omit<KeyRecord, 'mac'>): string {
    return this.#macs.of(Buffer.from(canonicalText(record)).toString('latin1'));
  }
}

function derived(pepper: Uint8Array, use: string, bytes: number): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', pepper, '', use, bytes));
}

const SHA256_MARK = '\0sha256\0';

/** One unambiguous text for all that is MACed: a JSON array in fixed order. */
function canonicalText(record: Omit<KeyRecord, 'mac'>): string {
  const {
    id,
    revision,
    owner,
    name,
    declared,
    roles,
    scopes,
    allow,
    deny,
    plan,
    expiresAt,
    status,
    meta,
    createdAt,
    updatedAt,
    secrets,
  } = record;
  const metaPairs = Object.keys(meta)
    .sort()
    .map((key) => [key, meta[key]]);
  const secretRows = secrets.map(({ digest, hint, createdAt: since, endsAt, pepper }) => [
    digest,
    hint,
    since,
    endsAt,
    ...(pepper === undefined ? [] : [pepper]),
  ]);
  return JSON.stringify([
    1,
    id,
    revision,
    owner,
    name,
    declared,
    roles,
    scopes,
    allow,
    deny,
    plan,
    expiresAt,
    status,
    metaPairs,
    createdAt,
    updatedAt,
    secretRows,
  ]);
}
