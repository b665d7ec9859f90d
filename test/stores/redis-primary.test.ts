// A server that serves no longer, but goes on answering, is not believed: it does not know of the keys that were
// revoked elsewhere since.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Store } from '../../src/core/ports.ts';
import { openStore } from '../../src/stores/open.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { storeSettings } from '../support/backings.ts';
import { keyRecord } from '../support/key-records.ts';
import { PRIMARY, startSentinel } from '../support/redis-sentinel.ts';
import { startRedis, tell, type TestRedis } from '../support/redis.ts';

describe('a primary', () => {
  let redis: TestRedis;
  let other: TestRedis;
  let store: Store;
  let told: string[] = [];
  before(async () => {
    [redis, other] = await Promise.all([startRedis({ config: { 'repl-diskless-sync-delay': '0' } }), startRedis()]);
    store = await openStore(storeSettings(redis.url, { warn: (message) => told.push(message) }));
    await store.keys.save(keyRecord(), 0);
    await store.changes.start(() => {});
  });
  after(async () => {
    await store.close();
    await Promise.all([redis.dispose(), other.dispose()]);
  });

  const find = () => store.keys.findByDigest(['digest-of-billing-job']);
  const assertBelievedAgain = async (): Promise<void> => {
    await eventually(find, { withinMs: 2_000 });
    const nowMs = Date.now();
    await eventually(() => assert.ok(store.changes.lastHeardMs() >= nowMs), { withinMs: 2_000 });
  };

  it('that was demoted, its connections still open, is not asked for keys and not heard from', async () => {
    told = [];
    await tell(redis, 'replicaof', '127.0.0.1', '1');
    const demotedMs = Date.now();
    await assert.rejects(find(), { name: 'StoreFault', message: /READONLY/ });
    await eventually(() => assert.ok(Date.now() - demotedMs > 600));
    assert.ok(store.changes.lastHeardMs() <= demotedMs);
    await assert.rejects(find(), { name: 'StoreFault' });
    await tell(redis, 'replicaof', 'no', 'one');
    await assertBelievedAgain();
    assert.deepEqual(told, ['Redis is not reachable; trying until it is', 'Redis can be used again']);
  });

  it('that lacks the replicas it must have is not asked for keys and not heard from', async () => {
    told = [];
    await tell(redis, 'config', 'set', 'min-replicas-to-write', '1');
    const cutOffMs = Date.now();
    await assert.rejects(find(), { name: 'StoreFault', message: /NOREPLICAS/ });
    await eventually(() => assert.ok(Date.now() - cutOffMs > 600));
    assert.ok(store.changes.lastHeardMs() <= cutOffMs);
    await store.ping();
    await tell(redis, 'config', 'set', 'min-replicas-to-write', '0');
    await assertBelievedAgain();
    assert.deepEqual(told, ['The change feed cannot be read; trying until it can']);
  });

  it('whose replica confirms nothing still takes a change, and that is told', async () => {
    await tell(other, 'replicaof', '127.0.0.1', String(redis.port));
    await eventually(async () => assert.match(String(await tell(redis, 'info', 'replication')), /state=online/));
    told = [];
    assert.equal(await store.keys.save(keyRecord({ id: 'confirmed' }), 0), 'saved');
    assert.deepEqual(told, []);
    other.pause();
    try {
      assert.equal(await store.keys.save(keyRecord({ id: 'unconfirmed' }), 0), 'saved');
      assert.match(told.join('\n'), /^a key was changed, but no replica of Redis has confirmed it[^\n]*$/);
      // Nobody else waits for the replica.
      assert.notEqual(await find(), 'absent');
    } finally {
      other.resume();
    }
  });
});

describe('a primary behind a Sentinel', () => {
  it('that has lost its replicas still takes a change, and that is told: one of them may take over without it', async () => {
    await using scene = new AsyncDisposableStack();
    const redis = await startRedis();
    scene.defer(() => redis.dispose());
    const sentinel = await startSentinel(redis, { quorum: 1 });
    scene.defer(() => sentinel.dispose());
    const told: string[] = [];
    const url = `redis+sentinel://127.0.0.1:${sentinel.port}/${PRIMARY}`;
    const store = await openStore(storeSettings(url, { warn: (message) => told.push(message) }));
    scene.defer(() => store.close());
    assert.equal(await store.keys.save(keyRecord(), 0), 'saved');
    assert.match(told.join('\n'), /^a key was changed, but no replica of Redis has confirmed it/);
  });
});
