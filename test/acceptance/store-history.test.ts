// A store that is not the one that a running gateway knew (flushed, restored, another database) is 503 and said once,
// never taken for an empty one; and one that comes back is used again.
import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { send, type Response } from '../support/acceptance-http.ts';
import { assertProblem } from '../support/acceptance-problem.ts';
import { Scene } from '../support/acceptance-scene.ts';
import type { StoreKind } from '../support/acceptance-store.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { found } from '../support/findings.ts';
import type { GatewayProcess, LogLine, Settings } from '../support/gateway-process.ts';
import { workerPids } from '../support/gateway-workers.ts';
import { tell } from '../support/redis.ts';

const warm = 'an-imported-key-that-is-warm';
const cold = 'an-imported-key-that-is-cold';
const KEYS = [
  { id: 'warm', owner: 'acme', secret: warm },
  { id: 'cold', owner: 'acme', secret: cold },
];
const MAX_STALENESS_MS = 1_000;

const ask = (gateway: GatewayProcess, secret: string): Promise<Response> =>
  send(gateway.proxyPort, { target: '/things', headers: { 'X-Api-Key': secret } });

const isNotice = ({ msg }: LogLine): boolean =>
  String(msg).startsWith('The store is not the one that this gateway knew');
const isStart = ({ msg }: LogLine): boolean => msg === 'the store is taken as it is';

async function readiness({ opsPort }: GatewayProcess): Promise<{ status: number; text: string }> {
  const answer = await fetch(`http://127.0.0.1:${opsPort}/readyz`, { signal: AbortSignal.timeout(5_000) });
  return { status: answer.status, text: await answer.text() };
}

/** A gateway that has seen both keys imported and has one of them cached. */
async function serving(
  kind: StoreKind,
  own: Settings = {},
): Promise<{ scene: Scene; gateway: GatewayProcess; settings: Settings }> {
  const scene = await Scene.open(kind);
  const app = await scene.upstream();
  const settings = {
    store: { url: scene.store.url, maxStaleness: `${MAX_STALENESS_MS}ms`, timeout: '1s' },
    upstreams: { app: { targets: [app.url] } },
    routes: { things: { path: '/things', upstream: 'app' } },
    ...own,
  };
  const gateway = await scene.gateway(settings);
  await scene.importKeys(gateway, KEYS);
  await eventually(async () => assert.equal((await ask(gateway, warm)).status, 200));
  return { scene, gateway, settings };
}

/** From the accident on: no key is ever refused as unknown, and all are 503 once the cache may no longer be believed. */
async function assertNoticed(gateway: GatewayProcess): Promise<number> {
  const began = performance.now();
  let lastPassedMs = 0;
  const statuses = new Set<number>();
  await eventually(
    async () => {
      for (const { status } of await Promise.all([ask(gateway, warm), ask(gateway, cold)])) {
        statuses.add(status);
        if (status === 200) lastPassedMs = performance.now() - began;
      }
      // Of several workers one may answer for some time alone.
      assert.ok(performance.now() - began > MAX_STALENESS_MS + 500);
    },
    { withinMs: MAX_STALENESS_MS + 3_000 },
  );
  assert.deepEqual(
    [...statuses].filter((status) => status !== 200 && status !== 503),
    [],
  );
  for (const secret of [warm, cold]) assertProblem(await ask(gateway, secret), 503, 'store_unavailable');
  await eventually(async () => {
    const { status, text } = await readiness(gateway);
    assert.equal(status, 503);
    assert.match(text, /not the one that this gateway knew|removed or replaced/);
  });
  await eventually(async () => assert.equal((await gateway.metrics()).sum('portcullis_store_up'), 0));
  return lastPassedMs;
}

async function assertServes(gateway: GatewayProcess): Promise<void> {
  for (const secret of [warm, cold])
    await eventually(async () => assert.equal((await ask(gateway, secret)).status, 200), { withinMs: 2_000 });
  await eventually(async () => assert.equal((await readiness(gateway)).status, 200), { withinMs: 2_000 });
}

