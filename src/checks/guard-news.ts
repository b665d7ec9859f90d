// What the workers of one gateway tell each other of addresses, so that several processes grant no more
// failures than one, and an address that showed a good key to one of them is known to all.
import { BOUNDS } from '../core/bounds.ts';

export interface GuardNews {
  /** Failures by source since the last news. */
  readonly failed: ReadonlyMap<string, number>;
  /** Sources that were blocked, and for how long from now, ms. */
  readonly blocked: ReadonlyMap<string, number>;
  /** Sources that showed a good key. */
  readonly passed: ReadonlySet<string>;
}

/** Told by the guard of what other processes should know. */
export interface GuardTeller {
  failed(source: string): void;
  blocked(source: string, forMs: number): void;
  passed(source: string): void;
}

/** For a gateway of one process. */
export const NOBODY: GuardTeller = { failed: () => {}, blocked: () => {}, passed: () => {} };

/** Collects what it is told for a moment and sends it at once; what does not fit waits for the next telling of its source. */
export class CollectedNews implements GuardTeller {
  readonly #send: (news: GuardNews) => void;
  readonly #most: number;
  #failed = new Map<string, number>();
  #blocked = new Map<string, number>();
  #passed = new Set<string>();
  #isScheduled = false;

  constructor(send: (news: GuardNews) => void, most: number = BOUNDS.guardNews) {
    this.#send = send;
    this.#most = most;
  }

  failed(source: string): void {
    const count = this.#failed.get(source);
    if (count === undefined && this.#failed.size >= this.#most) return;
    this.#failed.set(source, (count ?? 0) + 1);
    this.#schedule();
  }

  blocked(source: string, forMs: number): void {
    if (this.#blocked.size >= this.#most) return;
    this.#blocked.set(source, forMs);
    this.#schedule();
  }

  passed(source: string): void {
    if (this.#passed.size >= this.#most) return;
    this.#passed.add(source);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setTimeout(() => {
      const news = { failed: this.#failed, blocked: this.#blocked, passed: this.#passed };
      this.#failed = new Map();
      this.#blocked = new Map();
      this.#passed = new Set();
      this.#isScheduled = false;
      this.#send(news);
    }, BOUNDS.guardNewsMs).unref();
  }
}
