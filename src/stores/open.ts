// From a URL to a store.
import { UserFault } from '../core/fault.ts';
import type { Store } from '../core/ports.ts';
import { openRedisStore } from './redis-store.ts';
import type { StoreSettings } from './settings.ts';
import { openSqliteStore } from './sqlite-store.ts';

/**
 * Opens a store: `sqlite:PATH` (relative to the working directory; what is missing is made), `redis://` or
 * `rediss://`. With Redis it resolves once the server is reached and found fit, or after a bounded wait if it
 * cannot be reached: operations then reject until it can.
 * @throws {UserFault} if the URL is of another kind, the file cannot be opened, or Redis refuses the
 * credentials or would evict keys
 */
export async function openStore(settings: StoreSettings): Promise<Store> {
  const scheme = /^([a-z+]+):/.exec(settings.url)?.[1];
  switch (scheme) {
    case 'sqlite':
      return openSqliteStore(settings);
    case 'redis':
    case 'rediss':
      return openRedisStore(settings);
    default:
      throw new UserFault(
        `store.url ${scheme === undefined ? 'has no scheme' : `begins with ${scheme}:, which is not supported`}; write sqlite:PATH, redis://host:port/db or rediss://host:port/db.`,
        78,
      );
  }
}
