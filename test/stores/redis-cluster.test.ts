// The store on a real Cluster while its slot moves, its node dies and another takes over.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { StoreFault } from '../../src/core/fault.ts';
import type { Change, LimitDemand, Store } from '../../src/core/ports.ts';
import { openStore } from '../../src/stores/open.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { backing, storeSettings } from '../support/backings.ts';
import { keyRecord } from '../support/key-records.ts';
import { startCluster, type TestCluster } from '../support/redis-cluster.ts';
import { tell } from '../support/redis.ts';
import { StoreLoad } from '../support/store-load.ts';
import { storeContracts } from './contracts.ts';

const LIMIT = 400;
const DEMAND: LimitDemand = {
  id: 'load',
  algorithm: 'fixed',
  requests: LIMIT,
  periodMs: 300 * 86_400_000,
  burst: LIMIT,
  cost: 1,
};
const OUTAGE = 'Redis is not reachable; trying until it is';
const RECOVERY = 'Redis can be used again';

describe('the store on a Cluster', () => {
  let cluster: TestCluster;
  const opened: Store[] = [];
  const loads: StoreLoad[] = [];
  before(async () => {
    cluster = await startCluster();
  });
  after(async () => {
    await Promise.allSettled(loads.map((load) => load.stop()));
    await Promise.all(opened.map((store) => store.close()));
    await cluster.dispose();
  });

  const open = async (prefix: string, warn: (message: string) => void = () => {}): Promise<Store> => {
    const store = await openStore(storeSettings(cluster.url, { prefix, timeoutMs: 1_000, warn }));
    opened.push(store);
    return store;
  };
  const startLoad = async (store: Store): Promise<StoreLoad> => {
    const load = new StoreLoad(store, DEMAND);
    loads.push(load);
    await load.start();
    return load;
  };
  /** How much of the limit is left. */
  const left = async (store: Store): Promise<number> => {
    const { limits, isAdmitted } = await store.limits.peek([DEMAND]);
    return isAdmitted ? (limits[0]?.remaining ?? 0) + 1 : 0;
  };
  const takeTheRest = async (store: Store): Promise<number> => {
    for (let admitted = 0; ; admitted += 1) {
      if (!(await store.limits.take([DEMAND])).isAdmitted) return admitted;
    }
  };

  storeContracts('cluster', () => Promise.resolve(backing('cluster', cluster.url, () => Promise.resolve())));

  it('a slot that moves under load: exactly the limit passes, no key is lost, a revocation is seen', async () => {
    const told: string[] = [];
    const store = await open('moving', (message) => told.push(message));
    const reader = await open('moving');
    const seen: Change[] = [];
    await reader.changes.start((change) => seen.push(change));
    const ids = Array.from({ length: 60 }, (_, index) => `key-${index}`);
    for (const id of ids) await store.keys.save(keyRecord({ id }), 0);
    const before = await cluster.ownerOf('moving');
    const load = await startLoad(store);

    await cluster.moveSlot('moving', async () => {
      // Some keys are here and some there: each is found, none is taken for absent.
      for (const id of ids)
        assert.notEqual(await store.keys.findByDigest([`nobody-${id}`, `digest-of-${id}`]), 'absent');
      assert.equal(await store.keys.findByDigest(['nobody']), 'absent');
      // Keys on two nodes cannot change in one step: refused whole, or done whole.
      const revoked = keyRecord({ id: 'key-0', revision: 2, status: 'revoked' });
      const outcome = await store.keys.save(revoked, 1).catch((fault: unknown) => fault);
      assert.ok(outcome === 'saved' || outcome instanceof StoreFault, String(outcome));
      const halfwayMs = Date.now();
      await eventually(() => assert.ok(reader.changes.lastHeardMs() > halfwayMs), { withinMs: 2_000 });
    });
    await eventually(async () => assert.notEqual(await cluster.ownerOf('moving'), before));
    await eventually(() => store.keys.save(keyRecord({ id: 'key-1', revision: 2, status: 'revoked' }), 1), {
      withinMs: 2_000,
    });
    await eventually(() => assert.ok(seen.some((change) => change.kind === 'key' && change.id === 'key-1')));
    // What was cached while the server changed is forgotten.
    await eventually(() => assert.ok(seen.some(({ kind }) => kind === 'reset')));
    const found = await store.keys.findByDigest(['digest-of-key-1']);
    assert.ok(found !== 'absent' && found.status === 'revoked');

    load.stopTaking();
    await load.stop();
    const admitted = load.admitted + (await takeTheRest(store));
    assert.ok(load.admitted > 0);
    // A take whose answer was lost may have counted; none counts too little.
    assert.ok(admitted <= LIMIT && admitted >= LIMIT - load.uncertain, `${admitted} passed`);
    assert.deepEqual(told, [OUTAGE, RECOVERY]);
    let listed = 0;
    for await (const { id } of store.keys.list()) listed += id.startsWith('key-') ? 1 : 0;
    assert.equal(listed, ids.length);
  });

  it('a node that is killed: its replica is used within 2 s of taking over, revoked keys stay so', async () => {
    const told: string[] = [];
    const store = await open('killed', (message) => told.push(message));
    const reader = await open('killed');
    const seen: Change[] = [];
    await reader.changes.start((change) => seen.push(change));
    await store.keys.save(keyRecord({ id: 'revoked' }), 0);
    const load = await startLoad(store);
    await eventually(() => assert.ok(load.admitted > 20));
    // Acknowledged once a replica has it, too.
    assert.equal(await store.keys.save(keyRecord({ id: 'revoked', revision: 2, status: 'revoked' }), 1), 'saved');
    const owner = await cluster.ownerOf('killed');
    await owner.kill();
    const killedMs = Date.now();
    await eventually(() => assert.rejects(store.ping(), StoreFault));
    load.stopTaking();
    await eventually(async () => assert.notEqual(await cluster.ownerOf('killed'), owner), { withinMs: 10_000 });
    await eventually(() => store.ping(), { withinMs: 2_000 });
    await eventually(() => assert.ok(reader.changes.lastHeardMs() > killedMs), { withinMs: 2_000 });
    await eventually(() => assert.ok(seen.some(({ kind }) => kind === 'reset')));
    const found = await store.keys.findByDigest(['digest-of-revoked']);
    assert.ok(found !== 'absent' && found.status === 'revoked');
    const { admitted, uncertain } = load;
    await load.stop();
    const lost = Math.max(0, admitted - (LIMIT - (await left(store))));
    const all = admitted + (await takeTheRest(store));
    assert.ok(all <= LIMIT + lost, `${all} passed, ${lost} of them were lost with the node`);
    assert.ok(all >= LIMIT - uncertain);
    // Beside them, changes may be told of that no replica confirmed while the nodes changed places.
    assert.deepEqual(
      told.filter((message) => message.startsWith('Redis ')),
      [OUTAGE, RECOVERY],
    );
    await owner.start();
    await eventually(async () => assert.match(String(await tell(owner, 'info', 'replication')), /link_status:up/), {
      withinMs: 10_000,
    });
  });

  it('a node that takes over is checked like the first: one that would evict keys is not used until cured', async () => {
    const told: string[] = [];
    const store = await open('checked', (message) => told.push(message));
    const owner = await cluster.ownerOf('checked');
    const replica = await cluster.replicaOf(owner);
    await tell(replica, 'config', 'set', 'maxmemory-policy', 'allkeys-lru');
    // The connection to the old primary stays open, and it goes on answering.
    await tell(replica, 'cluster', 'failover');
    await eventually(() =>
      assert.rejects(store.keys.findByDigest(['nobody']), {
        name: 'StoreFault',
        message: new RegExp(`127\\.0\\.0\\.1:${replica.port} would evict keys`),
      }),
    );
    await tell(replica, 'config', 'set', 'maxmemory-policy', 'noeviction');
    await eventually(() => store.keys.findByDigest(['nobody']), { withinMs: 2_000 });
    assert.deepEqual(
      told.map((message) => message.replace(/^Redis at .*maxmemory-policy is (\S+)\).*$/, '$1')),
      [OUTAGE, 'allkeys-lru', RECOVERY],
    );
  });

  it('a single-server URL of one of its nodes is refused where another has the keys', async () => {
    const owner = await cluster.ownerOf('single');
    const other = await cluster.anotherThan(owner);
    await assert.rejects(openStore(storeSettings(other.url, { prefix: 'single' })), {
      name: 'UserFault',
      message: /is a node of a Cluster.*write redis\+cluster:\/\/127/,
    });
    const store = await openStore(storeSettings(owner.url, { prefix: 'single' }));
    await store.ping();
    await store.close();
  });
});
