// Another server takes over while requests flow: Sentinels put a replica in the place of a primary that died or was
// well, a Cluster's slot moves, and the node that has it dies.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { openStore } from '../../src/stores/open.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { storeSettings } from '../support/backings.ts';
import { keyRecord } from '../support/key-records.ts';
import { startCluster, type TestCluster } from '../support/redis-cluster.ts';
import { RedisFaultScene } from '../support/redis-fault-scene.ts';
import { startSentinels, type TestSentinels } from '../support/redis-sentinel.ts';
import { tell } from '../support/redis.ts';

const PREFIX = 'portcullis';
const PROMISED = 'no crash, no unauthorised request, recovery within 2 s of the takeover';
const TAKEOVER = { withinMs: 15_000 };
const TIMEOUT_MS = 300;
const MAX_STALENESS_MS = 5_000;

describe('a gateway behind Sentinels', () => {
  let servers: TestSentinels;
  let under: RedisFaultScene;
  before(async () => {
    servers = await startSentinels();
    under = await RedisFaultScene.open({
      urls: [servers.url],
      timeoutMs: TIMEOUT_MS,
      maxStalenessMs: MAX_STALENESS_MS,
    });
  });
  after(async () => {
    await under.close();
    await servers.dispose();
  });

  const takenOverFrom = (before: unknown): Promise<void> =>
    eventually(async () => assert.notEqual(await servers.primary(), before), TAKEOVER);

  it('a failover that an operator asks for', async (t) => {
    const before = await servers.primary();
    await under.endure(t, {
      promise: 6,
      tried: 'Sentinel failover, asked for',
      promised: PROMISED,
      breaks: () => servers.failOver(),
      lastsMs: 0,
      heals: () => takenOverFrom(before),
    });
  });

  it('a failover that an operator asks for while keys change: none that was acknowledged is lost', async (t) => {
    const before = await servers.primary();
    const store = await openStore(storeSettings(servers.url, { prefix: PREFIX }));
    const acknowledged: string[] = [];
    let refused = 0;
    let isOver = false;
    const change = async (): Promise<void> => {
      for (let at = 0; !isOver; at += 1) {
        const id = `changed-${at}`;
        await store.keys.save(keyRecord({ id, secrets: [] }), 0).then(
          () => acknowledged.push(id),
          () => (refused += 1),
        );
      }
    };
    let changing: Promise<void> | undefined;
    try {
      await under.endure(t, {
        promise: 6,
        tried: 'Sentinel failover, asked for while keys change',
        promised: `${PROMISED}, no acknowledged change lost`,
        breaks: async () => {
          changing = change();
          await eventually(() => assert.ok(acknowledged.length > 10));
          await servers.failOver();
        },
        lastsMs: 0,
        heals: () => takenOverFrom(before),
        meanwhile: async () => {
          await takenOverFrom(before);
          const count = acknowledged.length;
          await eventually(() => assert.ok(acknowledged.length > count), TAKEOVER);
          isOver = true;
          await changing;
          const primary = await servers.primary();
          const there = await Promise.all(acknowledged.map((id) => tell(primary, 'exists', `{${PREFIX}}:key:${id}`)));
          const lost = acknowledged.filter((_id, at) => there[at] === 0);
          assert.deepEqual(lost, []);
          return `${acknowledged.length} changes acknowledged, none lost; ${refused} refused with the reason`;
        },
      });
    } finally {
      isOver = true;
      await changing;
      await store.close();
    }
  });

  it('the primary is killed', async (t) => {
    const before = await servers.primary();
    await under.endure(t, {
      promise: 6,
      tried: 'Sentinel failover, the primary killed',
      promised: PROMISED,
      breaks: () => before.kill(),
      lastsMs: 0,
      heals: () => takenOverFrom(before),
    });
  });
});

describe('a gateway on a Cluster', () => {
  let cluster: TestCluster;
  let under: RedisFaultScene;
  before(async () => {
    cluster = await startCluster();
    under = await RedisFaultScene.open({
      urls: [cluster.url],
      timeoutMs: TIMEOUT_MS,
      maxStalenessMs: MAX_STALENESS_MS,
    });
  });
  after(async () => {
    await under.close();
    await cluster.dispose();
  });

  it('its slot moves to another node', async (t) => {
    const halfway = async (): Promise<void> => {
      const halfwayMs = performance.now();
      await eventually(() => assert.ok(under.load.since(halfwayMs, 'stranger').length > 10));
    };
    await under.endure(t, {
      promise: 6,
      tried: 'a Cluster slot moved, with requests halfway',
      promised: PROMISED,
      breaks: () => cluster.moveSlot(PREFIX, halfway),
      lastsMs: 0,
      heals: () => {},
    });
  });

  it('the node that has it is killed', async (t) => {
    const owner = await cluster.ownerOf(PREFIX);
    await under.endure(t, {
      promise: 6,
      tried: 'a Cluster node killed, its replica taking over',
      promised: PROMISED,
      breaks: () => owner.kill(),
      lastsMs: 0,
      heals: () => eventually(async () => assert.notEqual(await cluster.ownerOf(PREFIX), owner), TAKEOVER),
    });
  });
});
