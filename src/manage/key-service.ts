// The life of a key: made, changed, rotated, switched off and on, revoked, moved to another pepper. Every
// write names the revision it replaces and is tried again on what another writer left, so no change is lost;
// every record is sealed with the current pepper and says for which secrets an older one is still needed, and one
// that no pepper made is never written over.
import { keyHint, mintKeyText } from '../core/api-key.ts';
import { UserFault } from '../core/fault.ts';
import type { KeyGrants, KeyRecord, StoredSecret } from '../core/key-record.ts';
import type { Clock, KeyStore } from '../core/ports.ts';
import type { Declarations, KeyMeta } from './declarations.ts';
import { grantProblems } from './grant-problems.ts';
import { type ImportCount, type ImportLine, type ImportListener, importKeys } from './key-import.ts';
import { KEY_ID_ENTROPY_BYTES, newKeyId } from './key-id.ts';
import {
  existsAlready,
  expiryProblems,
  grantsAreDeclared,
  hasGrants,
  noSuchKey,
  requireGenuine,
  requireKeyId,
  requireNewKeyId,
  requireNoProblem,
  requireNotRevoked,
  requireRotatable,
} from './key-rules.ts';
import { type KeyView, type ShownState, viewKey } from './key-view.ts';
import { distinct, newRecord } from './new-record.ts';
import { allPeppers, namingPeppers, type Peppers } from './peppers.ts';

export interface KeyServiceOptions {
  readonly store: KeyStore;
  readonly peppers: Peppers;
  readonly declarations: Declarations;
  /** First part of minted keys, such as `ptc_live`. */
  readonly prefix: string;
  readonly now: Clock;
  /** Cryptographically random bytes. */
  readonly random: (count: number) => Uint8Array;
}

export interface NewKey {
  /** Left out: one is made. */
  readonly id?: string;
  /** Not for the id of a declared key, whose grants stand in the configuration. */
  readonly grants?: Partial<KeyGrants>;
  readonly meta?: KeyMeta;
}

/** What is to be different; what is left out stays. Each field is replaced whole. */
export type KeyPatch = Partial<KeyGrants> & { readonly meta?: KeyMeta };

/** A record and the only copy of its new secret's text. */
export interface MintedKey {
  readonly record: KeyRecord;
  readonly secret: string;
}

export interface RotatedKey extends MintedKey {
  /** When the secret before stops working, ms since the epoch; null: it has. */
  readonly retiringUntil: number | null;
  /** Whether a secret of an earlier rotation, still in its grace, was ended by this one. */
  readonly endedEarlier: boolean;
}

export interface KeyFilter {
  readonly owner?: string;
  readonly state?: ShownState;
}

/** The record before a change becomes the one after it; the same object where there is nothing to change. */
type Edit = (record: KeyRecord, nowMs: number) => Omit<KeyRecord, 'mac'>;

/** How often a change is tried on what another writer left. */
const TRIES = 16;

export class KeyService {
  readonly #options: KeyServiceOptions;

  constructor(options: KeyServiceOptions) {
    this.#options = options;
  }

