// Finds a slot by the SHA-256 of a key's text: open addressing over typed arrays, so that a hundred thousand
// texts cost the garbage collector nothing. Whoever uses it numbers the slots.
import { hash, randomFillSync } from 'node:crypto';

/** A SHA-256 in 32-bit words. */
const DIGEST_WORDS = 8;

/** Room for one digest, to be filled by {@link readDigest}. */
export function newDigest(): Int32Array {
  return new Int32Array(DIGEST_WORDS);
}

/**
 * The SHA-256 of a text, as sixteen UTF-16 units: the form that is cheapest to make and to take apart.
 * Texts have one character a byte, so no two have the same UTF-8, which is what is hashed.
 */
export function digestText(text: string): string {
  return hash('sha256', text, 'utf16le');
}

/** Fills `into` with what {@link digestText} gave. */
export function readDigest(digest: string, into: Int32Array): void {
  for (let word = 0; word < DIGEST_WORDS; word++) {
    into[word] = digest.charCodeAt(2 * word) | (digest.charCodeAt(2 * word + 1) << 16);
  }
}

export class DigestIndex {
  /** Digests by slot. */
  readonly #digests: Int32Array;
  /** Slot plus one by place; 0 is an empty place. At most half of the places are taken. */
  readonly #places: Int32Array;
  readonly #mask: number;
  readonly #shift: number;
  // Secret factors: nobody can pick texts whose digests crowd into one stretch of places.
  readonly #factor: number;
  readonly #otherFactor: number;

  /** @param slots how many there are, numbered from 0 */
  constructor(slots: number) {
    const bits = Math.max(4, 33 - Math.clz32(slots));
    this.#digests = new Int32Array(slots * DIGEST_WORDS);
    this.#places = new Int32Array(2 ** bits);
    this.#mask = 2 ** bits - 1;
    this.#shift = 32 - bits;
    const random = randomFillSync(new Int32Array(2));
    this.#factor = random[0]! | 1;
    this.#otherFactor = random[1]! | 1;
  }

  /** The slot of a digest; -1 without one. */
  find(digest: Int32Array): number {
    const places = this.#places;
    for (let place = this.#home(digest, 0); ; place = (place + 1) & this.#mask) {
      const slot = places[place]! - 1;
      if (slot === -1 || this.#holds(slot, digest)) return slot;
    }
  }

  /** Puts a digest that is not there into a slot that is free. */
  add(digest: Int32Array, slot: number): void {
    this.#digests.set(digest, slot * DIGEST_WORDS);
    let place = this.#home(digest, 0);
    while (this.#places[place] !== 0) place = (place + 1) & this.#mask;
    this.#places[place] = slot + 1;
  }

  /** Frees a slot that is taken. What stands behind it moves up, so that no number of removals leaves gaps to walk. */
  remove(slot: number): void {
    const places = this.#places;
    const mask = this.#mask;
    let gap = this.#home(this.#digests, slot * DIGEST_WORDS);
    while (places[gap] !== slot + 1) gap = (gap + 1) & mask;
    for (let place = (gap + 1) & mask; places[place] !== 0; place = (place + 1) & mask) {
      const home = this.#home(this.#digests, (places[place]! - 1) * DIGEST_WORDS);
      if (((place - home) & mask) < ((place - gap) & mask)) continue;
      places[gap] = places[place]!;
      gap = place;
    }
    places[gap] = 0;
  }

  /** Frees every slot. */
  clear(): void {
    this.#places.fill(0);
  }

  #home(words: Int32Array, from: number): number {
    const mixed = Math.imul(words[from]!, this.#factor) + Math.imul(words[from + 1]!, this.#otherFactor);
    return mixed >>> this.#shift;
  }

  #holds(slot: number, digest: Int32Array): boolean {
    const digests = this.#digests;
    const from = slot * DIGEST_WORDS;
    for (let word = 0; word < DIGEST_WORDS; word++) {
      if (digests[from + word] !== digest[word]) return false;
    }
    return true;
  }
}
