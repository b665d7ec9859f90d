// The subjects of which admissions may be held, in bounded memory. One is noted only when it is demanded a second
// time within a short while: any number of keys that are used once leaves nothing behind.
import { BOUNDS } from '../core/bounds.ts';
import type { LimitDemand } from '../core/ports.ts';
import { Sightings } from '../core/sightings.ts';
import { Lease } from './lease.ts';

/** Places for what was demanded once: four for each lease there may be, so that few push one another out. */
const SIGHTINGS = 65_536;
/** Subjects looked at for one that nobody uses. */
const CHANCES = 8;

export class LeaseTable {
  readonly #leases = new Map<string, Lease>();
  readonly #capacity: number;
  readonly #sightings = new Sightings(SIGHTINGS);

  constructor(capacity: number = BOUNDS.leases) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#leases.size;
  }

  /** The subject's lease, if it has one by now. `onEvicted` is told of one that made room for it. */
  find(demand: LimitDemand, now: number, onEvicted: (lease: Lease) => void): Lease | undefined {
    const key = keyOf(demand);
    const found = this.#leases.get(key);
    if (found) return found;
    const sightedAt = this.#sightings.see(key, now);
    if (now - sightedAt >= BOUNDS.leaseIdleMs || !this.#makeRoom(now, onEvicted)) return undefined;
    const lease = new Lease(demand, sightedAt, now);
    this.#leases.set(key, lease);
    return lease;
  }

  /** Looks at every lease; forgets those of which nothing would be lost. */
  sweep(now: number, see: (lease: Lease) => void): void {
    for (const [key, lease] of this.#leases) {
      see(lease);
      if (lease.isForgettable(now)) this.#forget(key, lease);
    }
  }

  /** The oldest goes that is not in use; those looked at in vain have another chance. */
  #makeRoom(now: number, onEvicted: (lease: Lease) => void): boolean {
    if (this.#leases.size < this.#capacity) return true;
    let chances = CHANCES;
    for (const [key, lease] of this.#leases) {
      this.#leases.delete(key);
      if (!lease.isInUse(now)) {
        lease.isForgotten = true;
        onEvicted(lease);
        return true;
      }
      this.#leases.set(key, lease);
      if (--chances === 0) return false;
    }
    return false;
  }

  #forget(key: string, lease: Lease): void {
    lease.isForgotten = true;
    this.#leases.delete(key);
  }
}

/** With the rule: what was granted under one that a reload has changed is not spent under another. */
function keyOf({ algorithm, requests, periodMs, burst, id }: LimitDemand): string {
  return `${algorithm} ${requests} ${periodMs} ${burst} ${id}`;
}
