// The change feed on Redis where its stream is not what it was.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Redis } from 'ioredis';
import type { Change, Store } from '../../src/core/ports.ts';
import { openStore } from '../../src/stores/open.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { storeSettings } from '../support/backings.ts';
import { keyRecord } from '../support/key-records.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

const STREAM = '{test}:changes';

describe('the change feed where changes may have been missed', () => {
  let redis: TestRedis;
  let client: Redis;
  let store: Store;
  let seen: Change[];
  let count = 0;

  before(async () => {
    redis = await startRedis();
    client = new Redis(redis.url);
    store = await openStore(storeSettings(redis.url));
    seen = [];
    await store.changes.start((change) => seen.push(change));
  });
  after(async () => {
    client.disconnect();
    await store.close();
    await redis.dispose();
  });

  const save = async (): Promise<string> => {
    const id = `key-${(count += 1)}`;
    await store.keys.save(keyRecord({ id }), 0);
    return id;
  };
  const assertFollows = async (): Promise<void> => {
    const id = await save();
    await eventually(() => assert.deepEqual(seen.at(-1), { kind: 'key', id }), { withinMs: 5_000 });
  };
  const resets = () => seen.filter(({ kind }) => kind === 'reset').length;

  it('changes trimmed away before they were read are a reset', async () => {
    await assertFollows();
    const before = resets();
    const [[, fields] = ['', []]] = await client.xrevrange(STREAM, '+', '-', 'COUNT', 1);
    const number = Number(fields[1]);
    await client
      .multi()
      .xadd(STREAM, '*', 'number', number + 1, 'id', 'one')
      .xadd(STREAM, '*', 'number', number + 2, 'id', 'two')
      .xtrim(STREAM, 'MAXLEN', 1)
      .exec();
    await eventually(() => assert.equal(resets(), before + 1), { withinMs: 5_000 });
    await assertFollows();
  });

  it('an entry that is not a change is a reset', async () => {
    await assertFollows();
    const before = resets();
    await client.xadd(STREAM, '*', 'hello', 'world');
    await eventually(() => assert.equal(resets(), before + 1), { withinMs: 5_000 });
  });

  it('a connection that was cut is made anew, with a reset', async () => {
    const before = resets();
    await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await eventually(() => assert.equal(resets(), before + 1), { withinMs: 2_000 });
    await eventually(() => store.ping(), { withinMs: 2_000 });
    await assertFollows();
  });

  it('a stream that cannot be read is told once, not heard from, and taken up when it can', async () => {
    const told: string[] = [];
    const other = await openStore(storeSettings(redis.url, { prefix: 'odd', warn: (message) => told.push(message) }));
    await client.set('{odd}:changes', 'a text');
    const live = other.changes.start(() => {});
    await eventually(() => assert.deepEqual(told, ['The change feed cannot be read; trying until it can']));
    assert.equal(other.changes.lastHeardMs(), 0);
    await client.del('{odd}:changes');
    await live;
    await eventually(() => assert.ok(other.changes.lastHeardMs() > 0), { withinMs: 5_000 });
    assert.equal(told.length, 1);
    await other.close();
  });
});