  /**
   * Mints a key.
   * @throws {UserFault} wrong grants or id (2); the id exists (1)
   * @throws {StoreFault}
   */
  async create({ id, grants = {}, meta = {} }: NewKey): Promise<MintedKey> {
    const { declarations, prefix, now } = this.#options;
    const declared = id !== undefined && declarations.keys.has(id);
    if (id !== undefined) requireNewKeyId(id, prefix);
    if (declared && hasGrants(grants)) throw grantsAreDeclared(id);
    requireNoProblem([...grantProblems(grants, meta, declarations), ...expiryProblems(grants.expiresAt, now())]);
    const { text, stored } = this.#mint();
    for (let tries = 0; tries < TRIES; tries++) {
      const record = newRecord(
        { id: id ?? this.#newId(), declared, grants, meta, secret: stored },
        this.#options.peppers,
      );
      if ((await this.#options.store.save(record, 0)) === 'saved') return { record, secret: text };
      if (id !== undefined) throw existsAlready(id, await this.#options.store.get(id), this.#options.peppers);
    }
    throw new UserFault('no free key id was found; try again');
  }

  /** The record of an id. @throws {UserFault} there is none (1) */
  async get(id: string): Promise<KeyRecord> {
    const record = await this.#options.store.get(requireKeyId(id, this.#options.prefix));
    if (record === 'absent') throw noSuchKey(id, this.#options.declarations);
    return record;
  }

  /** Shows a record under the configuration in force. */
  describe(record: KeyRecord): KeyView {
    const { declarations, peppers, now } = this.#options;
    return viewKey(record, declarations, peppers, now());
  }

  /** All keys that fit, in any order. */
  async *list({ owner, state }: KeyFilter = {}): AsyncIterable<KeyView> {
    for await (const record of owner === undefined ? this.#options.store.list() : this.#ownedBy(owner)) {
      const view = this.describe(record);
      if (state === undefined || view.state === state) yield view;
    }
  }

  /**
   * Changes grants.
   * @throws {UserFault} wrong grants (2); no such key, revoked, declared or tampered with (1)
   */
  async update(id: string, { meta, ...grants }: KeyPatch): Promise<KeyRecord> {
    const { declarations, now } = this.#options;
    requireNoProblem([...grantProblems(grants, meta ?? {}, declarations), ...expiryProblems(grants.expiresAt, now())]);
    return await this.#change(id, (record) => {
      requireNotRevoked(record, 'be changed');
      if (hasGrants(grants) && (record.declared || declarations.keys.has(id))) throw grantsAreDeclared(id);
      return { ...record, ...distinct(grants), ...(meta && { meta }) };
    });
  }

  /**
   * Gives a key a new secret under its id. The one before keeps working for `graceMs`, never past the key's own
   * expiry; one from a rotation before that ends now.
   * @throws {UserFault} no such key, revoked, expired, undeclared or tampered with (1)
   */
  async rotate(id: string, { graceMs }: { readonly graceMs: number }): Promise<RotatedKey> {
    const { declarations } = this.#options;
    const { text, stored } = this.#mint();
    let retiringUntil: number | null = null;
    let endedEarlier = false;
    const record = await this.#change(id, (before, nowMs) => {
      const expiresAt = requireRotatable(before, declarations, nowMs);
      const endsAt = Math.min(nowMs + graceMs, expiresAt ?? Number.POSITIVE_INFINITY);
      const retiring = before.secrets
        .filter((secret) => secret.endsAt === null && endsAt > nowMs)
        .map((secret) => ({ ...secret, endsAt }));
      retiringUntil = retiring.length > 0 ? endsAt : null;
      endedEarlier = before.secrets.some((secret) => secret.endsAt !== null && secret.endsAt > nowMs);
      // A secret is told from the key's others by when it was made, also where the clock was set back.
      const createdAt = Math.max(nowMs, ...before.secrets.map((secret) => secret.createdAt + 1));
      return { ...before, secrets: [{ ...stored, createdAt }, ...retiring] };
    });
    return { record, secret: text, retiringUntil, endedEarlier };
  }

  // A switch is written also where the key is so already: an attempt before may have reached only a primary that is being
  // replaced, and what is acknowledged has to be durable and told.

  /** Switches a key off until it is enabled. @throws {UserFault} no such key, revoked or tampered with (1) */
  disable(id: string): Promise<KeyRecord> {
    return this.#change(id, (record) => {
      requireNotRevoked(record, 'be disabled');
      return { ...record, status: 'disabled' };
    });
  }

  /** Switches a disabled key on. @throws {UserFault} no such key, revoked or tampered with (1) */
  enable(id: string): Promise<KeyRecord> {
    return this.#change(id, (record) => {
      requireNotRevoked(record, 'be enabled');
      return { ...record, status: 'active' };
    });
  }

  /** Ends a key for good. @throws {UserFault} no such key, or tampered with (1) */
  revoke(id: string): Promise<KeyRecord> {
    return this.#change(id, (record) => ({ ...record, status: 'revoked' }));
  }

  /** Takes in keys that users already hold: see {@link importKeys}. */
  importKeys(open: () => AsyncIterable<ImportLine>, told: ImportListener): Promise<ImportCount> {
    return importKeys(open, told, { ...this.#options, newId: () => this.#newId() });
  }

  /**
   * Moves a secret that was found under a previous pepper to the current one, now that its text is at hand.
   * Nothing happens if another gateway was faster, the secret is gone, or the text is not that secret.
   * @param text one character a byte (latin1), as it was presented
   */
  rehash(found: KeyRecord, usedDigest: string, text: string): Promise<KeyRecord> {
    const { peppers, prefix } = this.#options;
    const digest = peppers.current.digest(text);
    const isItsText = allPeppers(peppers).some((pepper) => pepper.digestsOf(text).includes(usedDigest));
    return this.#change(found.id, (record) => {
      const isHeld = record.secrets.some((secret) => secret.digest === usedDigest);
      if (!isHeld || !isItsText || usedDigest === digest) return record;
      const pepper = peppers.current.id;
      const secrets = record.secrets.map((secret) =>
        secret.digest === usedDigest
          ? { ...secret, digest, hint: secret.hint ?? keyHint(prefix, text), pepper }
          : secret,
      );
      return { ...record, secrets };
    });
  }

  #mint(): { readonly text: string; readonly stored: StoredSecret } {
    const { prefix, peppers, now, random } = this.#options;
    const text = mintKeyText(prefix, random(32));
    return {
      text,
      stored: { digest: peppers.current.digest(text), hint: keyHint(prefix, text), createdAt: now(), endsAt: null },
    };
  }

  #newId(): string {
    return newKeyId(this.#options.now(), this.#options.random(KEY_ID_ENTROPY_BYTES));
  }

  /** Records whose owner, by the record or by the configuration, is this one. */
  async *#ownedBy(owner: string): AsyncIterable<KeyRecord> {
    const { store, declarations } = this.#options;
    for await (const record of store.list({ owner })) {
      if (!declarations.keys.has(record.id)) yield record;
    }
    for (const [id, grants] of declarations.keys) {
      const record = grants.owner === owner ? await store.get(id) : 'absent';
      if (record !== 'absent') yield record;
    }
  }

  async #change(id: string, edit: Edit): Promise<KeyRecord> {
    const { store, peppers, now } = this.#options;
    for (let tries = 0; tries < TRIES; tries++) {
      const found = await this.get(id);
      const before = namingPeppers(found, requireGenuine(found, peppers));
      const nowMs = now();
      const after = edit(before, nowMs);
      if (after === before) return found;
      const secrets = after.secrets.filter(({ endsAt }) => endsAt === null || endsAt > nowMs);
      const record = peppers.current.seal({ ...after, secrets, revision: before.revision + 1, updatedAt: nowMs });
      if ((await store.save(record, before.revision)) === 'saved') return record;
    }
    throw new UserFault(`key ${id} is being changed by others at the same time; try again`);
  }
}
