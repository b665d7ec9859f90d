// What only the Redis key store has to keep to: what others may write into Redis, and where its keys are.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { Redis } from 'ioredis';
import { BOUNDS } from '../../src/core/bounds.ts';
import type { Store } from '../../src/core/ports.ts';
import { openStore } from '../../src/stores/open.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { storeSettings } from '../support/backings.ts';
import { keyRecord } from '../support/key-records.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

describe('key records in Redis', () => {
  let redis: TestRedis;
  let client: Redis;
  let store: Store;
  let told: string[] = [];
  const record = keyRecord();

  before(async () => {
    redis = await startRedis();
    client = new Redis(redis.url);
    store = await openStore(storeSettings(redis.url, { warn: (message) => told.push(message) }));
  });
  after(async () => {
    client.disconnect();
    await store.close();
    await redis.dispose();
  });
  beforeEach(async () => {
    await client.flushdb();
    await store.keys.save(record, 0);
    told = [];
  });

  const call = ([name = '', ...words]: readonly string[]): Promise<unknown> => client.call(name, ...words);

  async function bytesSent(): Promise<number> {
    return Number(/total_net_output_bytes:(\d+)/.exec(await client.info('stats'))?.[1]);
  }

  const spoiled: Readonly<Record<string, string>> = {
    'no JSON': '{"id":',
    'no object': '[]',
    null: 'null',
    'a field missing': JSON.stringify({ ...record, mac: undefined }),
    'a field of another type': JSON.stringify({ ...record, scopes: '*' }),
    'a status that is none': JSON.stringify({ ...record, status: 'root' }),
    'a time that is no whole number': JSON.stringify({ ...record, expiresAt: 1.5 }),
    'an id that is none': JSON.stringify({ ...record, id: '../x' }),
    'more than a record may take': JSON.stringify({ ...record, name: 'x'.repeat(BOUNDS.recordBytes) }),
  };
  for (const [what, text] of Object.entries(spoiled))
    it(`a record that cannot be read (${what}) counts as absent and is told`, async () => {
      await client.set('{test}:key:billing-job', text);
      assert.equal(await store.keys.get('billing-job'), 'absent');
      assert.equal(await store.keys.findByDigest(['digest-of-billing-job']), 'absent');
      for await (const listed of store.keys.list()) assert.fail(listed.id);
      assert.equal(told.length, 3);
    });

  it('what is far too long to be a record counts as absent, is told, and never leaves Redis', async () => {
    await client.set('{test}:key:billing-job', 'x'.repeat(8 * BOUNDS.recordBytes));
    await client.set('{test}:digest:long', 'x'.repeat(8 * BOUNDS.recordBytes));
    const before = await bytesSent();
    assert.equal(await store.keys.get('billing-job'), 'absent');
    assert.equal(await store.keys.findByDigest(['digest-of-billing-job', 'long']), 'absent');
    for await (const listed of store.keys.list()) assert.fail(listed.id);
    assert.ok((await bytesSent()) - before < BOUNDS.recordBytes);
    assert.ok(told.length >= 3);
    assert.equal(await store.keys.save(record, 0), 'saved');
  });

  it('a record that is as long as it may be is read, whatever its characters', async () => {
    const long = keyRecord({ id: 'long', name: '€'.repeat(500_000) });
    assert.ok(Buffer.byteLength(JSON.stringify(long)) > BOUNDS.recordBytes);
    await store.keys.save(long, 0);
    assert.deepEqual(await store.keys.findByDigest(['digest-of-long']), long);
  });

  it('many long records are listed in batches that are not long, and none is left out', async () => {
    const ids = Array.from({ length: 8 }, (_, at) => `long-${at}`);
    for (const id of ids) await store.keys.save(keyRecord({ id, name: 'x'.repeat(900_000) }), 0);
    const listed: string[] = [];
    for await (const { id } of store.keys.list()) listed.push(id);
    assert.deepEqual(listed, ['billing-job', ...ids]);
  });

  it('ids that somebody else has put out of order are told, not listed without end', async () => {
    // Redis looks for those behind `a` from the first one on.
    const ids = [...Array.from({ length: BOUNDS.listBatch - 1 }, (_, at) => `m${at}`), 'a', 'z'];
    await client.del('{test}:ids');
    await client.zadd('{test}:ids', ...ids.flatMap((id, at) => [at, id]));
    const listing = async () => {
      for await (const { id } of store.keys.list()) assert.ok(id);
    };
    await assert.rejects(listing, { name: 'StoreFault', namesCure: true, message: /not in order/ });
  });

  it('a record that may not be read is no absent one, also before anything is known of the store', async () => {
    await call(['ACL', 'SETUSER', 'default', '-get']);
    try {
      await assert.rejects(store.keys.get('billing-job'), { name: 'StoreFault' });
      await assert.rejects(store.keys.findByDigest(['digest-of-billing-job']), { name: 'StoreFault' });
    } finally {
      await call(['ACL', 'SETUSER', 'default', '+get']);
    }
  });

  it('a record of another Redis type counts as absent and can be written over', async () => {
    await client.del('{test}:key:billing-job');
    await client.rpush('{test}:key:billing-job', 'x');
    assert.equal(await store.keys.get('billing-job'), 'absent');
    assert.equal(await store.keys.findByDigest(['digest-of-billing-job']), 'absent');
    assert.equal(await store.keys.save(record, 0), 'saved');
    assert.deepEqual(await store.keys.get('billing-job'), record);
  });

  const refusals: Readonly<Record<string, readonly [breaks: string[], heals: string[]]>> = {
    'the stream of changes is of another type': [
      ['SET', '{test}:changes', 'x'],
      ['DEL', '{test}:changes'],
    ],
    'the set of ids is of another type': [
      ['SET', '{test}:ids', 'x'],
      ['DEL', '{test}:ids'],
    ],
    'the set of revoked keys is of another type': [
      ['SET', '{test}:status:revoked', 'x'],
      ['DEL', '{test}:status:revoked'],
    ],
    'the user may not add to a stream': [
      ['ACL', 'SETUSER', 'default', '-xadd'],
      ['ACL', 'SETUSER', 'default', '+xadd'],
    ],
    'the user may not add to a set': [
      ['ACL', 'SETUSER', 'default', '-zadd'],
      ['ACL', 'SETUSER', 'default', '+zadd'],
    ],
  };
  for (const [what, [breaks, heals]] of Object.entries(refusals))
    it(`a change that is refused halfway (${what}) leaves the key as it was, and is told when it is made`, async () => {
      const changed = keyRecord({ revision: 2, status: 'revoked' });
      await call(breaks);
      try {
        await assert.rejects(store.keys.save(changed, 1), { name: 'StoreFault', namesCure: true });
        assert.deepEqual(await store.keys.get('billing-job'), record);
      } finally {
        await call(heals);
      }
      const before = await client.xlen('{test}:changes');
      assert.equal(await store.keys.save(changed, 1), 'saved');
      assert.equal(await client.xlen('{test}:changes'), before + 1);
      assert.deepEqual(await store.keys.get('billing-job'), changed);
    });

  it("another key's record under an id is not that key's", async () => {
    await client.set('{test}:key:other', JSON.stringify(record));
    assert.equal(await store.keys.get('other'), 'absent');
    assert.equal(told.length, 1);
  });

  it('a digest that was led to a key by others does not open that key', async () => {
    await client.set('{test}:digest:stolen', 'billing-job');
    assert.equal(await store.keys.findByDigest(['stolen']), 'absent');
    assert.equal(told.length, 1);
    await client.set('{test}:digest:nowhere', 'nobody');
    assert.equal(await store.keys.findByDigest(['nowhere']), 'absent');
  });

  it('fields that a record does not have are not passed on', async () => {
    await client.set('{test}:key:billing-job', JSON.stringify({ ...record, isAdmin: true }));
    assert.deepEqual(await store.keys.get('billing-job'), record);
  });

  it('the log of changes is bounded', async () => {
    const batch = client.pipeline();
    for (let entry = 0; entry < 12_000; entry += 1) batch.xadd('{test}:changes', '*', 'number', entry, 'id', 'x');
    await batch.exec();
    await store.keys.save(keyRecord({ id: 'next' }), 0);
    assert.ok((await client.xlen('{test}:changes')) < 10_200);
  });
});

