// Digests of texts that no key has, each for a short time, the oldest making room: however many bad keys are
// tried, they take the same memory.
import { DigestIndex } from './digest-index.ts';

export class UnknownTexts {
  readonly #most: number;
  readonly #index: DigestIndex;
  readonly #untilMs: Float64Array;
  #size = 0;
  /** The slot that is taken next: a free one, then the oldest. */
  #next = 0;

  /** @param most how many are remembered */
  constructor(most: number) {
    this.#most = most;
    this.#index = new DigestIndex(most);
    this.#untilMs = new Float64Array(most);
  }

  get size(): number {
    return this.#size;
  }

  has(digest: Int32Array, nowMs: number): boolean {
    const slot = this.#index.find(digest);
    return slot !== -1 && this.#untilMs[slot]! > nowMs;
  }

  remember(digest: Int32Array, untilMs: number): void {
    let slot = this.#index.find(digest);
    if (slot === -1) {
      slot = this.#next;
      this.#next = (slot + 1) % this.#most;
      if (this.#size === this.#most) this.#index.remove(slot);
      else this.#size++;
      this.#index.add(digest, slot);
    }
    this.#untilMs[slot] = untilMs;
  }

  clear(): void {
    if (this.#size === 0) return;
    this.#index.clear();
    this.#size = 0;
    this.#next = 0;
  }
}
