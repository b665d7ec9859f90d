// What every Redis key is called. The prefix is a hash tag, so all of them are in one slot and one script may
// touch any of them, in a Cluster too.
import type { LimitAlgorithm } from '../core/ports.ts';

export interface RedisNames {
  /** First part of a record's key; the id follows. */
  readonly record: string;
  /** First part of a digest's key; the digest follows. It holds the id. */
  readonly digest: string;
  /** Sorted set of all ids. */
  readonly ids: string;
  /** Sorted sets of ids by status, scored by expiry (`+inf` for none). */
  readonly active: string;
  readonly disabled: string;
  readonly revoked: string;
  /** Stream of changes. */
  readonly changes: string;
  /** What tells this store from any other. */
  readonly epoch: string;
  /** First parts of the keys that count attempts, hold blocks, and name sources of good keys. */
  readonly attempts: string;
  readonly blocks: string;
  readonly vouched: string;
  /** One subject's counts under one limit. */
  limit(algorithm: LimitAlgorithm, periodMs: number, id: string): string;
  /** Sorted set of the tokens that hold seats, scored by the end of their lease. */
  seats(id: string): string;
}

/** @param prefix letters, digits, dot, dash and underscore */
export function redisNames(prefix: string): RedisNames {
  const tag = `{${prefix}}`;
  return {
    record: `${tag}:key:`,
    digest: `${tag}:digest:`,
    ids: `${tag}:ids`,
    active: `${tag}:status:active`,
    disabled: `${tag}:status:disabled`,
    revoked: `${tag}:status:revoked`,
    changes: `${tag}:changes`,
    epoch: `${tag}:epoch`,
    attempts: `${tag}:attempts`,
    blocks: `${tag}:blocks`,
    vouched: `${tag}:vouched`,
    limit: (algorithm, periodMs, id) => `${tag}:limit:${algorithm}:${periodMs}:${id}`,
    seats: (id) => `${tag}:limit:seats:${id}`,
  };
}
