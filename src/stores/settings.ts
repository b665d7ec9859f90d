// What a store is opened with.
import type { Clock, Lineage, StoreObserver } from '../core/ports.ts';

/** Says what an operator should know, for the log. */
export type Warn = (message: string, fields?: Record<string, unknown>) => void;

export interface StoreSettings {
  /** `sqlite:PATH`, or a Redis: one server, behind Sentinels or a Cluster. */
  readonly url: string;
  /** First part of every Redis key: letters, digits, dot, dash and underscore. */
  readonly prefix: string;
  /** Bound of one operation, ms. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** What the change feed tells by when the store was heard from; `clock` without it. */
  readonly feedClock?: Clock;
  readonly observe: StoreObserver;
  readonly warn: Warn;
  /** Told what a gateway says of its store when it starts; without it, that is not looked for. */
  readonly inform?: Warn;
  /** What is known of the store's history already; else its change feed takes the first store that it sees as it is. */
  readonly lineage?: Lineage;
}
