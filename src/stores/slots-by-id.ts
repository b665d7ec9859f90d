// Which slots hold a text of a key id: chains through typed arrays. Ids are compared by hash only: a change of
// one key may very rarely make another be forgotten, which costs that one a look-up and nothing else.
import { randomFillSync } from 'node:crypto';

/** No slot: the end of a chain. Slots are kept plus one, so that an array of zeros is empty. */
const NONE = 0;

export class SlotsById {
  readonly #heads: Int32Array;
  readonly #next: Int32Array;
  readonly #hashes: Int32Array;
  readonly #seed = randomFillSync(new Int32Array(1))[0]!;

  /** @param slots how many there are, numbered from 0 */
  constructor(slots: number) {
    this.#heads = new Int32Array(2 ** (32 - Math.clz32(slots)));
    this.#next = new Int32Array(slots);
    this.#hashes = new Int32Array(slots);
  }

  add(id: string, slot: number): void {
    const hash = this.#hashOf(id);
    const bucket = this.#bucketOf(hash);
    this.#hashes[slot] = hash;
    this.#next[slot] = this.#heads[bucket]!;
    this.#heads[bucket] = slot + 1;
  }

  remove(slot: number): void {
    const bucket = this.#bucketOf(this.#hashes[slot]!);
    const following = this.#next[slot]!;
    let at = this.#heads[bucket]!;
    if (at === slot + 1) {
      this.#heads[bucket] = following;
      return;
    }
    while (this.#next[at - 1] !== slot + 1) at = this.#next[at - 1]!;
    this.#next[at - 1] = following;
  }

  of(id: string): number[] {
    const hash = this.#hashOf(id);
    const slots: number[] = [];
    for (let at = this.#heads[this.#bucketOf(hash)]!; at !== NONE; at = this.#next[at - 1]!) {
      if (this.#hashes[at - 1] === hash) slots.push(at - 1);
    }
    return slots;
  }

  clear(): void {
    this.#heads.fill(NONE);
  }

  /** FNV-1a from a secret start, mixed at the end. */
  #hashOf(id: string): number {
    let hash = this.#seed;
    for (let at = 0; at < id.length; at++) hash = Math.imul(hash ^ id.charCodeAt(at), 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b);
    return hash ^ (hash >>> 16);
  }

  #bucketOf(hash: number): number {
    return hash & (this.#heads.length - 1);
  }
}
