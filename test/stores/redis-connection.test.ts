// The Redis store while its server is unfit, away, silent, or comes back.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { Redis } from 'ioredis';
import { StoreFault, UserFault } from '../../src/core/fault.ts';
import type { Change, LimitDemand, Store } from '../../src/core/ports.ts';
import { openStore } from '../../src/stores/open.ts';
import type { StoreSettings } from '../../src/stores/settings.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { storeSettings } from '../support/backings.ts';
import { keyRecord } from '../support/key-records.ts';
import { startRedis, type RedisOptions, type TestRedis } from '../support/redis.ts';

const TIMEOUT_MS = 400;
const wanted: LimitDemand = {
  id: 'limit',
  algorithm: 'sliding',
  requests: 1_000,
  periodMs: 86_400_000,
  burst: 1_000,
  cost: 1,
};

describe('the Redis store and its server', { concurrency: true }, () => {
  const cleanups: (() => Promise<void>)[] = [];
  after(async () => {
    for (const cleanup of cleanups.toReversed()) await cleanup();
  });

  const serve = async (options?: RedisOptions): Promise<TestRedis> => {
    const redis = await startRedis(options);
    cleanups.push(() => redis.dispose());
    return redis;
  };
  const open = async (redis: TestRedis, overrides: Partial<StoreSettings> = {}): Promise<Store> => {
    const store = await openStore(storeSettings(redis.url, { timeoutMs: TIMEOUT_MS, ...overrides }));
    cleanups.push(() => store.close());
    return store;
  };
  const command = async (redis: TestRedis, ...words: [string, ...string[]]): Promise<unknown> => {
    const client = new Redis(redis.url);
    const [name, ...args] = words;
    const reply = await client.call(name, ...args);
    client.disconnect();
    return reply;
  };
  /** Every operation rejects with a StoreFault, none later than its bound. */
  const assertUnavailable = async (store: Store): Promise<void> => {
    const operations = [
      () => store.keys.get('a'),
      () => store.keys.findByDigest(['a']),
      () => store.keys.save(keyRecord(), 0),
      () => store.keys.countByState(0),
      () => store.limits.take([wanted], { id: 's', limit: 1, token: 't' }),
      () => store.limits.peek([wanted]),
      () => store.limits.release('s', 't'),
      () => store.limits.renew([{ id: 's', token: 't' }]),
      () => store.ping(),
    ];
    const began = performance.now();
    await Promise.all(operations.map((operation) => assert.rejects(operation(), StoreFault)));
    assert.ok(performance.now() - began < TIMEOUT_MS + 300, `took ${performance.now() - began} ms`);
  };

  for (const policy of ['allkeys-lru', 'volatile-ttl'])
    it(`a Redis that would evict keys (${policy}) is refused, with the cure`, async () => {
      const redis = await serve({ config: { 'maxmemory-policy': policy } });
      await assert.rejects(open(redis), (error) => {
        assert.ok(error instanceof UserFault);
        assert.match(error.message, new RegExp(policy));
        assert.match(error.message, /CONFIG SET maxmemory-policy noeviction/);
        return true;
      });
    });

  it('where CONFIG is forbidden or renamed, INFO tells the policy', async () => {
    const renamed = { 'rename-command': 'CONFIG ""' };
    const fit = await open(await serve({ config: renamed }));
    await fit.ping();
    const unfit = await serve({ config: { ...renamed, 'maxmemory-policy': 'allkeys-lfu' } });
    await assert.rejects(open(unfit), { name: 'UserFault', message: /allkeys-lfu/ });
    const limited = await serve({ config: { user: 'gateway on >secret ~* &* +@all -config' } });
    const store = await open(limited, { url: limited.url.replace('//', '//gateway:secret@') });
    await store.ping();
  });

  it('a Redis that does not tell its policy is refused, with the cure', async () => {
    const redis = await serve({ config: { user: 'gateway on >secret ~* &* +@all -config -info' } });
    const url = redis.url.replace('//', '//gateway:secret@');
    await assert.rejects(open(redis, { url }), { name: 'UserFault', message: /\+config\|get or \+info/ });
  });

  it('a database that the server does not have, or does not give, is refused, with the cure', async () => {
    const redis = await serve({ config: { databases: '4', user: 'gateway on >secret ~* &* +@all -select' } });
    await (await open(redis, { url: `${redis.url}/3` })).ping();
    await assert.rejects(open(redis, { url: `${redis.url}/4` }), {
      name: 'UserFault',
      message: /refuses database 4 \(ERR DB index is out of range\); correct the number in store\.url/,
    });
    const url = `${redis.url.replace('//', '//gateway:secret@')}/3`;
    await assert.rejects(open(redis, { url }), { name: 'UserFault', message: /refuses database 3 .*ACL: \+select/ });
  });

  it('wrong credentials are refused at the start and do not stand in the message', async () => {
    const redis = await serve({ config: { requirepass: 'right' } });
    await assert.rejects(open(redis, { url: redis.url.replace('//', '//:wrong-secret@') }), (error) => {
      assert.ok(error instanceof UserFault);
      assert.match(error.message, /credentials/);
      assert.doesNotMatch(error.message, /wrong-secret/);
      return true;
    });
    await assert.rejects(open(redis), { name: 'UserFault', message: /credentials/ });
    await (await open(redis, { url: redis.url.replace('//', '//:right@') })).ping();
  });

  it('a Redis that is absent at the start is used as soon as it is there', async () => {
    const redis = await serve({ isStarted: false });
    const told: string[] = [];
    const store = await open(redis, { warn: (message) => told.push(message) });
    const began = performance.now();
    await store.changes.start(() => {});
    assert.ok(performance.now() - began < 3_000);
    assert.equal(store.changes.lastHeardMs(), 0);
    await assertUnavailable(store);
    const attempts = store.attempts({ failures: 2, perMs: 60_000, blockMs: 60_000 });
    assert.deepEqual(await attempts.count('192.0.2.1'), { attempts: 1, blockedMs: 0 });
    await redis.start();
    await eventually(() => store.ping(), { withinMs: 2_000 });
    await eventually(() => assert.ok(store.changes.lastHeardMs() > 0), { withinMs: 2_000 });
    assert.equal(await store.keys.save(keyRecord(), 0), 'saved');
    assert.deepEqual(told, ['Redis is not reachable; trying until it is', 'Redis can be used again']);
  });

  it('a Redis that is killed and restarted is used again within 2 s, and the feed tells a reset', async () => {
    const redis = await serve();
    const store = await open(redis);
    const seen: Change[] = [];
    await store.changes.start((change) => seen.push(change));
    await store.limits.take([wanted]);
    await redis.kill();
    const killedMs = Date.now();
    await eventually(() => assert.rejects(store.ping(), StoreFault));
    await assertUnavailable(store);
    assert.ok(store.changes.lastHeardMs() <= killedMs, 'nothing is heard from a store that is away');
    assert.deepEqual(seen, [], 'what is cached may be used meanwhile');
    await redis.start();
    await eventually(() => store.ping(), { withinMs: 2_000 });
    await eventually(() => assert.ok(store.changes.lastHeardMs() > killedMs), { withinMs: 2_000 });
    assert.deepEqual(seen[0], { kind: 'reset' });
    assert.equal(await store.keys.save(keyRecord(), 0), 'saved');
    await eventually(() => assert.deepEqual(seen.at(-1), { kind: 'key', id: 'billing-job' }), { withinMs: 1_000 });
    assert.equal((await store.limits.take([wanted])).limits[0]?.remaining, 999);
  });

  it('a Redis that falls silent rejects within the timeout, is not heard from, and is used again within 2 s', async () => {
    const redis = await serve();
    const store = await open(redis);
    const seen: Change[] = [];
    await store.changes.start((change) => seen.push(change));
    await store.ping();
    redis.pause();
    const pausedMs = Date.now();
    await assertUnavailable(store);
    // By now the silent connection was given up, and new ones get no answer either.
    await eventually(() => assert.ok(Date.now() - pausedMs > 1_800));
    await assertUnavailable(store);
    assert.ok(store.changes.lastHeardMs() <= pausedMs);
    redis.resume();
    await eventually(() => store.ping(), { withinMs: 2_000 });
    await eventually(() => assert.ok(store.changes.lastHeardMs() > pausedMs), { withinMs: 2_000 });
    assert.ok(seen.some(({ kind }) => kind === 'reset'));
    await store.keys.save(keyRecord({ id: 'after-silence' }), 0);
    await eventually(() => assert.deepEqual(seen.at(-1), { kind: 'key', id: 'after-silence' }), { withinMs: 1_000 });
  });

  it('a Redis that comes back with an evicting policy is not used until that is cured', async () => {
    const redis = await serve();
    const told: string[] = [];
    const store = await open(redis, { warn: (message) => told.push(message) });
    await store.ping();
    await redis.restart({ 'maxmemory-policy': 'allkeys-random' });
    await eventually(() => assert.rejects(store.ping(), { name: 'StoreFault', message: /allkeys-random/ }));
    await assertUnavailable(store);
    assert.equal(told.filter((message) => message.includes('allkeys-random')).length, 1);
    await command(redis, 'CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    await eventually(() => store.ping(), { withinMs: 2_000 });
  });

  it('scripts that the server has forgotten are sent again, and nothing counts twice', async () => {
    const redis = await serve();
    const store = await open(redis, { timeoutMs: 2_000 });
    for (const remaining of [999, 998]) {
      assert.equal((await store.limits.take([wanted])).limits[0]?.remaining, remaining);
      await command(redis, 'SCRIPT', 'FLUSH');
    }
    await store.keys.save(keyRecord(), 0);
    await command(redis, 'SCRIPT', 'FLUSH');
    assert.notEqual(await store.keys.get('billing-job'), 'absent');
  });

  it('a Redis that is out of memory refuses a write whole and keeps answering', async () => {
    const redis = await serve();
    const store = await open(redis, { timeoutMs: 2_000 });
    const record = keyRecord();
    await store.keys.save(record, 0);
    await store.limits.take([wanted]);
    await command(redis, 'CONFIG', 'SET', 'maxmemory', '1');
    const changed = keyRecord({ revision: 2, status: 'revoked', secrets: [] });
    await assert.rejects(store.keys.save(changed, 1), StoreFault);
    await assert.rejects(store.limits.take([wanted], { id: 's', limit: 1, token: 't' }), StoreFault);
    assert.deepEqual(await store.keys.findByDigest(['digest-of-billing-job']), record);
    await command(redis, 'CONFIG', 'SET', 'maxmemory', '0');
    assert.deepEqual(await store.keys.countByState(0), { active: 1, expired: 0, disabled: 0, revoked: 0 });
    assert.equal((await store.limits.take([wanted], { id: 's', limit: 1, token: 'u' })).limits[0]?.remaining, 998);
  });

  it('a closed store lets the process end: nothing is left open', async () => {
    const redis = await serve();
    const store = await openStore(storeSettings(redis.url));
    await store.changes.start(() => {});
    await store.attempts({ failures: 1, perMs: 1_000, blockMs: 1_000 }).count('192.0.2.1');
    await store.close();
    await assert.rejects(store.ping(), StoreFault);
    await eventually(async () => {
      const clients = await command(redis, 'CLIENT', 'LIST');
      assert.doesNotMatch(String(clients), /name=portcullis/);
    });
  });
});
