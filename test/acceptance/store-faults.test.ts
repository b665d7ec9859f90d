// The store cannot be asked: 503 store_unavailable where nothing fresh is cached, and back to work by itself.
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { HANDSHAKE, send, type Response } from '../support/acceptance-http.ts';
import { assertProblem } from '../support/acceptance-problem.ts';
import { Scene } from '../support/acceptance-scene.ts';
import { startRedis, type RedisServer } from '../support/acceptance-store.ts';
import { eventually } from '../support/acceptance-wait.ts';
import type { GatewayProcess, Settings } from '../support/gateway-process.ts';
import { portcullis } from '../support/acceptance-cli.ts';

const warm = 'an-imported-key-that-is-warm';
const cold = 'an-imported-key-that-is-cold';
const colder = 'an-imported-key-that-is-colder';

const KEYS = [
  { id: 'warm', owner: 'acme', secret: warm },
  { id: 'cold', owner: 'acme', secret: cold },
  { id: 'colder', owner: 'acme', secret: colder },
];

function settings(upstream: string): Settings {
  return {
    upstreams: { app: { targets: [upstream] } },
    routes: {
      plain: { path: '/plain', upstream: 'app', upgrade: ['websocket'] },
      limited: { path: '/limited', upstream: 'app', limits: { calls: { requests: 1000, per: '1h', by: 'key' } } },
      open: { path: '/open', upstream: 'app', access: 'public' },
    },
  };
}

function ask(gateway: GatewayProcess, target: string, secret: string | null, headers: object = {}): Promise<Response> {
  const credential: Record<string, string> = secret === null ? {} : { 'X-Api-Key': secret };
  return send(gateway.proxyPort, { target, headers: { ...credential, ...headers } });
}

function assertUnavailable(answer: Response): void {
  assertProblem(answer, 503, 'store_unavailable');
  assert.equal(answer.header('retry-after'), '1');
}

const ops = (gateway: GatewayProcess, path: string): Promise<globalThis.Response> =>
  fetch(`http://127.0.0.1:${gateway.opsPort}${path}`, { signal: AbortSignal.timeout(2000) });

describe('Redis does not answer (stalled)', () => {
  let scene: Scene;
  let gateway: GatewayProcess;
  let redis: RedisServer;

  before(async () => {
    scene = await Scene.open('redis');
    redis = scene.store.redis as RedisServer;
    const app = await scene.upstream();
    gateway = await scene.gateway({ ...settings(app.url), store: { url: scene.store.url, maxStaleness: '2s' } });
    await scene.importKeys(gateway, KEYS);
    await eventually(async () => assert.equal((await ask(gateway, '/plain', warm)).status, 200));
    await eventually(async () => assert.equal((await ask(gateway, '/limited', warm)).status, 200));
    redis.stall();
  });
  after(async () => {
    redis.resume();
    await scene.close();
  });

  test('a known fresh key still passes', async () => {
    assert.equal((await ask(gateway, '/plain', warm)).status, 200);
  });

  test('503 store_unavailable: a key that is not cached; nobody waits for Redis', async () => {
    const start = performance.now();
    assertUnavailable(await ask(gateway, '/plain', cold));
    // The store's timeout is 100 ms; the rest is room for a busy machine.
    assert.ok(performance.now() - start < 1000, `${performance.now() - start} ms`);
    assertUnavailable(await ask(gateway, '/plain', cold, HANDSHAKE));
  });

  test('503 store_unavailable: limits that cannot be asked', async () => {
    assertUnavailable(await ask(gateway, '/limited', warm));
  });

  test('a public route needs no store', async () => {
    assert.equal((await ask(gateway, '/open', null)).status, 200);
  });

  test('a cached key is not believed for longer than maxStaleness', async () => {
    const answer = await eventually(
      async () => {
        const next = await ask(gateway, '/plain', warm);
        assert.notEqual(next.status, 200);
        return next;
      },
      { withinMs: 4000, everyMs: 50 },
    );
    assertUnavailable(answer);
  });

  test('/livez is 200 and never asks the store; /readyz is 503 and names what fails', async () => {
    assert.equal((await ops(gateway, '/livez')).status, 200);
    await eventually(async () => {
      const ready = await ops(gateway, '/readyz');
      assert.equal(ready.status, 503);
      assert.match(JSON.stringify(await ready.json()), /store/);
    });
  });

  test('it is counted: portcullis_store_up, portcullis_store_errors_total, the decision and its reason', async () => {
    await eventually(async () => {
      const metrics = await gateway.metrics();
      assert.equal(metrics.sum('portcullis_store_up'), 0);
      assert.ok(metrics.sum('portcullis_store_errors_total') > 0);
      assert.ok(metrics.sum('portcullis_decisions_total', { outcome: 'denied', reason: 'store_unavailable' }) >= 4);
    });
    assert.ok(gateway.log.some((line) => line['reason'] === 'store_unavailable' && line['status'] === 503));
  });

  test('recovery within 2 s, no restart', async () => {
    redis.resume();
    const within = { withinMs: 2000 };
    await eventually(async () => assert.equal((await ask(gateway, '/plain', colder)).status, 200), within);
    await eventually(async () => assert.equal((await ask(gateway, '/limited', warm)).status, 200), within);
    await eventually(async () => assert.equal((await ops(gateway, '/readyz')).status, 200), within);
    assert.equal((await gateway.metrics()).sum('portcullis_store_up'), 1);
  });
});

