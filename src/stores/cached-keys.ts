// A bounded cache in front of a KeyStore. It is believed only while the store is heard from: the change feed
// says which key to forget, and silence for longer than `maxStaleness` makes every entry useless until the
// store has been asked again. Texts that no key has are remembered too, for a short time.
import { hash } from 'node:crypto';
import { BOUNDS } from '../core/bounds.ts';
import { StoreFault } from '../core/fault.ts';
import type { KeyRecord, Pepper } from '../core/key-record.ts';
import type { Change, Clock, Found, KeyStore } from '../core/ports.ts';

export interface CachedKeysOptions {
  readonly store: KeyStore;
  readonly peppers: { readonly current: Pepper; readonly previous: readonly Pepper[] };
  /** Longest time an entry may be believed without hearing from the store. */
  readonly maxStalenessMs: number;
  /** When the change feed last heard from the store. */
  readonly lastHeardMs: () => number;
  readonly now: Clock;
  readonly onEvent: (event: 'hit' | 'miss' | 'negative_hit' | 'evicted') => void;
  /** A record whose MAC is wrong was found; it counts as unknown. */
  readonly onTampered: (record: KeyRecord) => void;
  /** A secret was found under a previous pepper and is to be kept under the current one. */
  readonly onOldPepper: (record: KeyRecord, digest: string, text: string) => void;
}

interface Entry {
  readonly record: KeyRecord;
  /** When the secret that was asked for stops working; Infinity for a current one. */
  readonly endsAt: number;
  /** When the store gave the record. */
  readonly foundAtMs: number;
  readonly bytes: number;
  wasUsed: boolean;
}

export class CachedKeys {
  readonly #options: CachedKeysOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #textsById = new Map<string, Set<string>>();
  readonly #unknown = new Map<string, number>();
  readonly #underWay = new Map<string, Promise<Found>>();
  #bytes = 0;
  /** Goes up with every change heard of, so that a look-up that was overtaken is not kept. */
  #changes = 0;

  constructor(options: CachedKeysOptions) {
    this.#options = options;
  }

  /** What is known of a text without asking anybody; undefined where the store has to be asked. */
  recall(text: string): Found | undefined {
    const { now, onEvent } = this.#options;
    const key = cacheKey(text);
    const entry = this.#entries.get(key);
    const nowMs = now();
    if (entry && this.#isFresh(entry, nowMs)) {
      entry.wasUsed = true;
      onEvent('hit');
      return entry.endsAt > nowMs ? entry.record : 'absent';
    }
    const unknownUntil = this.#unknown.get(key);
    if (unknownUntil === undefined || unknownUntil <= nowMs) return undefined;
    onEvent('negative_hit');
    return 'absent';
  }

  /** Asks the store, once for all who ask for the same text at the same time. @throws {StoreFault} */
  lookUp(text: string): Promise<Found> {
    const key = cacheKey(text);
    const underWay = this.#underWay.get(key);
    if (underWay) return underWay;
    this.#options.onEvent('miss');
    if (this.#underWay.size >= BOUNDS.lookups) {
      return Promise.reject(new StoreFault('find', 'too many key look-ups are under way'));
    }
    const asked = this.#ask(key, text).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, asked);
    return asked;
  }

  /** Takes in a change that the feed told of. */
  forget(change: Change): void {
    this.#changes++;
    this.#unknown.clear();
    if (change.kind === 'reset') {
      this.#entries.clear();
      this.#textsById.clear();
      this.#bytes = 0;
      return;
    }
    for (const key of this.#textsById.get(change.id) ?? []) this.#drop(key);
  }

  async #ask(key: string, text: string): Promise<Found> {
    const { store, peppers, now, onTampered, onOldPepper } = this.#options;
    const changes = this.#changes;
    // A minted text may have been imported by its SHA-256 from another gateway.
    const digests = [peppers.current, ...peppers.previous].flatMap((pepper) => pepper.digestsOf(text));
    const found = await store.findByDigest(digests);
    const nowMs = now();
    if (found === 'absent') {
      if (changes === this.#changes) this.#rememberUnknown(key, nowMs);
      return 'absent';
    }
    if (![peppers.current, ...peppers.previous].some((pepper) => pepper.isGenuine(found))) {
      onTampered(found);
      this.#rememberUnknown(key, nowMs);
      return 'absent';
    }
    const secret = found.secrets.find(({ digest }) => digests.includes(digest));
    if (!secret) return 'absent';
    const endsAt = secret.endsAt ?? Number.POSITIVE_INFINITY;
    if (endsAt <= nowMs) return 'absent';
    if (digests.indexOf(secret.digest) >= DIGESTS_A_PEPPER) onOldPepper(found, secret.digest, text);
    if (changes === this.#changes) this.#remember(key, found, endsAt, nowMs);
    return found;
  }

  #isFresh(entry: Entry, nowMs: number): boolean {
    return nowMs - Math.max(entry.foundAtMs, this.#options.lastHeardMs()) <= this.#options.maxStalenessMs;
  }

  #remember(key: string, record: KeyRecord, endsAt: number, nowMs: number): void {
    this.#drop(key);
    const bytes = sizeOf(record);
    while (this.#entries.size >= BOUNDS.cachedKeys || this.#bytes + bytes > BOUNDS.cachedKeyBytes) {
      if (!this.#evictOne()) break;
    }
    this.#entries.set(key, { record, endsAt, foundAtMs: nowMs, bytes, wasUsed: false });
    this.#bytes += bytes;
    const texts = this.#textsById.get(record.id) ?? new Set();
    this.#textsById.set(record.id, texts.add(key));
  }

  #rememberUnknown(key: string, nowMs: number): void {
    if (this.#unknown.size >= BOUNDS.cachedUnknowns) this.#unknown.delete(this.#unknown.keys().next().value!);
    this.#unknown.set(key, nowMs + BOUNDS.unknownTtlMs);
  }

  /** Second chance: an entry used since it was last looked at goes to the end of the queue instead. */
  #evictOne(): boolean {
    for (const [key, entry] of this.#entries) {
      if (!entry.wasUsed) {
        this.#drop(key);
        this.#options.onEvent('evicted');
        return true;
      }
      entry.wasUsed = false;
      this.#entries.delete(key);
      this.#entries.set(key, entry);
    }
    return false;
  }

  #drop(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
    const texts = this.#textsById.get(entry.record.id);
    texts?.delete(key);
    if (texts?.size === 0) this.#textsById.delete(entry.record.id);
  }
}

/** Digests of one text under one pepper: see {@link Pepper.digestsOf}. */
const DIGESTS_A_PEPPER = 2;

/** The cache holds no key's text: a heap dump shows digests. */
function cacheKey(text: string): string {
  return hash('sha256', text, 'base64');
}

/** An estimate: the text as stored, two bytes a character, and what an object and three map entries take. */
function sizeOf(record: KeyRecord): number {
  return 2 * JSON.stringify(record).length + 600;
}
