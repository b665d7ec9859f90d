// A bounded cache in front of a KeyStore. It is believed only while the store is heard from: the change feed
// says which key to forget, and silence for longer than `maxStaleness` makes every entry useless until the
// store has been asked again. Texts that are refused are remembered too, for a short time and whatever the reason in
// the same way: how long an answer takes must not tell a revoked key from one that never was. The cache holds no key's
// text: a heap dump shows digests.
import { BOUNDS } from '../core/bounds.ts';
import { StoreFault } from '../core/fault.ts';
import { type KeyRecord, keyState, type KnownKey, type Pepper, type PresentedKey } from '../core/key-record.ts';
import type { HeldKey } from '../core/policy.ts';
import type { Change, Clock, Found, KeyStore } from '../core/ports.ts';
import type { KeyFlaw } from '../core/reasons.ts';
import { digestText, newDigest, readDigest } from './digest-index.ts';
import { KeyTable } from './key-table.ts';
import { RefusedTexts } from './refused-texts.ts';

export interface CachedKeysOptions {
  readonly store: KeyStore;
  readonly peppers: { readonly current: Pepper; readonly previous: readonly Pepper[] };
  /** Longest time an entry may be believed without hearing from the store. */
  readonly maxStalenessMs: number;
  /** When the change feed last heard from the store, on `age`. */
  readonly lastHeardMs: () => number;
  /** Since when this process has not stood still: what is older may have been overtaken by news that wait to be read. */
  readonly awakeSinceMs: () => number;
  /** Tells when a secret ends. */
  readonly now: Clock;
  /** Tells how long something has been believed; see {@link ageingClock}. */
  readonly age: Clock;
  /** When a key ends, ms since the epoch, or null. */
  readonly expiryOf: (key: KnownKey) => number | null;
  readonly onEvent: (event: 'hit' | 'miss' | 'negative_hit' | 'evicted') => void;
  /** A record whose MAC is wrong was found; it counts as unknown. */
  readonly onTampered: (record: KeyRecord) => void;
  /** A secret was found under a previous pepper and is to be kept under the current one. */
  readonly onOldPepper: (record: KeyRecord, digest: string, text: string) => void;
}

export class CachedKeys {
  readonly #options: CachedKeysOptions;
  readonly #known: KeyTable;
  readonly #refused = new RefusedTexts(BOUNDS.cachedRefusals);
  /** Of each text the look-up that began last. */
  readonly #underWay = new Map<string, LookUp>();
  /** Look-ups that the store has not answered yet. */
  #asked = 0;
  /** Of the text that is asked for at the moment. */
  readonly #digest = newDigest();
  /** Goes up with every change heard of, so that a look-up that was overtaken is not kept. */
  #changes = 0;

  constructor(options: CachedKeysOptions) {
    this.#options = options;
    this.#known = new KeyTable(KNOWN_BOUNDS, () => options.onEvent('evicted'));
  }

  /** What is known of a text without asking anybody, a flaw as its place in KEY_FLAWS; undefined where the store has to be asked. */
  recall(text: string): HeldKey | number | undefined {
    const { now, age, onEvent } = this.#options;
    const known = this.#known;
    const digest = this.#digest;
    readDigest(digestText(text), digest);
    const ageMs = age();
    const slot = known.find(digest);
    if (slot !== -1 && this.#isFresh(known.foundAtMs(slot), ageMs) && known.endsAtMs(slot) > now()) {
      onEvent('hit');
      return known.read(slot);
    }
    const place = this.#refused.find(digest, ageMs);
    if (place === -1) return undefined;
    onEvent('negative_hit');
    return place;
  }

  /** How often something has changed: what is refused because of what was looked up before is not remembered. */
  get changes(): number {
    return this.#changes;
  }

