// From a URL to a store.
import { UserFault } from '../core/fault.ts';
import type { Store } from '../core/ports.ts';
import { isRedisScheme, REDIS_URL_FORMS } from '../core/redis-url.ts';
import type { StoreSettings } from './settings.ts';

/**
 * Opens a store: `sqlite:PATH` (relative to the working directory; what is missing is made), or a Redis in one of the
 * forms of `REDIS_URL_FORMS`. With Redis it resolves once the server is reached and found fit, or after a bounded
 * wait if it cannot be reached: operations then reject until it can.
 * @throws {UserFault} if the URL is of another kind, the file cannot be opened, or Redis refuses the
 * credentials, would evict keys or is not what the URL says
 */
export async function openStore(settings: StoreSettings): Promise<Store> {
  const scheme = /^([a-z+]+):/.exec(settings.url)?.[1];
  // The other kind, and the libraries behind it, is not loaded.
  if (scheme === 'sqlite') {
    const { openSqliteStore } = await import('./sqlite-store.ts');
    return openSqliteStore(settings);
  }
  if (scheme !== undefined && isRedisScheme(scheme)) {
    const { openRedisStore } = await import('./redis-store.ts');
    return openRedisStore(settings);
  }
  throw new UserFault(
    `store.url ${scheme === undefined ? 'has no scheme' : `begins with ${scheme}:, which is not supported`}; write sqlite:PATH, ${REDIS_URL_FORMS.server}, ${REDIS_URL_FORMS.sentinel} or ${REDIS_URL_FORMS.cluster}.`,
    78,
  );
}
