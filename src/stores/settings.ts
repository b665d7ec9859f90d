// What a store is opened with.
import type { Clock, StoreObserver } from '../core/ports.ts';

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
}
