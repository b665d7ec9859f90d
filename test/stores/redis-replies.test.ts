// Whatever stands in Redis, it fills no gateway's memory: SAFETY.md, rule 10.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOUNDS } from '../../src/core/bounds.ts';
import { makeRedisClient } from '../../src/stores/redis-client.ts';
import { redisServer } from '../../src/stores/redis-server.ts';
import { startRedis, tell } from '../support/redis.ts';

const MIB = 1024 * 1024;

test('an answer of Redis that is longer than any question asks for is not held, and all shorter ones are', async () => {
  await using scene = new AsyncDisposableStack();
  const redis = await startRedis();
  scene.defer(() => redis.dispose());
  await tell(redis, 'setrange', 'long', String(4 * BOUNDS.storeReplyBytes), 'x');
  await tell(redis, 'setrange', 'short', String(4 * MIB), 'x');
  const client = makeRedisClient({ server: redisServer(redis.url, 'test'), timeoutMs: 5_000, name: 'test' });
  scene.defer(() => client.disconnect());
  await client.connect();
  for (let sent = 0; sent < 3 * BOUNDS.storeReplyBytes; sent += 4 * MIB)
    assert.equal((await client.get('short'))?.length, 4 * MIB + 1);
  const together = Array.from({ length: 16 }, () => client.get('short'));
  assert.equal((await Promise.all(together)).length, 16);
  await assert.rejects(client.get('long'));
});
