// The known keys by the digest of a text that finds them: compact texts of what a decision takes, in typed arrays
// and blocks, and the busiest ones as objects. Bounded by entries and bytes; room is made by second chance.
import type { PresentedKey } from '../core/key-record.ts';
import type { HeldKey } from '../core/policy.ts';
import { BlockStore } from './block-store.ts';
import { DecodedKeys } from './decoded-keys.ts';
import { DigestIndex } from './digest-index.ts';
import { knownKeyText, parseKnownKey } from './known-key-text.ts';
import { SlotsById } from './slots-by-id.ts';

export interface KeyTableBounds {
  readonly entries: number;
  /** Of the compact texts, bytes. */
  readonly bytes: number;
  /** Keys held as objects too, and the bytes of their compact texts. */
  readonly decoded: number;
  readonly decodedBytes: number;
}

export class KeyTable {
  readonly #bounds: KeyTableBounds;
  readonly #onEvicted: () => void;
  readonly #index: DigestIndex;
  readonly #byId: SlotsById;
  readonly #blocks: BlockStore;
  readonly #decoded: DecodedKeys;
  /** When the store gave the key, and when the text that finds it stops working, ms since the epoch. */
  readonly #foundAtMs: Float64Array;
  readonly #endsAtMs: Float64Array;
  readonly #firstBlock: Int32Array;
  readonly #textBytes: Int32Array;
  readonly #states: Uint8Array;
  #size = 0;
  /** Slots below were taken at least once; those that were freed again are listed. */
  #touched = 0;
  #freed: number[] = [];
  #hand = 0;

  /** @param onEvicted is told of every key that had to make room */
  constructor(bounds: KeyTableBounds, onEvicted: () => void) {
    const { entries, bytes, decoded, decodedBytes } = bounds;
    this.#bounds = bounds;
    this.#onEvicted = onEvicted;
    this.#index = new DigestIndex(entries);
    this.#byId = new SlotsById(entries);
    this.#blocks = new BlockStore(bytes);
    this.#decoded = new DecodedKeys(entries, decoded, decodedBytes);
    this.#foundAtMs = new Float64Array(entries);
    this.#endsAtMs = new Float64Array(entries);
    this.#firstBlock = new Int32Array(entries);
    this.#textBytes = new Int32Array(entries);
    this.#states = new Uint8Array(entries);
  }

  get size(): number {
    return this.#size;
  }

  /** Of the compact texts, in whole blocks. */
  get bytes(): number {
    return this.#blocks.bytes;
  }

  /** The slot of a digest, good until anything is kept or forgotten; -1 without one. */
  find(digest: Int32Array): number {
    return this.#index.find(digest);
  }

  foundAtMs(slot: number): number {
    return this.#foundAtMs[slot]!;
  }

  /** Infinity for a text that does not retire. */
  endsAtMs(slot: number): number {
    return this.#endsAtMs[slot]!;
  }

  /** The key of a slot, which counts as a use. */
  read(slot: number): HeldKey {
    this.#states[slot] = USED;
    return this.#decoded.get(slot) ?? this.#decode(slot);
  }

  /** Takes a key in, in place of what the digest found before. One that is larger than the bound is not kept. */
  keep(digest: Int32Array, key: PresentedKey, foundAtMs: number, endsAtMs: number): void {
    this.discard(digest);
    const text = Buffer.from(knownKeyText(key));
    if (!this.#blocks.couldHold(text.length)) return;
    while (this.#size >= this.#bounds.entries || !this.#blocks.hasRoom(text.length)) this.#evictOne();
    const slot = this.#freed.pop() ?? this.#touched++;
    this.#size++;
    this.#states[slot] = HELD;
    this.#index.add(digest, slot);
    this.#byId.add(key.id, slot);
    this.#firstBlock[slot] = this.#blocks.put(text);
    this.#textBytes[slot] = text.length;
    this.#foundAtMs[slot] = foundAtMs;
    this.#endsAtMs[slot] = endsAtMs;
  }

  /** Drops what a digest finds, if anything. */
  discard(digest: Int32Array): void {
    const slot = this.#index.find(digest);
    if (slot !== -1) this.#drop(slot);
  }

  /** Drops every text of a key. */
  forget(id: string): void {
    for (const slot of this.#byId.of(id)) this.#drop(slot);
  }

  clear(): void {
    this.#index.clear();
    this.#byId.clear();
    this.#blocks.clear();
    this.#decoded.clear();
    this.#states.fill(FREE);
    this.#size = 0;
    this.#touched = 0;
    this.#freed = [];
    this.#hand = 0;
  }

  #decode(slot: number): HeldKey {
    const textBytes = this.#textBytes[slot]!;
    const key = parseKnownKey(this.#blocks.read(this.#firstBlock[slot]!, textBytes));
    this.#decoded.offer(slot, key, textBytes);
    return key;
  }

  /** Second chance: a key used since the hand last passed it stays for another round. */
  #evictOne(): void {
    for (;;) {
      const slot = this.#hand;
      this.#hand = (slot + 1) % this.#touched;
      if (this.#states[slot] === HELD) {
        this.#drop(slot);
        this.#onEvicted();
        return;
      }
      if (this.#states[slot] === USED) this.#states[slot] = HELD;
    }
  }

  #drop(slot: number): void {
    this.#index.remove(slot);
    this.#byId.remove(slot);
    this.#blocks.free(this.#firstBlock[slot]!);
    this.#decoded.drop(slot);
    this.#states[slot] = FREE;
    this.#freed.push(slot);
    this.#size--;
  }
}

/** What a slot is. */
const FREE = 0;
const HELD = 1;
/** Held, and used since the hand last passed. */
const USED = 2;