  /**
   * Remembers for a short time that a text is refused, and why.
   * @param asOf {@link changes} when what it is refused for was asked for
   */
  refuse(text: string, flaw: KeyFlaw, asOf: number): void {
    readDigest(digestText(text), this.#digest);
    this.#known.discard(this.#digest);
    if (asOf === this.#changes) this.#refused.remember(this.#digest, flaw, this.#options.age() + BOUNDS.refusalTtlMs);
  }

  /** Forgets what is refused: another configuration may take it. */
  forgetRefusals(): void {
    this.#changes++;
    this.#refused.clear();
  }

  /** Asks the store, once for all who ask for the same text at the same time. @throws {StoreFault} */
  lookUp(text: string): Promise<PresentedKey | 'absent'> {
    const digest = digestText(text);
    const underWay = this.#underWay.get(digest);
    // Whoever asks behind a change is not answered from before it.
    if (underWay?.found && underWay.asOf === this.#changes) return underWay.found;
    this.#options.onEvent('miss');
    if (this.#asked >= BOUNDS.lookups) {
      return Promise.reject(new StoreFault('find', 'too many key look-ups are under way'));
    }
    this.#asked++;
    const lookUp: LookUp = { found: undefined, asOf: this.#changes };
    const found = this.#ask(digest, text).finally(() => {
      this.#asked--;
      if (this.#underWay.get(digest) === lookUp) this.#underWay.delete(digest);
      lookUp.found = undefined;
    });
    lookUp.found = found;
    this.#underWay.set(digest, lookUp);
    return found;
  }

  /** Asks the store for a key by its id: what nobody made with a pepper counts as absent. @throws {StoreFault} */
  async ask(id: string): Promise<Found> {
    const found = await this.#options.store.get(id);
    return found !== 'absent' && found.id === id && this.#isGenuine(found) ? found : 'absent';
  }

  /** Forgets a key that the store was found to know otherwise, before the feed has told of it. */
  distrust(id: string): void {
    this.#changes++;
    this.#known.forget(id);
  }

  /** Takes in a change that the feed told of. */
  forget(change: Change): void {
    this.#changes++;
    this.#refused.clear();
    if (change.kind === 'reset') this.#known.clear();
    else this.#known.forget(change.id);
  }

  async #ask(digest: string, text: string): Promise<PresentedKey | 'absent'> {
    const { store, peppers, now, age, expiryOf, onOldPepper } = this.#options;
    const changes = this.#changes;
    const askedMs = age();
    // A minted text may have been imported by its SHA-256 from another gateway.
    const digests = [peppers.current, ...peppers.previous].flatMap((pepper) => pepper.digestsOf(text));
    const found = await store.findByDigest(digests);
    const nowMs = now();
    const isOvertaken = changes !== this.#changes;
    readDigest(digest, this.#digest);
    this.#known.discard(this.#digest);
    if (found === 'absent' || !this.#isGenuine(found)) return 'absent';
    const secret = found.secrets.find((each) => digests.includes(each.digest));
    const endsAtMs = secret?.endsAt ?? Number.POSITIVE_INFINITY;
    if (secret === undefined || endsAtMs <= nowMs) return 'absent';
    const presented = { ...found, secretCreatedAt: secret.createdAt, secretEndsAt: secret.endsAt };
    const isInForce = keyState(found, expiryOf(found), nowMs) === 'active';
    if (!isOvertaken && isInForce) this.#known.keep(this.#digest, presented, askedMs, endsAtMs);
    if (digests.indexOf(secret.digest) >= DIGESTS_A_PEPPER) onOldPepper(found, secret.digest, text);
    return presented;
  }

  #isGenuine(record: KeyRecord): boolean {
    const { current, previous } = this.#options.peppers;
    if ([current, ...previous].some((pepper) => pepper.isGenuine(record))) return true;
    this.#options.onTampered(record);
    return false;
  }

  #isFresh(foundAtMs: number, ageMs: number): boolean {
    const { lastHeardMs, awakeSinceMs, maxStalenessMs } = this.#options;
    const heardMs = Math.max(foundAtMs, lastHeardMs());
    return ageMs - heardMs <= maxStalenessMs && heardMs >= awakeSinceMs();
  }
}

/**
 * Under way, until it is emptied: a map that is filled and emptied all the time outgrows its tables, and those that
 * got old keep what they held, and each other, until a full garbage collection.
 */
interface LookUp {
  found: Promise<PresentedKey | 'absent'> | undefined;
  /** How much had changed when it began. */
  readonly asOf: number;
}

const KNOWN_BOUNDS = {
  entries: BOUNDS.cachedKeys,
  bytes: BOUNDS.cachedKeyBytes,
  decoded: BOUNDS.decodedKeys,
  decodedBytes: BOUNDS.decodedKeyBytes,
};

/** Digests of one text under one pepper: see {@link Pepper.digestsOf}. */
const DIGESTS_A_PEPPER = 2;
