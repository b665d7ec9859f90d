// Short texts by number, the one set longest ago making room: in typed arrays, so that a hundred thousand addresses that
// came once take a few megabytes, however they come, and the garbage collector has nothing to go through. What is known of a
// text stands in arrays of whoever asks, at the number that it has here.
import { randomFillSync } from 'node:crypto';

/** The longest text, characters of one byte each: the /64 of an IPv6 address takes 19, and 21 with `%2F`. */
const TEXT_BYTES = 24;
const TEXT_WORDS = TEXT_BYTES / 4;
/** No slot. */
const NONE = -1;

export class RecentTexts {
  readonly #most: number;
  /** The texts by slot, filled up with zeros. */
  readonly #words: Int32Array;
  /** Slot plus one of the first text of a chain, by hash; and of the next one in it, by slot. 0 ends it. */
  readonly #chains: Int32Array;
  readonly #next: Int32Array;
  readonly #shift: number;
  // Secret and odd: nobody can pick texts that crowd into one chain.
  readonly #factors = randomFillSync(new Int32Array(TEXT_WORDS + 1)).map((factor) => factor | 1);
  /** The order of setting, by slot. */
  readonly #older: Int32Array;
  readonly #newer: Int32Array;
  #oldest = NONE;
  #newest = NONE;
  #size = 0;

  /** @param most texts that are kept; memory is taken as it is needed */
  constructor(most: number) {
    this.#most = most;
    this.#words = new Int32Array(most * TEXT_WORDS);
    const bits = Math.max(4, 32 - Math.clz32(most - 1));
    this.#chains = new Int32Array(2 ** bits);
    this.#shift = 32 - bits;
    this.#next = new Int32Array(most);
    this.#older = new Int32Array(most);
    this.#newer = new Int32Array(most);
  }

  get size(): number {
    return this.#size;
  }

  /**
   * The slot of a text, from 0 to below `most`; -1 without one.
   * @throws {RangeError} for a text that is too long
   */
  find(text: string): number {
    if (this.#size === 0) return NONE;
    pack(text);
    return this.#find(this.#chainOf(packed, 0));
  }

  /** The slot of a text, which now counts as set last; a new one may get the slot of the one set longest ago. */
  set(text: string): number {
    pack(text);
    const chain = this.#chainOf(packed, 0);
    let slot = this.#find(chain);
    if (slot === this.#newest && slot !== NONE) return slot;
    if (slot === NONE) {
      slot = this.#size < this.#most ? this.#size++ : this.#forgetOldest();
      this.#words.set(packed, slot * TEXT_WORDS);
      this.#next[slot] = this.#chains[chain]!;
      this.#chains[chain] = slot + 1;
    } else this.#takeOut(slot);
    this.#older[slot] = this.#newest;
    this.#newer[slot] = NONE;
    if (this.#newest === NONE) this.#oldest = slot;
    else this.#newer[this.#newest] = slot;
    this.#newest = slot;
    return slot;
  }

  #find(chain: number): number {
    let slot = this.#chains[chain]! - 1;
    while (slot !== NONE && !this.#holdsPacked(slot)) slot = this.#next[slot]! - 1;
    return slot;
  }

  #forgetOldest(): number {
    const slot = this.#oldest;
    const chain = this.#chainOf(this.#words, slot * TEXT_WORDS);
    const after = this.#next[slot]!;
    if (this.#chains[chain] === slot + 1) this.#chains[chain] = after;
    else {
      let before = this.#chains[chain]! - 1;
      while (this.#next[before] !== slot + 1) before = this.#next[before]! - 1;
      this.#next[before] = after;
    }
    this.#takeOut(slot);
    return slot;
  }

  /** Out of the order of setting. */
  #takeOut(slot: number): void {
    const [older, newer] = [this.#older[slot]!, this.#newer[slot]!];
    if (older === NONE) this.#oldest = newer;
    else this.#newer[older] = newer;
    if (newer === NONE) this.#newest = older;
    else this.#older[newer] = older;
  }

  #holdsPacked(slot: number): boolean {
    const words = this.#words;
    const from = slot * TEXT_WORDS;
    for (let word = 0; word < TEXT_WORDS; word++) if (words[from + word] !== packed[word]) return false;
    return true;
  }

  #chainOf(words: Int32Array, from: number): number {
    const factors = this.#factors;
    let sum = 0;
    for (let word = 0; word < TEXT_WORDS; word++) sum = (sum + Math.imul(words[from + word]!, factors[word]!)) | 0;
    return Math.imul(sum ^ (sum >>> 15), factors[TEXT_WORDS]!) >>> this.#shift;
  }
}

/** The text that is asked for at the moment: of one request several tables are asked in turn. */
const packed = new Int32Array(TEXT_WORDS);
let packedText = '';

function pack(text: string): void {
  if (text === packedText) return;
  const { length } = text;
  if (length > TEXT_BYTES) throw new RangeError(`a text of ${length} characters is longer than ${TEXT_BYTES}`);
  let at = 0;
  let word = 0;
  for (; at + 4 <= length; at += 4) {
    packed[word++] =
      text.charCodeAt(at) |
      (text.charCodeAt(at + 1) << 8) |
      (text.charCodeAt(at + 2) << 16) |
      (text.charCodeAt(at + 3) << 24);
  }
  let rest = 0;
  for (let shift = 0; at < length; shift += 8) rest |= text.charCodeAt(at++) << shift;
  if (word < TEXT_WORDS) packed[word++] = rest;
  while (word < TEXT_WORDS) packed[word++] = 0;
  packedText = text;
}
