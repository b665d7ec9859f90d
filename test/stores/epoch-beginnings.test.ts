// Where a store's epoch comes from, beside earlier versions of this program that know of none, and what else befalls the
// stream of changes.
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { after, before, beforeEach, describe, it } from 'node:test';
import { Redis } from 'ioredis';
import type { Change, Lineage, Store } from '../../src/core/ports.ts';
import { openStore } from '../../src/stores/open.ts';
import { KEYS_SCHEMA } from '../../src/stores/sqlite-keys.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { storeSettings } from '../support/backings.ts';
import { keyRecord } from '../support/key-records.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const EPOCH = '{test}:epoch';
const STREAM = '{test}:changes';

describe('the epoch of a Redis', () => {
  let redis: TestRedis;
  let client: Redis;
  let told: string[];
  let stores: Store[] = [];
  before(async () => {
    redis = await startRedis({ config: { 'enable-debug-command': 'yes' } });
    client = new Redis(redis.url);
  });
  beforeEach(async () => {
    await Promise.all(stores.map((store) => store.close()));
    stores = [];
    told = [];
    await client.flushall();
  });
  after(async () => {
    await Promise.all(stores.map((store) => store.close()));
    client.disconnect();
    await redis.dispose();
  });

  const open = async (): Promise<Store> => {
    const store = await openStore(storeSettings(redis.url));
    stores.push(store);
    return store;
  };
  const follow = async (lineage?: Lineage): Promise<{ store: Store; seen: Change[] }> => {
    const warn = (message: string) => void told.push(message);
    const store = await openStore(storeSettings(redis.url, { warn, ...(lineage && { lineage }) }));
    stores.push(store);
    const seen: Change[] = [];
    await store.changes.start((change) => seen.push(change));
    return { store, seen };
  };
  const reaches = (store: Store, generation: number) =>
    eventually(() => assert.equal(store.lineage()?.generation, generation), { withinMs: 2_000 });

  it('a command makes it with its first change, and none before', async () => {
    const { keys } = await open();
    for await (const { id } of keys.list()) assert.fail(id);
    assert.equal(await keys.get('a'), 'absent');
    assert.equal(await client.get(EPOCH), null);
    assert.equal(await keys.save(keyRecord(), 0), 'saved');
    const epoch = await client.get(EPOCH);
    assert.match(epoch ?? '', /^[0-9a-f]{32}$/);
    assert.equal((await follow()).store.lineage()?.epoch, epoch);
  });

  it('a store of an earlier version gets it at first contact, and what runs beside writes on', async () => {
    await client.xadd(STREAM, '*', 'number', 7, 'id', 'old');
    const { store, seen } = await follow();
    assert.equal(store.lineage()?.generation, 7);
    assert.equal(store.lineage()?.epoch, await client.get(EPOCH));
    await client.xadd(STREAM, '*', 'number', 8, 'id', 'beside');
    await reaches(store, 8);
    await store.keys.save(keyRecord(), 0);
    await reaches(store, 9);
    assert.deepEqual(seen, [
      { kind: 'key', id: 'beside' },
      { kind: 'key', id: 'billing-job' },
    ]);
    assert.deepEqual(told, []);
  });

  it('an epoch alone that is lost is given again: the last change says that it is the known store', async () => {
    const { store } = await follow();
    await store.keys.save(keyRecord(), 0);
    await reaches(store, 1);
    const epoch = await client.get(EPOCH);
    await client.del(EPOCH);
    await eventually(async () => assert.equal(await client.get(EPOCH), epoch), { withinMs: 2_000 });
    assert.notEqual(await store.keys.get('billing-job'), 'absent');
    assert.deepEqual(told, []);
  });

  it('a server that loaded what it had saved is the known store', async () => {
    const { store } = await follow();
    await store.keys.save(keyRecord(), 0);
    await reaches(store, 1);
    await client.call('DEBUG', 'RELOAD');
    await store.keys.save(keyRecord({ id: 'after' }), 0);
    await reaches(store, 2);
    assert.deepEqual(told, []);
  });

  it('changes that were trimmed away while nobody looked are no reason for doubt', async () => {
    const { store } = await follow();
    await store.keys.save(keyRecord(), 0);
    await reaches(store, 1);
    const lineage = store.lineage();
    await store.close();
    for (const number of [2, 3, 4]) await client.xadd(STREAM, '*', 'number', number, 'id', `id-${number}`);
    await client.xtrim(STREAM, 'MAXLEN', 2);
    const { store: other } = await follow(lineage);
    assert.equal(other.lineage()?.generation, 4);
    assert.deepEqual(told, []);
  });

  const broken: Readonly<Record<string, () => Promise<unknown>>> = {
    'gone alone': () => client.del(STREAM),
    'an older one': () => client.multi().del(STREAM).xadd(STREAM, '1-1', 'number', 1, 'id', 'old').exec(),
    'begun again and as long': () =>
      client.multi().del(STREAM).xadd(STREAM, '*', 'number', 1, 'id', 'billing-job', 'mark', 'another').exec(),
  };
  for (const [what, breakIt] of Object.entries(broken))
    it(`a stream of changes that is not the one that was read (${what}) is noticed at once`, async () => {
      const { store } = await follow();
      await store.keys.save(keyRecord(), 0);
      await reaches(store, 1);
      await breakIt();
      await assert.rejects(store.keys.findByDigest(['digest-of-billing-job']), { name: 'StoreFault' });
      await eventually(() => assert.match(told.join('\n'), /^The store is not the one/), { withinMs: 2_000 });
    });
});

describe('the epoch of a SQLite file', () => {
  it('a file of an earlier version gets it when it is opened; what that version writes beside is marked, too', async () => {
    await using dir = await makeTempDir();
    const earlier = new DatabaseSync(dir.file('earlier.db'));
    earlier.exec(`PRAGMA journal_mode = WAL; CREATE TABLE schema_version (version INTEGER NOT NULL) STRICT;
      INSERT INTO schema_version VALUES (1); ${KEYS_SCHEMA}`);
    const add = earlier.prepare('INSERT INTO changes (key_id) VALUES (?)');
    add.run('old');
    const told: string[] = [];
    const warn = (message: string) => void told.push(message);
    const store = await openStore(storeSettings(`sqlite:${dir.file('earlier.db')}`, { warn }));
    const seen: Change[] = [];
    await store.changes.start((change) => seen.push(change));
    const { epoch, generation } = store.lineage() ?? {};
    assert.match(epoch ?? '', /^[0-9a-f]{32}$/);
    assert.equal(generation, 1);
    add.run('beside');
    await eventually(() => assert.match(store.lineage()?.mark ?? '', /^beside [0-9a-f]{16}$/), { withinMs: 2_000 });
    assert.equal(await store.keys.save(keyRecord(), 0), 'saved');
    await eventually(() => assert.equal(store.lineage()?.generation, 3), { withinMs: 2_000 });
    assert.deepEqual(seen, [
      { kind: 'key', id: 'beside' },
      { kind: 'key', id: 'billing-job' },
    ]);
    await store.close();
    const again = await openStore(storeSettings(`sqlite:${dir.file('earlier.db')}`, { warn }));
    await again.changes.start(() => {});
    assert.equal(again.lineage()?.epoch, epoch);
    await again.close();
    earlier.close();
    assert.deepEqual(told, []);
  });
});
