// What the start says of the store that it takes, and what shows there of one that was damaged before.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { sayTaken } from '../../src/compose/taken-store.ts';
import { openStore } from '../../src/stores/open.ts';
import { storeSettings } from '../support/backings.ts';
import { startRedis, tell, type TestRedis } from '../support/redis.ts';
import { changeKeys } from '../support/store-histories.ts';

describe('the store that a gateway takes at its start', () => {
  let redis: TestRedis;
  before(async () => {
    redis = await startRedis();
  });
  beforeEach(async () => {
    await tell(redis, 'flushall');
    await changeKeys(redis.url, 'key', 3);
  });
  after(() => redis.dispose());

  const said = async (): Promise<string[]> => {
    const lines: string[] = [];
    const store = await openStore(storeSettings(redis.url));
    const note = (level: string) => (message: string, fields?: Record<string, unknown>) =>
      void lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
    await store.changes.start(() => {});
    await sayTaken(store, { info: note('info'), warn: note('warn') });
    await store.close();
    return lines;
  };

  it('its epoch, generation and keys are said', async () => {
    const [line, ...more] = await said();
    assert.match(
      line ?? '',
      /^info the store is taken as it is \{"epoch":"[0-9a-f]{32}","generation":3,"keys":\{"active":3,"expired":0,/,
    );
    assert.deepEqual(more, []);
  });

  it('one whose keys were deleted is told of', async () => {
    for (const status of ['active', 'disabled', 'revoked']) await tell(redis, 'del', `{test}:status:${status}`);
    assert.match(
      (await said())[1] ?? '',
      /^warn the store has a history of changes but holds no key: .*restore a backup/,
    );
  });

  it('one whose history was deleted is told of', async () => {
    await tell(redis, 'del', '{test}:changes');
    assert.match((await said())[1] ?? '', /^warn the store holds keys but no history of changes: .*restore a backup/);
  });

  it('an empty one is no damage', async () => {
    await tell(redis, 'flushall');
    assert.equal((await said()).length, 1);
  });
});
