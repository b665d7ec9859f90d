// A URL that does not fit what stands there: one clear sentence with the cure, at the start.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Store } from '../../src/core/ports.ts';
import { openStore } from '../../src/stores/open.ts';
import type { Warn } from '../../src/stores/settings.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { freePort } from '../support/acceptance-ports.ts';
import { storeSettings } from '../support/backings.ts';
import { startRedis, tell, type TestRedis } from '../support/redis.ts';
import { PRIMARY, startSentinel, type TestSentinel } from '../support/redis-sentinel.ts';

describe('a store URL and what stands there', { concurrency: true }, () => {
  let plain: TestRedis;
  let node: TestRedis;
  let locked: TestRedis;
  let sentinel: TestSentinel;
  let lockedSentinel: TestSentinel;
  const opened: Store[] = [];
  const open = async (url: string, warn: Warn = () => {}): Promise<Store> => {
    const store = await openStore(storeSettings(url, { warn }));
    opened.push(store);
    return store;
  };
  before(async () => {
    [plain, node, locked] = await Promise.all([
      startRedis(),
      startRedis({ config: { 'cluster-enabled': 'yes', 'cluster-node-timeout': '500' } }),
      startRedis({ config: { requirepass: 'secret', masterauth: 'secret' } }),
    ]);
    [sentinel, lockedSentinel] = await Promise.all([
      startSentinel(plain, { quorum: 1 }),
      startSentinel(locked, { quorum: 1, lines: [`sentinel auth-pass ${PRIMARY} secret`, 'requirepass secret'] }),
    ]);
  });
  after(async () => {
    await Promise.all(opened.map((store) => store.close()));
    await Promise.all([plain, node, locked, sentinel, lockedSentinel].map((server) => server.dispose()));
  });

  const refused: Readonly<Record<string, readonly [url: () => string, message: RegExp]>> = {
    'Sentinels that do not know the name': [
      () => `redis+sentinel://127.0.0.1:${sentinel.port}/other`,
      /^store\.url does not fit: the Sentinel at 127\.0\.0\.1:\d+ knows no primary of the name other; write the name/,
    ],
    'a Redis in the place of a Sentinel': [
      () => `redis+sentinel://127.0.0.1:${plain.port}/${PRIMARY}`,
      /127\.0\.0\.1:\d+ is no Sentinel; write redis:\/\/127\.0\.0\.1:\d+ for a single Redis/,
    ],
    'a Redis that is in no Cluster': [
      () => `redis+cluster://127.0.0.1:${plain.port}`,
      /is no node of a Cluster \(cluster mode is off\); write redis:\/\/127/,
    ],
    'a Redis behind Sentinels with another password': [
      () => `redis+sentinel://:wrong@127.0.0.1:${lockedSentinel.port}/${PRIMARY}`,
      /refuses the credentials in store\.url/,
    ],
    'a Redis behind Sentinels that asks for a password': [
      () => `redis+sentinel://127.0.0.1:${lockedSentinel.port}/${PRIMARY}`,
      /refuses the credentials in store\.url/,
    ],
  };
  for (const [what, [url, message]] of Object.entries(refused))
    it(`${what}: refused, with the cure`, async () => {
      const began = performance.now();
      await assert.rejects(openStore(storeSettings(url())), (error: Error) => {
        assert.equal(error.name, 'UserFault');
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /wrong@|secret/);
        return true;
      });
      assert.ok(performance.now() - began < 1_900, 'nobody waits for what will not change');
    });

  it('Sentinels that ask for a password are offered the one for Redis', async () => {
    const store = await open(`redis+sentinel://:secret@127.0.0.1:${lockedSentinel.port}/${PRIMARY}`);
    await store.ping();
  });

  it('no Sentinel that can be reached: told with the cure, and used as soon as there is one', async () => {
    const port = await freePort();
    const told: unknown[] = [];
    const url = `redis+sentinel://127.0.0.1:${port}/${PRIMARY}`;
    const store = await open(url, (_, fields) => told.push(fields?.['error']));
    assert.match(String(told[0]), /no Sentinel at 127\.0\.0\.1:\d+ can be reached \(.*\); start one, or correct/);
    await assert.rejects(store.ping(), { name: 'StoreFault', message: /no Sentinel at/ });
    const late = await startSentinel(plain, { quorum: 1, port });
    try {
      await eventually(() => store.ping(), { withinMs: 2_000 });
    } finally {
      await late.dispose();
    }
  });

  it('a Cluster that is not formed: told with the cure, and used as soon as it is', async () => {
    const told: unknown[] = [];
    const store = await open(`redis+cluster://127.0.0.1:${node.port}`, (_, fields) => told.push(fields?.['error']));
    assert.match(String(told[0]), /127\.0\.0\.1:\d+ is not formed or is down .*see redis-cli --cluster check 127/);
    await tell(node, 'cluster', 'addslotsrange', '0', '16383');
    await eventually(async () => assert.match(String(await tell(node, 'cluster', 'info')), /cluster_state:ok/));
    await eventually(() => store.ping(), { withinMs: 2_000 });
  });
});
