// A replica that takes over: what was acknowledged and that it lacks is noticed; what nobody confirmed, and nothing at
// all, is not held against it.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Store } from '../../src/core/ports.ts';
import { openStore } from '../../src/stores/open.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { storeSettings } from '../support/backings.ts';
import { keyRecord } from '../support/key-records.ts';
import { startRedis, tell, type TestRedis } from '../support/redis.ts';

const WITHIN_2_S = { withinMs: 2_000 };

describe('a replica that takes over', () => {
  let primary: TestRedis;
  let replica: TestRedis;
  let store: Store;
  let told: string[];
  beforeEach(async () => {
    told = [];
    const config = { 'repl-diskless-sync-delay': '0' };
    [primary, replica] = await Promise.all([startRedis({ config }), startRedis({ config })]);
    await follow(replica, primary);
    store = await openStore(storeSettings(primary.url, { warn: (message) => told.push(message), timeoutMs: 1_000 }));
    await store.changes.start(() => {});
    await store.keys.save(keyRecord(), 0);
    await reaches(1);
  });
  afterEach(async () => {
    await store.close();
    await Promise.all([primary.dispose(), replica.dispose()]);
  });

  const follow = async (one: TestRedis, other: TestRedis): Promise<void> => {
    await tell(one, 'replicaof', '127.0.0.1', String(other.port));
    await eventually(async () => assert.match(String(await tell(one, 'info', 'replication')), /link_status:up/));
    // A primary waits for those replicas alone that it knows to be there, which is a moment later.
    await eventually(async () => assert.match(String(await tell(other, 'info', 'replication')), /state=online/));
  };
  const reaches = (generation: number) =>
    eventually(() => assert.equal(store.lineage()?.generation, generation), WITHIN_2_S);
  /** The server at the primary's address goes on with what the replica has. */
  const takeOver = async (): Promise<void> => {
    await tell(replica, 'replicaof', 'no', 'one');
    await follow(primary, replica);
    await tell(primary, 'replicaof', 'no', 'one');
  };
  const doubts = () => told.filter((message) => message.startsWith('The store is not the one'));
  const found = () => store.keys.findByDigest(['digest-of-billing-job']);

  it('with all that was acknowledged: believed within 2 s', async () => {
    await takeOver();
    await eventually(async () => assert.notEqual(await found(), 'absent'), WITHIN_2_S);
    const nowMs = Date.now();
    await eventually(() => assert.ok(store.changes.lastHeardMs() > nowMs), WITHIN_2_S);
    assert.deepEqual(doubts(), []);
  });

  it('without a revocation that was acknowledged: not believed', async () => {
    await tell(replica, 'replicaof', 'no', 'one');
    await eventually(async () =>
      assert.match(String(await tell(primary, 'info', 'replication')), /connected_slaves:0/),
    );
    await store.keys.save(keyRecord({ revision: 2, status: 'revoked' }), 1);
    await reaches(2);
    await takeOver();
    await eventually(
      () => assert.match(doubts().join('\n'), /a replica took over that had not received them/),
      WITHIN_2_S,
    );
    await assert.rejects(found(), { name: 'StoreFault' });
  });

  it('without a change that no replica had confirmed: believed within 2 s', async () => {
    await tell(replica, 'save');
    replica.pause();
    await store.keys.save(keyRecord({ id: 'unconfirmed' }), 0);
    assert.match(told.join('\n'), /no replica of Redis has confirmed it/);
    const nowMs = Date.now();
    await eventually(() => assert.ok(store.changes.lastHeardMs() > nowMs), WITHIN_2_S);
    assert.equal(store.lineage()?.generation, 1);
    // Whoever takes the feed up anew has no more reason to believe in that change.
    const feed = /id=(\d+) [^\n]*name=portcullis-changes /;
    const [, before] = feed.exec(String(await tell(primary, 'client', 'list')))!;
    await tell(primary, 'client', 'kill', 'id', before!);
    const killedMs = Date.now();
    await eventually(async () =>
      assert.notEqual(feed.exec(String(await tell(primary, 'client', 'list')))?.[1] ?? before, before),
    );
    await eventually(() => assert.ok(store.changes.lastHeardMs() > killedMs), WITHIN_2_S);
    assert.equal(store.lineage()?.generation, 1);
    await primary.kill();
    // What still waited in the replica's socket is lost with it.
    await replica.restart();
    await primary.start({ replicaof: `127.0.0.1 ${replica.port}` });
    await eventually(async () => assert.match(String(await tell(primary, 'info', 'replication')), /link_status:up/));
    await tell(primary, 'replicaof', 'no', 'one');
    await eventually(async () => assert.notEqual(await found(), 'absent'), WITHIN_2_S);
    assert.equal(await store.keys.get('unconfirmed'), 'absent');
    assert.deepEqual(doubts(), []);
  });
});
