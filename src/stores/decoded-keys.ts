// The keys in use, as objects, in front of the compact ones: a policy compiles a key once for each object, so a
// busy key has to stay the same one.
import type { HeldKey } from '../core/policy.ts';

export class DecodedKeys {
  /** Place plus one by slot; 0 where the slot's key is not decoded. */
  readonly #placeOf: Int32Array;
  readonly #keys: (HeldKey | undefined)[];
  readonly #slotAt: Int32Array;
  readonly #bytesAt: Int32Array;
  readonly #wasUsed: Uint8Array;
  readonly #mostBytes: number;
  /** How often each slot's key was offered lately, and how many offers are left before all counts are forgotten. */
  readonly #offers: Uint8Array;
  #offersLeft: number;
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
    this.#offers = new Uint8Array(slots);
    this.#offersLeft = OFFERS_REMEMBERED * places;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(slot: number): HeldKey | undefined {
    const place = this.#placeOf[slot]! - 1;
    if (place === -1) return undefined;
    this.#wasUsed[place] = 1;
    return this.#keys[place];
  }

  /**
   * Takes the key of a slot that has none, once it has been offered a few times lately: keys that are used now
   * and then would push out the busy ones, and live just long enough to become old garbage. A large one is taken at
   * once, for decoding and compiling it takes longer than a request.
   */
  offer(slot: number, key: HeldKey, bytes: number): void {
    if (--this.#offersLeft === 0) {
      this.#offers.fill(0);
      this.#offersLeft = OFFERS_REMEMBERED * this.#keys.length;
    }
    if (++this.#offers[slot]! >= OFFERS_NEEDED || bytes >= LARGE_BYTES) this.#keep(slot, key, bytes);
  }

  drop(slot: number): void {
    this.#offers[slot] = 0;
    const place = this.#placeOf[slot]! - 1;
    if (place === -1) return;
    this.#placeOf[slot] = 0;
    this.#keys[place] = undefined;
    this.#bytes -= this.#bytesAt[place]!;
  }

  clear(): void {
    this.#placeOf.fill(0);
    this.#offers.fill(0);
    this.#keys.fill(undefined);
    this.#bytes = 0;
  }

  #keep(slot: number, key: HeldKey, bytes: number): void {
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

/** Offers after which a key is taken. */
const OFFERS_NEEDED = 3;
const LARGE_BYTES = 4_096;
/** Offers a place over which they are counted. */
const OFFERS_REMEMBERED = 4;
