// Who counts the uses of keys: where a process publishes its own metrics, the counters of the busiest keys;
// in a worker, tallies that its primary takes, because only one place can say who the busiest are.
import type { Registry } from 'prom-client';
import { BOUNDS } from '../core/bounds.ts';
import type { Clock } from '../core/ports.ts';
import { KeyUsage } from './key-usage.ts';
import { publish } from './published.ts';

export interface UseCounter {
  /** Counts uses of a key, one unless said otherwise. */
  count(id: string, uses?: number): void;
}

export interface KeyUses {
  /** Requests by a key. */
  readonly used: UseCounter;
  /** Of these, those that left less than a tenth of a limit. */
  readonly nearLimit: UseCounter;
}

/** Uses since the tallies were last taken, by key. */
export interface TakenUses {
  readonly used: ReadonlyMap<string, number>;
  readonly nearLimit: ReadonlyMap<string, number>;
}

/** Counts uses and publishes those of the busiest keys by name. */
export function publishKeyUses(registry: Registry, clock: Clock): KeyUses {
  const used = new KeyUsage(BOUNDS.usageLabels, clock());
  const nearLimit = new KeyUsage(BOUNDS.usageLabels, clock());
  publish(
    registry,
    'counter',
    'portcullis_key_usage_total',
    'Requests by key, for the busiest keys; all others together.',
    () => used.publish(clock()),
  );
  publish(
    registry,
    'counter',
    'portcullis_key_near_limit_total',
    'Requests that left less than a tenth of a limit, for the keys with most of them; all others together.',
    () => nearLimit.publish(clock()),
  );
  return { used, nearLimit };
}

/** Uses by key that are counted here and published elsewhere. */
export class TalliedUses implements KeyUses {
  readonly used = new Tally();
  readonly nearLimit = new Tally();

  /** What was counted since the last time; the counting begins anew. */
  take(): TakenUses {
    return { used: this.used.take(), nearLimit: this.nearLimit.take() };
  }
}

/** Keys a tally tells apart; beyond it they count as `other`. */
const TALLIED = 8_192;
const OTHER = 'other';

class Tally implements UseCounter {
  #uses = new Map<string, number>();

  count(id: string, uses = 1): void {
    const sum = this.#uses.get(id);
    if (sum === undefined && this.#uses.size >= TALLIED) this.#uses.set(OTHER, (this.#uses.get(OTHER) ?? 0) + uses);
    else this.#uses.set(id, (sum ?? 0) + uses);
  }

  take(): ReadonlyMap<string, number> {
    const uses = this.#uses;
    this.#uses = new Map();
    return uses;
  }
}