describe('the Redis store on a Cluster node', () => {
  it('every key it touches is in one slot, and all but records carry a TTL', async () => {
    const redis = await startRedis({ config: { 'cluster-enabled': 'yes', 'cluster-node-timeout': '500' } });
    const client = new Redis(redis.url);
    const store = await openStore(storeSettings(redis.url, { prefix: 'edge.eu-1' }));
    try {
      await client.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
      await eventually(() => store.ping());
      await store.keys.save(keyRecord(), 0);
      await store.keys.save(keyRecord({ revision: 2, secrets: [] }), 1);
      await store.keys.save(keyRecord({ id: 'second', status: 'disabled' }), 0);
      await store.keys.save(keyRecord({ id: 'third', status: 'revoked' }), 0);
      await store.keys.findByDigest(['digest-of-second', 'digest-of-third', 'none']);
      for await (const { id } of store.keys.list()) assert.ok(id);
      await store.keys.countByState(0);
      const shared = { id: 'plan/free/x:key:a', requests: 5, periodMs: 60_000, burst: 5, cost: 1 };
      const demands = (['fixed', 'sliding', 'bucket'] as const).map((algorithm) => ({ ...shared, algorithm }));
      assert.equal((await store.limits.take(demands, { id: 'seats', limit: 1, token: 't' })).isAdmitted, true);
      await store.limits.renew([
        { id: 'seats', token: 't' },
        { id: 'other-seats', token: 't' },
      ]);
      const attempts = store.attempts({ failures: 2, perMs: 1_500, blockMs: 500 });
      await attempts.count('203.0.113.9');
      await attempts.forgive('203.0.113.8');
      await attempts.block('20010db800000000/64', 500);
      const names = await client.keys('*');
      const slots = new Set<unknown>();
      const isKept = /^\{edge\.eu-1\}:(?:key:|digest:|ids$|status:|changes$|epoch$)/;
      for (const name of names) {
        slots.add(await client.call('CLUSTER', 'KEYSLOT', name));
        const ttl = await client.pttl(name);
        assert.ok(isKept.test(name) ? ttl === -1 : ttl > 0, `${name} has a TTL of ${ttl} ms`);
      }
      assert.equal(slots.size, 1);
      assert.equal(names.filter((name) => !isKept.test(name)).length, 8);
    } finally {
      client.disconnect();
      await store.close();
      await redis.dispose();
    }
  });
});
