// The store on Redis: a connection for operations, one for the change feed, one each for changes of keys
// and for the guard's library, made when they are needed.
import type { Redis } from 'ioredis';
import { BOUNDS } from '../core/bounds.ts';
import type { Store } from '../core/ports.ts';
import { redisAttempts } from './attempts.ts';
import { KnownStore } from './known-store.ts';
import { RedisChanges } from './redis-changes.ts';
import { makeRedisClient } from './redis-client.ts';
import { RedisConnection } from './redis-connection.ts';
import { RedisKeys } from './redis-keys.ts';
import { RedisLimits } from './redis-limits.ts';
import { redisNames } from './redis-names.ts';
import { RedisNotices } from './redis-notices.ts';
import { redisServer } from './redis-server.ts';
import type { StoreSettings } from './settings.ts';

/** See `openStore`. */
export async function openRedisStore(settings: StoreSettings): Promise<Store> {
  const { url, prefix, timeoutMs, clock, feedClock = clock, observe, warn, inform } = settings;
  const names = redisNames(prefix);
  const server = redisServer(url, prefix);
  const known = new KnownStore({ lineage: settings.lineage, where: { redis: server.address }, warn });
  const notices = inform && new RedisNotices({ server, warn, inform });
  const redis = new RedisConnection({
    url,
    prefix,
    server,
    timeoutMs,
    observe,
    warn,
    name: 'portcullis',
    doubt: () => known.doubt,
    ...(notices && { notices }),
  });
  // What befalls the server is told once, by the connection for operations.
  const quiet = { url, prefix, server, timeoutMs, observe: () => {}, warn: () => {} };
  const feed = new RedisConnection({ ...quiet, name: 'portcullis-changes', blockMs: BOUNDS.changeBlockMs });
  const writer = new RedisConnection({ ...quiet, name: 'portcullis-writer' });
  const changes = new RedisChanges(feed, names, known, feedClock, warn);
  let guard: Redis | undefined;
  try {
    await redis.open();
    await notices?.settled();
  } catch (error) {
    redis.close();
    throw error;
  }
  return {
    keys: new RedisKeys(redis, writer, names, known, warn),
    limits: new RedisLimits(redis, names),
    changes,
    lineage: () => known.lineage,
    taken: known.taken,
    attempts(options) {
      const countMs = Math.min(timeoutMs, BOUNDS.guardCountMs);
      guard ??= makeRedisClient({ server, timeoutMs, name: 'portcullis-guard', commandTimeoutMs: countMs });
      return redisAttempts(guard, names, options, countMs, known.observing(observe));
    },
    async ping() {
      await redis.run('ping', (client) => client.ping());
    },
    async close() {
      await changes.stop();
      guard?.disconnect();
      writer.close();
      redis.close();
    },
  };
}