describe('Redis is gone (killed)', () => {
  test('cold keys and limits are 503, a fresh key passes', async () => {
    const scene = await Scene.open('redis');
    try {
      const app = await scene.upstream();
      const gateway = await scene.gateway({
        ...settings(app.url),
        store: { url: scene.store.url, maxStaleness: '2s' },
      });
      await scene.importKeys(gateway, KEYS);
      await eventually(async () => assert.equal((await ask(gateway, '/plain', warm)).status, 200));
      const redis = scene.store.redis as RedisServer;
      await redis.stop();
      assert.equal((await ask(gateway, '/plain', warm)).status, 200);
      assertUnavailable(await ask(gateway, '/plain', cold));
      assertUnavailable(await ask(gateway, '/limited', warm));
      assert.equal((await ops(gateway, '/livez')).status, 200);
      await eventually(async () => assert.equal((await ops(gateway, '/readyz')).status, 503));
    } finally {
      await scene.close();
    }
  });
});

/** Connections of one's own to every database file of the store. */
async function databases(scene: Scene): Promise<DatabaseSync[]> {
  const files = await readdir(scene.directory);
  const store = basename(scene.store.file as string);
  const names = files.filter((name) => name.startsWith(store) && !/-(wal|shm|journal)$/.test(name));
  return names.map((name) => new DatabaseSync(join(scene.directory, name)));
}

describe('SQLite is locked by somebody else', () => {
  test('503 store_unavailable: limits that cannot be asked; keys can still be read; then it recovers', async () => {
    const scene = await Scene.open('sqlite');
    try {
      const app = await scene.upstream();
      const gateway = await scene.gateway(settings(app.url));
      await scene.importKeys(gateway, KEYS);
      await eventually(async () => assert.equal((await ask(gateway, '/limited', warm)).status, 200));
      const intruders = await databases(scene);
      try {
        for (const intruder of intruders) intruder.exec('BEGIN EXCLUSIVE');
        assertUnavailable(await ask(gateway, '/limited', warm));
        assert.equal((await ask(gateway, '/plain', warm)).status, 200);
        assert.equal((await ask(gateway, '/open', null)).status, 200);
        assert.equal((await ops(gateway, '/livez')).status, 200);
      } finally {
        for (const intruder of intruders) intruder.close();
      }
      await eventually(async () => assert.equal((await ask(gateway, '/limited', warm)).status, 200), {
        withinMs: 2000,
      });
    } finally {
      await scene.close();
    }
  });
});

describe('at start', () => {
  test('a Redis that would evict keys is refused, with the cure', async () => {
    const scene = await Scene.open('redis');
    try {
      const app = await scene.upstream();
      const gateway = await scene.gateway(settings(app.url));
      await gateway.stop();
      const evicting = await startRedis(scene.directory, {
        extra: ['--maxmemory', '10mb', '--maxmemory-policy', 'allkeys-lru'],
      });
      scene.onClose(() => evicting.stop());
      const refused = scene.gateway({ ...settings(app.url), store: { url: `redis://127.0.0.1:${evicting.port}` } });
      await assert.rejects(refused, /exited with 1\b[\s\S]*noeviction/);
    } finally {
      await scene.close();
    }
  });

  test('commands say in one sentence that the store cannot be reached, and exit with 1', async () => {
    const scene = await Scene.open('redis');
    try {
      const app = await scene.upstream();
      const gateway = await scene.gateway(settings(app.url));
      await (scene.store.redis as RedisServer).stop();
      const end = await portcullis(['keys', 'list', '-c', gateway.configFile], { cwd: scene.directory });
      assert.equal(end.code, 1, end.stderr);
      assert.equal(end.stdout, '');
      assert.match(end.stderr, /^\S[^\n]*\n$/);
    } finally {
      await scene.close();
    }
  });
});
