// The seats of concurrency that requests of this gateway hold. A seat is a lease in the store: it is renewed
// while the request runs, given back when it ends, and lapses by itself if the gateway dies.
import { BOUNDS } from '../core/bounds.ts';
import type { LimitStore, SeatDemand } from '../core/ports.ts';

export class Seats {
  readonly #store: LimitStore;
  readonly #held = new Map<string, { id: string; token: string }>();
  #timer: NodeJS.Timeout | undefined;

  constructor(store: LimitStore) {
    this.#store = store;
  }

  /** Notes a seat that was taken; the returned function gives it back, once. */
  hold({ id, token }: SeatDemand): () => void {
    this.#held.set(token, { id, token });
    this.#timer ??= setInterval(() => this.#renew(), BOUNDS.concurrencyRenewMs).unref();
    return () => {
      if (!this.#held.delete(token)) return;
      // Failing that, the lease lapses; the store has counted and the metrics show the fault.
      this.#store.release(id, token).catch(() => undefined);
    };
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #renew(): void {
    if (this.#held.size > 0) this.#store.renew([...this.#held.values()]).catch(() => undefined);
  }
}
