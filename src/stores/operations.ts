// One way through which every store operation goes: it is timed and observed, bounded where it waits, and
// whatever breaks in it leaves as a StoreFault.
import { StoreFault, UserFault } from '../core/fault.ts';
import { redisCure, redisWords } from './redis-cures.ts';
import { sqliteCure } from './sqlite-cures.ts';
import type { StoreObserver } from '../core/ports.ts';

/** The `operation` label of the store's metrics. */
export type StoreOperation =
  | 'find'
  | 'get'
  | 'save'
  | 'list'
  | 'count'
  | 'take'
  | 'lease'
  | 'give_back'
  | 'peek'
  | 'release'
  | 'renew'
  | 'attempt'
  | 'ping';

/** Runs one operation and tells the observer of it. What breaks in it is thrown as a StoreFault. */
export async function runOperation<T>(
  observe: StoreObserver,
  operation: StoreOperation,
  work: () => T | Promise<T>,
): Promise<T> {
  const began = performance.now();
  let isFault = true;
  try {
    const pending = work();
    const result = pending instanceof Promise ? await pending : pending;
    isFault = false;
    return result;
  } catch (error) {
    throw error instanceof StoreFault || error instanceof UserFault ? error : storeFault(operation, error);
  } finally {
    observe(operation, performance.now() - began, isFault);
  }
}

/**
 * The promise's outcome, or a rejection after `timeoutMs`. An answer that has already arrived when the time is
 * up, because this process was busy, still counts.
 */
export function withinTime<T>(promise: Promise<T>, timeoutMs: number, message: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => setImmediate(() => reject(new Error(message))), timeoutMs);
    promise.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error instanceof Error ? error : new Error(String(error)));
      },
    );
  });
}

function storeFault(operation: StoreOperation, error: unknown): StoreFault {
  const cure = sqliteCure(error) ?? redisCure(error);
  const reason = error instanceof Error ? redisWords(error) : String(error);
  const text = `The store failed: ${reason}${cure === undefined ? '' : `; ${cure}`}`;
  return new StoreFault(operation, text, error, cure !== undefined);
}