describe('a store that is not the known one', { concurrency: true }, () => {
  test('Redis flushed: 503, said once; a gateway that is restarted takes it as it is and says so', async (t) => {
    const { scene, gateway, settings } = await serving('redis');
    try {
      const start = gateway.log.find(isStart);
      assert.match(String(start?.['epoch']), /^[0-9a-f]{32}$/);
      assert.equal(start?.['generation'], 0);
      await tell(scene.store, 'flushall');
      const lastPassedMs = await assertNoticed(gateway);
      const notices = await eventually(() => {
        const lines = gateway.log.filter(isNotice);
        assert.equal(lines.length, 1);
        return lines;
      });
      assert.match(String(notices[0]?.['msg']), /it is empty: it was flushed.*restart the gateway to take this one/);
      assert.deepEqual(notices[0]?.['known'], { epoch: start?.['epoch'], generation: 2 });
      const restarted = await scene.gateway(settings);
      const taken = await restarted.logLine(isStart);
      assert.equal(taken['generation'], 0);
      assert.notEqual(taken['epoch'], start?.['epoch']);
      assert.equal((await ask(restarted, warm)).status, 401);
      assert.equal((await ask(gateway, cold)).status, 503);
      assert.equal(gateway.log.filter(isNotice).length, 1);
      found(t, {
        promise: 6,
        tried: 'Redis flushed under a running gateway (FLUSHALL)',
        promised: 'never 401, 503 within store.maxStaleness (1 s)',
        seen: `the last cached key passed after ${Math.round(lastPassedMs)} ms, then 503 for all; no 401`,
      });
    } finally {
      await scene.close();
    }
  });

  test('another database in its place: 503, and 200 within 2 s of the right one coming back', async (t) => {
    const { scene, gateway } = await serving('redis');
    try {
      await tell(scene.store, 'swapdb', '0', '1');
      await assertNoticed(gateway);
      await tell(scene.store, 'swapdb', '0', '1');
      const began = performance.now();
      await assertServes(gateway);
      found(t, {
        promise: 6,
        tried: 'another Redis database in the place of the known one, and back',
        promised: 'recovery within 2 s, no restart',
        seen: `${Math.round(performance.now() - began)} ms`,
      });
      assert.equal(gateway.log.filter(isNotice).length, 1);
    } finally {
      await scene.close();
    }
  });

  test('a worker that is replaced meanwhile does not take it for a store of its own', async () => {
    const { scene, gateway } = await serving('redis', { workers: 2 });
    try {
      assert.equal(gateway.log.filter(isStart).length, 1);
      await tell(scene.store, 'flushall');
      await assertNoticed(gateway);
      await eventually(() => assert.equal(gateway.log.filter(isNotice).length, 2, 'once a worker'));
      const before = await workerPids(gateway, 2);
      for (const pid of before) process.kill(pid, 'SIGKILL');
      await eventually(
        async () => {
          const now = await workerPids(gateway, 2);
          assert.ok(now.every((pid) => !before.includes(pid)));
          assertProblem(await ask(gateway, warm), 503, 'store_unavailable');
        },
        { withinMs: 20_000 },
      );
      for (let time = 0; time < 20; time += 1) assert.equal((await ask(gateway, cold)).status, 503);
      assert.equal(gateway.log.filter(isStart).length, 1);
    } finally {
      await scene.close();
    }
  });

  test('a SQLite file that is moved away: 503, and 200 within 2 s of its being back', async () => {
    const { scene, gateway } = await serving('sqlite');
    try {
      const file = scene.store.file as string;
      await rename(file, `${file}.away`);
      await assertNoticed(gateway);
      assert.equal(gateway.log.filter(isNotice).length, 1);
      await rename(`${file}.away`, file);
      await assertServes(gateway);
    } finally {
      await scene.close();
    }
  });
});
