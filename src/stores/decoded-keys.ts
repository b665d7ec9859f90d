// The keys in use, as objects, in front of the compact ones: a policy compiles a key once for each object, so a
// busy key has to stay the same one.
import type { KnownKey } from '../core/key-record.ts';

export class DecodedKeys {
  /** Place plus one by slot; 0 where the slot's key is not decoded. */
  readonly #placeOf: Int32Array;
  readonly #keys: (KnownKey | undefined)[];
  readonly #slotAt: Int32Array;
  readonly #bytesAt: Int32Array;
  readonly #wasUsed: Uint8Array;
  readonly #mostBytes: number;
  #bytes = 0;
  #hand = 0;

  /**
   * @param slots slots of the compact keys, numbered from 0
   * @param places how many keys are held decoded
   * @param mostBytes what they may take together, measured by their compact texts
   */
  constructor(slots: number, places: number, mostBytes: number) {
    this.#placeOf = new Int32Array(slots);
    this.#keys = Array.from({ length: places });
    this.#slotAt = new Int32Array(places);
    this.#bytesAt = new Int32Array(places);
    this.#wasUsed = new Uint8Array(places);
    this.#mostBytes = mostBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(slot: number): KnownKey | undefined {
    const place = this.#placeOf[slot]! - 1;
    if (place === -1) return undefined;
    this.#wasUsed[place] = 1;
    return this.#keys[place];
  }

  /** Holds the key of a slot that has none, unless it is larger than all of them may be together. */
  keep(slot: number, key: KnownKey, bytes: number): void {
    if (bytes > this.#mostBytes) return;
    while (this.#bytes + bytes > this.#mostBytes) this.#moveHand();
    const place = this.#freePlace();
    this.#placeOf[slot] = place + 1;
    this.#keys[place] = key;
    this.#slotAt[place] = slot;
    this.#bytesAt[place] = bytes;
    this.#wasUsed[place] = 0;
    this.#bytes += bytes;
  }

  drop(slot: number): void {
    const place = this.#placeOf[slot]! - 1;
    if (place === -1) return;
    this.#placeOf[slot] = 0;
    this.#keys[place] = undefined;
    this.#bytes -= this.#bytesAt[place]!;
  }

  clear(): void {
    this.#placeOf.fill(0);
    this.#keys.fill(undefined);
    this.#bytes = 0;
  }

  #freePlace(): number {
    for (;;) {
      const place = this.#hand;
      this.#moveHand();
      if (this.#keys[place] === undefined) return place;
    }
  }

  /** Second chance: a key used since the hand last passed it stays for another round, any other is dropped. */
  #moveHand(): void {
    const place = this.#hand;
    if (this.#keys[place] !== undefined && this.#wasUsed[place] === 0) this.drop(this.#slotAt[place]!);
    this.#wasUsed[place] = 0;
    this.#hand = (place + 1) % this.#keys.length;
  }
}
