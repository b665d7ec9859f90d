// However many bad keys are tried from however many addresses, what they leave behind is bounded (promise 4). The
// benchmark `strangers` sends ten million and looks at memory; here it is that nothing is kept for a key.
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';
import { Redis } from 'ioredis';
import { Scene } from '../support/acceptance-scene.ts';
import { STORE_KINDS, type TestStore } from '../support/acceptance-store.ts';
import { atScale, found } from '../support/findings.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { sendStrangers, strangerAddresses } from '../support/strangers.ts';

/** What the store holds, in keys or rows. */
async function held(store: TestStore): Promise<number> {
  if (store.file === undefined) {
    const redis = new Redis(store.url);
    const keys = await redis.dbsize();
    redis.disconnect();
    return keys;
  }
  let rows = 0;
  for (const file of [store.file, `${store.file}-limits`]) {
    const database = new DatabaseSync(file, { readOnly: true });
    const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
    for (const { name } of tables)
      rows += Number(database.prepare(`SELECT count(*) AS n FROM "${String(name)}"`).get()?.['n']);
    database.close();
  }
  return rows;
}

async function series(gateway: GatewayProcess): Promise<string[]> {
  const { samples } = await gateway.metrics();
  const names = samples.filter(({ name }) => name.startsWith('portcullis_'));
  return names.map(({ name, labels }) => name + JSON.stringify(labels)).sort();
}

describe('strangers', { concurrency: true }, () => {
  for (const kind of STORE_KINDS) {
    test(`bad keys add no series, and to ${kind} at most a count and a block for each address`, async (t) => {
      const scene = await Scene.open(kind);
      t.after(() => scene.close());
      const gateway = await scene.gateway({
        trustedProxies: ['127.0.0.1/32'],
        store: { url: scene.store.url, timeout: '2s' },
        upstreams: { app: { targets: ['http://127.0.0.1:1'] } },
        routes: { all: { path: '/orders/**', upstream: 'app' } },
        log: { requests: 'denied', level: 'error' },
      });
      const requests = atScale({ suite: 20_000, full: 200_000 });
      const third = Math.round(requests / 3);
      const before = await held(scene.store);
      const crowd = { port: gateway.proxyPort, connections: 16, ahead: 16 };
      const first = await sendStrangers({ ...crowd, from: 0, to: third });
      const named = await series(gateway);
      const rest = await sendStrangers({ ...crowd, from: third, to: requests });
      for (const statuses of [first, rest]) {
        assert.deepEqual(Object.keys(statuses), ['401', '429']);
        assert.ok(statuses[429]! > 0);
      }
      // A block is met before the route is known, or behind it: which of the two comes first is chance.
      const ofBlocks = /"address_blocked"|"route":"none"/;
      const others = (all: readonly string[]): string[] => all.filter((name) => !ofBlocks.test(name));
      assert.deepEqual(others(await series(gateway)), others(named));
      const added = (await held(scene.store)) - before;
      const addresses = strangerAddresses(requests);
      assert.ok(added <= 2 * addresses, `${added} for ${addresses} addresses`);
      found(t, {
        promise: 4,
        tried: `${requests.toLocaleString('en')} different bad keys from ${addresses.toLocaleString('en')} addresses, on ${kind}`,
        promised: 'no series for a key or an address; at most a count and a block an address in the store',
        seen: `${named.length} series before and after; ${added.toLocaleString('en')} keys or rows added`,
      });
    });
  }
});
