// How every connection to Redis is made: nothing waits in a queue for a connection that may not come, nothing
// is sent twice, and a peer that owes an answer and stays silent is dropped.
import { Redis } from 'ioredis';
import { BOUNDS } from '../core/bounds.ts';
import { UserFault } from '../core/fault.ts';

interface ClientOptions {
  readonly url: string;
  readonly timeoutMs: number;
  /** What the connection is for, as `CLIENT LIST` shows it. */
  readonly name: string;
  /** Longest wait that a command itself asks for (`XREAD BLOCK`), ms. */
  readonly blockMs?: number;
  /** Bounds each command by itself, where no one else does, ms. */
  readonly commandTimeoutMs?: number;
}

/**
 * Makes a client that is not connected yet; it reconnects by itself once `connect` was called.
 * @throws {UserFault} if the URL is not one
 */
export function makeRedisClient(options: ClientOptions): Redis {
  checkUrl(options.url);
  const { url, timeoutMs, name, blockMs = 0, commandTimeoutMs } = options;
  const client = new Redis(url, {
    lazyConnect: true,
    connectionName: name,
    protocol: 2,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: Math.max(BOUNDS.storeConnectMs, timeoutMs),
    socketTimeout: Math.max(BOUNDS.storeSilenceMs, timeoutMs) + blockMs,
    disconnectTimeout: 100,
    maxLoadingRetryTime: BOUNDS.storeReconnectMs,
    retryStrategy: (attempt) => Math.min(attempt * 25, BOUNDS.storeReconnectMs),
    // A server that became a replica keeps the connection open; the address may lead to the new primary.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
    ...(commandTimeoutMs !== undefined && { commandTimeout: commandTimeoutMs }),
  });
  // Without a listener ioredis prints every failed attempt. The connection says once what matters.
  client.on('error', () => {});
  return client;
}

/** `host:port` of a Redis URL, for messages: never its credentials. */
export function redisAddress(url: string): string {
  const { hostname, port } = new URL(url);
  return `${hostname}:${port || '6379'}`;
}

function checkUrl(url: string): void {
  const parsed = URL.parse(url);
  if (
    !parsed ||
    parsed.hostname === '' ||
    !/^\/?\d*$/.test(parsed.pathname) ||
    parsed.search !== '' ||
    parsed.hash !== ''
  )
    throw new UserFault(
      'store.url is not a Redis URL; write redis://user:password@host:6379/0, or rediss:// for TLS.',
      78,
    );
}
