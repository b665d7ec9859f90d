// A gateway on a Cluster and behind Sentinels, with requests flowing while servers die, take over and slots move:
// nothing that may not pass does, the process lives, and it is back within 2 s of the store's own recovery.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { send } from '../support/acceptance-http.ts';
import { Scene } from '../support/acceptance-scene.ts';
import { eventually } from '../support/acceptance-wait.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { startCluster, type TestCluster } from '../support/redis-cluster.ts';
import { startSentinels, type TestSentinels } from '../support/redis-sentinel.ts';

const PREFIX = 'portcullis';
const KEYS = ['steady', 'limited', 'revoked', 'later'].map((id) => ({
  id,
  owner: 'acme',
  secret: `an-imported-key-${id}`,
}));
const LIMIT = 150;
const STRANGER = 'a-key-that-nobody-ever-had';

/** Requests with every key, one after the other, until it is stopped; and what was answered to each. */
class Traffic {
  readonly #gateway: GatewayProcess;
  readonly #statuses = new Map<string, number[]>();
  #isStopped = false;
  #running: Promise<unknown> = Promise.resolve();

  constructor(gateway: GatewayProcess) {
    this.#gateway = gateway;
  }

  start(): void {
    this.#running = Promise.all([...KEYS.map(({ secret }) => secret), STRANGER].map((secret) => this.#flow(secret)));
    this.#running.catch(() => {});
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  /** What was answered to a key so far. */
  of(id: string): readonly number[] {
    return this.#statuses.get(id === STRANGER ? id : `an-imported-key-${id}`) ?? [];
  }

  async #flow(secret: string): Promise<void> {
    const statuses: number[] = [];
    this.#statuses.set(secret, statuses);
    const target = secret.endsWith('limited') ? '/limited' : '/plain';
    while (!this.#isStopped) {
      const { status } = await send(this.#gateway.proxyPort, { target, headers: { 'X-Api-Key': secret } });
      statuses.push(status);
      await pause(10);
    }
  }
}

/** A gateway with requests flowing. */
interface Under {
  readonly scene: Scene;
  readonly gateway: GatewayProcess;
  readonly traffic: Traffic;
}

async function openScene(url: string): Promise<Under> {
  // Its own store is not used.
  const scene = await Scene.open('sqlite');
  const app = await scene.upstream();
  const gateway = await scene.gateway({
    store: { url, prefix: PREFIX, timeout: '500ms', maxStaleness: '5s' },
    guard: { failures: 1_000_000 },
    upstreams: { app: { targets: [app.url] } },
    routes: {
      plain: { path: '/plain', upstream: 'app' },
      limited: {
        path: '/limited',
        upstream: 'app',
        limits: { calls: { requests: LIMIT, per: '300d', algorithm: 'fixed', by: 'key' } },
      },
    },
  });
  await scene.importKeys(gateway, KEYS);
  const traffic = new Traffic(gateway);
  scene.onClose(() => traffic.stop());
  traffic.start();
  await eventually(() => assert.ok(traffic.of('limited').filter((status) => status === 200).length > 10));
  return { scene, gateway, traffic };
}

/** Revokes a key and sees it refused. Gives how often it had been answered by then. */
async function revoke(id: string, { scene, gateway, traffic }: Under): Promise<number> {
  await scene.run(gateway, 'keys', 'revoke', id);
  await eventually(() => assert.equal(traffic.of(id).at(-1), 401), { withinMs: 1_000 });
  return traffic.of(id).length;
}

/** What must hold of all answers, whatever happened to the store. */
function assertSafe(traffic: Traffic, revoked: Readonly<Record<string, number>>): void {
  const others = (id: string, ...allowed: number[]) => traffic.of(id).filter((status) => !allowed.includes(status));
  assert.deepEqual(others('steady', 200, 503), [], 'a good key is never taken for a bad one');
  assert.deepEqual(others(STRANGER, 401, 503), [], 'a stranger never passes');
  assert.deepEqual(others('limited', 200, 429, 503), []);
  for (const [id, from] of Object.entries(revoked)) {
    const passed = traffic
      .of(id)
      .slice(from)
      .filter((status) => status !== 401 && status !== 503);
    assert.deepEqual(passed, [], 'a revoked key never passes again');
  }
}

/** Each key is answered as it has to be again. */
async function recovers(gateway: GatewayProcess): Promise<void> {
  const answers = async (id: string, target: string, status: number) => {
    const answer = await send(gateway.proxyPort, { target, headers: { 'X-Api-Key': `an-imported-key-${id}` } });
    assert.equal(answer.status, status);
  };
  await eventually(
    async () => {
      await answers('steady', '/plain', 200);
      await answers('steady', '/limited', 200);
      await answers('revoked', '/plain', 401);
      const ready = await fetch(`http://127.0.0.1:${gateway.opsPort}/readyz`, { signal: AbortSignal.timeout(2_000) });
      assert.equal(ready.status, 200);
    },
    { withinMs: 2_000 },
  );
}

const storeLines = (gateway: GatewayProcess) =>
  gateway.log.map(({ msg }) => String(msg)).filter((message) => /^Redis (?:is not|can be)/.test(message));
const passed = (traffic: Traffic) => traffic.of('limited').filter((status) => status === 200).length;

describe('a gateway on a Cluster', () => {
  let cluster: TestCluster;
  before(async () => {
    cluster = await startCluster();
  });
  after(() => cluster.dispose());

  test('its slot moves, then the node is killed: safe throughout, and back by itself', async () => {
    const under = await openScene(cluster.url);
    const { scene, gateway, traffic } = under;
    try {
      const revoked = await revoke('revoked', under);
      await cluster.moveSlot(PREFIX, async () => {
        const seen = traffic.of('steady').length;
        await eventually(() => assert.ok(traffic.of('steady').length > seen + 10));
      });
      await recovers(gateway);
      const listed = await scene.run(gateway, 'keys', 'list');
      for (const { id } of KEYS) assert.match(listed.stdout, new RegExp(id));
      // No take was lost with a server: the limit holds to the last request.
      await eventually(() => assert.equal(traffic.of('limited').at(-1), 429), { withinMs: 10_000 });
      assert.ok(passed(traffic) <= LIMIT, `${passed(traffic)} passed`);

      const later = await revoke('later', under);
      const owner = await cluster.ownerOf(PREFIX);
      await owner.kill();
      await eventually(async () => assert.notEqual(await cluster.ownerOf(PREFIX), owner), { withinMs: 10_000 });
      await recovers(gateway);
      await traffic.stop();
      assertSafe(traffic, { revoked, later });
      const outage = 'Redis is not reachable; trying until it is';
      const recovery = 'Redis can be used again';
      assert.deepEqual(storeLines(gateway), [outage, recovery, outage, recovery]);
    } finally {
      await scene.close();
    }
  });
});

describe('a gateway behind Sentinels', () => {
  let servers: TestSentinels;
  before(async () => {
    servers = await startSentinels();
  });
  after(() => servers.dispose());

  test('the primary is killed: safe throughout, and back by itself', async () => {
    const under = await openScene(servers.url);
    const { scene, gateway, traffic } = under;
    try {
      const revoked = await revoke('revoked', under);
      const primary = await servers.primary();
      await primary.kill();
      await eventually(
        async () => {
          assert.notEqual(await servers.primary(), primary);
        },
        { withinMs: 10_000 },
      );
      await recovers(gateway);
      await traffic.stop();
      assertSafe(traffic, { revoked });
      assert.doesNotMatch(gateway.output(), /an-imported-key/);
    } finally {
      await scene.close();
    }
  });
});
