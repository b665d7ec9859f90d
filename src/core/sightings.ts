// Which texts were seen lately, in a few bytes each: what is seen once leaves nothing else behind. A text whose hash is
// another's may count as seen, which costs whoever asks a little work and nothing else.

/** Places a text may take; so many that share them do not push one another out. */
const WAYS = 4;

export class Sightings {
  readonly #sets: number;
  readonly #hashes: Int32Array;
  readonly #seenAt: Float64Array;

  /** @param places a power of two, at least 4: how many are remembered at most */
  constructor(places: number) {
    this.#sets = places / WAYS;
    this.#hashes = new Int32Array(places);
    this.#seenAt = new Float64Array(places).fill(Number.NEGATIVE_INFINITY);
  }

  /**
   * Notes that a text is seen now, in place of the one of its places seen longest ago.
   * @param now any number that never falls
   * @returns when it was last seen before; -Infinity where that is not known
   */
  see(text: string, now: number): number {
    const hash = textHash(text);
    // High bits too: texts that differ in their last characters share the low ones.
    const first = ((hash ^ (hash >>> 15)) & (this.#sets - 1)) * WAYS;
    let place = first;
    for (let way = first; way < first + WAYS; way++) {
      if (this.#hashes[way] === hash && this.#seenAt[way]! !== Number.NEGATIVE_INFINITY) {
        const seenAt = this.#seenAt[way]!;
        this.#seenAt[way] = now;
        return seenAt;
      }
      if (this.#seenAt[way]! < this.#seenAt[place]!) place = way;
    }
    this.#hashes[place] = hash;
    this.#seenAt[place] = now;
    return Number.NEGATIVE_INFINITY;
  }
}

/** FNV-1a, 32 bits, of the UTF-16 units. Whoever picks the texts can make them collide. */
function textHash(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash | 0;
}
