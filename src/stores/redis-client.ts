// How every connection to Redis is made: nothing waits in a queue for a connection that may not come, nothing
// is sent twice, and a peer that owes an answer and stays silent is dropped.
import { Redis } from 'ioredis';
import { BOUNDS } from '../core/bounds.ts';
import type { RedisPlace } from '../core/redis-url.ts';
import { reconnectPauseMs } from './redis-connector.ts';
import { boundReplies } from './redis-replies.ts';
import { isRefusedRight, refusalOf } from './redis-refusal.ts';
import type { RedisClientOptions, RedisServer } from './redis-server.ts';

interface ClientOptions {
  readonly server: RedisServer;
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
 * @param pauseMs how long it waits before it does, by how often it has failed
 */
export function makeRedisClient(options: ClientOptions, pauseMs = reconnectPauseMs): Redis {
  const { server } = options;
  return quietClient({
    ...clientOptions(options),
    ...server.options,
    retryStrategy: pauseMs,
    reconnectOnError: (error) => isLeftBehind(error, server),
  });
}

/** Makes a client of one certain node, not connected yet; it does not reconnect. */
export function makeNodeClient(options: ClientOptions, place: RedisPlace): Redis {
  return quietClient({
    ...clientOptions(options),
    ...options.server.optionsAt(place),
    retryStrategy: () => null,
  });
}

function clientOptions({ timeoutMs, name, blockMs = 0, commandTimeoutMs }: ClientOptions): RedisClientOptions {
  return {
    lazyConnect: true,
    connectionName: name,
    protocol: 2,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: Math.max(BOUNDS.storeConnectMs, timeoutMs),
    socketTimeout: Math.max(BOUNDS.storeSilenceMs, timeoutMs) + blockMs,
    disconnectTimeout: BOUNDS.storeDisconnectMs,
    maxLoadingRetryTime: BOUNDS.storeReconnectMs,
    ...(commandTimeoutMs !== undefined && { commandTimeout: commandTimeoutMs }),
  };
}

/** Without a listener ioredis prints every failed attempt. The connection says once what matters. */
function quietClient(options: RedisClientOptions): Redis {
  const client = new Redis(options);
  client.on('error', () => {});
  sayNothingOfInfo(client);
  boundReplies(client);
  return client;
}

/**
 * Where a user may not run INFO, ioredis prints so on standard error at every connection, and takes the server for ready.
 * Its question is the only one with a callback. What could not be asked is said by those who wanted to know.
 */
function sayNothingOfInfo(client: Redis): void {
  const ask = client.info.bind(client) as (...words: unknown[]) => Promise<string>;
  const info = (...words: unknown[]): Promise<string> => {
    const told = words.at(-1);
    if (typeof told !== 'function') return ask(...words);
    return ask((error: Error | null, text: string) => {
      const isRefused = isRefusedRight(error);
      told(isRefused ? null : error, isRefused ? '' : text);
    });
  };
  Object.assign(client, { info });
}

/** Whether the connection leads to a server that serves our keys no longer, though it stays open. */
function isLeftBehind(error: Error, { guides }: RedisServer): boolean {
  const refusal = refusalOf(error);
  switch (refusal?.kind) {
    case 'moved':
      if (refusal.place.host !== '') guides?.heardOf(refusal.place);
      return true;
    case 'unfit':
      // At the address of a single server there may be a new primary by now.
      return true;
    case 'ask':
    case 'split':
    case undefined:
      return false;
  }
}
