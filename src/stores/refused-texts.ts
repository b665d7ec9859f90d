// Digests of texts that are refused, and why, each for a short time, the oldest making room: however many bad keys
// are tried, they take the same memory. A text that no key has, one of a revoked key and one of an expired key are kept
// and found alike, so that the time of an answer does not tell which it was.
import { KEY_FLAWS, type KeyFlaw } from '../core/reasons.ts';
import { DigestIndex } from './digest-index.ts';

export class RefusedTexts {
  readonly #most: number;
  readonly #index: DigestIndex;
  readonly #untilMs: Float64Array;
  /** Places in KEY_FLAWS. */
  readonly #flaws: Uint8Array;
  #size = 0;
  /** The slot that is taken next: a free one, then the oldest. */
  #next = 0;

  /** @param most how many are remembered */
  constructor(most: number) {
    this.#most = most;
    this.#index = new DigestIndex(most);
    this.#untilMs = new Float64Array(most);
    this.#flaws = new Uint8Array(most);
  }

  get size(): number {
    return this.#size;
  }

  /** Why a text is refused, as a place in KEY_FLAWS; -1 where that is not known. */
  find(digest: Int32Array, nowMs: number): number {
    const slot = this.#index.find(digest);
    return slot !== -1 && this.#untilMs[slot]! > nowMs ? this.#flaws[slot]! : -1;
  }

  remember(digest: Int32Array, flaw: KeyFlaw, untilMs: number): void {
    let slot = this.#index.find(digest);
    if (slot === -1) {
      slot = this.#next;
      this.#next = (slot + 1) % this.#most;
      if (this.#size === this.#most) this.#index.remove(slot);
      else this.#size++;
      this.#index.add(digest, slot);
    }
    this.#untilMs[slot] = untilMs;
    this.#flaws[slot] = KEY_FLAWS.indexOf(flaw);
  }

  clear(): void {
    if (this.#size === 0) return;
    this.#index.clear();
    this.#size = 0;
    this.#next = 0;
  }
}
