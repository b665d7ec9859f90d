// What `serve` does where its Redis is not there yet, or is not one to trust keys to: it waits for the first, answering
// 503 meanwhile, and refuses the second with the cure.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { send } from '../support/acceptance-http.ts';
import { Scene } from '../support/acceptance-scene.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { found } from '../support/findings.ts';
import type { Settings } from '../support/gateway-process.ts';
import { startRedis, tell, type TestRedis } from '../support/redis.ts';
import { startUnready, type UnreadyGateway } from '../support/unready-gateway.ts';

const SECRET = 'an-imported-key-of-the-start';
/** What is promised, ms; three times as much is allowed to machines that are shared. */
const RECOVERY_MS = 2_000;

/** Said too where a busy machine takes longer than store.timeout to count them, once the store is seen. */
const NOT_COUNTED = 'the keys in the store could not be counted';

describe('serve, and a Redis that is not as it should be', () => {
  let scene: Scene;
  let redis: TestRedis;
  let upstream: Awaited<ReturnType<Scene['upstream']>>;
  before(async () => {
    scene = await Scene.open('sqlite');
    upstream = await scene.upstream();
    redis = await startRedis({ config: { appendonly: 'yes', appendfsync: 'always' } });
    const gateway = await scene.gateway(settings());
    await scene.importKeys(gateway, [{ id: 'starts', owner: 'acme', secret: SECRET }]);
    await gateway.stop();
  });
  after(async () => {
    await scene.close();
    await redis.dispose();
  });

  const settings = (): Settings => ({
    store: { url: redis.url, timeout: '200ms' },
    upstreams: { app: { targets: [upstream.url] } },
    routes: { plain: { path: '/plain', upstream: 'app' } },
  });
  const ask = async ({ proxyPort }: UnreadyGateway): Promise<number> =>
    (await send(proxyPort, { target: '/plain', headers: { 'X-Api-Key': SECRET } })).status;
  const probe = async ({ opsPort }: UnreadyGateway, path: string): Promise<number> =>
    (await fetch(`http://127.0.0.1:${opsPort}${path}`, { signal: AbortSignal.timeout(5_000) })).status;

  /** Alive, not ready, and 503 for every key. */
  const assertWaiting = async (gateway: UnreadyGateway): Promise<void> => {
    await eventually(async () => assert.equal(await probe(gateway, '/livez'), 200), { withinMs: 20_000 });
    assert.equal(await probe(gateway, '/readyz'), 503);
    assert.equal(await ask(gateway), 503);
  };

  it('absent: it starts, answers 503, and serves as soon as Redis is there', async (t) => {
    await redis.kill();
    const gateway = await startUnready(scene, 'absent', settings());
    await assertWaiting(gateway);
    await redis.start();
    const beganMs = performance.now();
    await eventually(async () => assert.equal(await ask(gateway), 200), { withinMs: 3 * RECOVERY_MS });
    await eventually(async () => assert.equal(await probe(gateway, '/readyz'), 200), { withinMs: 3 * RECOVERY_MS });
    const recoveryMs = Math.round(performance.now() - beganMs);
    const { log } = await gateway.ready;
    // Beside that it is said what the server promises, as at every start.
    const said = log.filter(({ level, msg }) => level === 'warn' && msg !== NOT_COUNTED).map(({ msg }) => msg);
    assert.deepEqual(said, ['Redis is not reachable; trying until it is', 'Redis can be used again']);
    found(t, {
      promise: 6,
      tried: 'Redis absent at start',
      promised: 'the gateway starts, 503 meanwhile, serves within 2 s of Redis, no restart',
      seen: `/livez 200, /readyz 503, keys 503 while it was absent; key passes and /readyz 200 ${recoveryMs} ms after Redis answered; one log line each`,
    });
  });

  it('set to evict keys: refused, with the cure', async (t) => {
    await tell(redis, 'config', 'set', 'maxmemory-policy', 'allkeys-lru');
    try {
      const gateway = await startUnready(scene, 'evicting', settings());
      await assert.rejects(gateway.ready, /exited with 1\b[\s\S]*CONFIG SET maxmemory-policy noeviction/);
    } finally {
      await tell(redis, 'config', 'set', 'maxmemory-policy', 'noeviction');
    }
    found(t, {
      promise: 6,
      tried: 'Redis set to evict keys at start',
      promised: 'refused with the cure (SAFETY rule 15)',
      seen: 'exit 1 and one sentence that names CONFIG SET maxmemory-policy noeviction',
    });
  });
});
