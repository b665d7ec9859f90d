// A Redis that answers and is well, but has lost its keys, or has them as they were some time ago: it is not the store
// that the gateway knows, and what it says of keys is not believed, neither that there are none nor that one is good.
import assert from 'node:assert/strict';
import { copyFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { RedisFaultScene } from '../support/redis-fault-scene.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { startRedis, tell, type TestRedis } from '../support/redis.ts';
import { statusesOf } from '../support/steady-load.ts';

const PROMISED = 'noticed: 503, /readyz 503, one log line; never taken for an empty store (SAFETY rule 8)';
/** Long enough for a gateway that believed the store to have asked it for every key again, ms. */
const LASTS_MS = 1_500;

describe('a gateway whose Redis is not what it was', () => {
  let redis: TestRedis;
  let under: RedisFaultScene;
  let gateway: GatewayProcess;

  before(async () => {
    redis = await startRedis();
    under = await RedisFaultScene.open({
      urls: [redis.url],
      timeoutMs: 200,
      maxStalenessMs: 1_000,
      revocable: ['restored'],
    });
    [gateway] = under.gateways as [GatewayProcess];
  });
  after(async () => {
    await under.close();
    await redis.dispose();
  });

  const snapshot = async (name: string): Promise<void> => {
    await tell(redis, 'save');
    await copyFile(redis.dir.file('dump.rdb'), redis.dir.file(name));
  };
  const restore = async (name: string): Promise<void> => {
    await redis.kill();
    await copyFile(redis.dir.file(name), redis.dir.file('dump.rdb'));
    await redis.start();
  };
  /**
   * Every flow is answered 503 and the operator is told; what it gives is said with the finding. Texts that the known
   * store had refused are remembered for some seconds: theirs may go on being refused, and no other key's.
   */
  const assertNoticed = async (linesBefore: number, refusedBefore: readonly string[]): Promise<string> => {
    await under.readiness(gateway, 503);
    const sinceMs = performance.now();
    assert.equal((await gateway.metrics()).sum('portcullis_store_up'), 0);
    await under.load.isAnsweredSince(sinceMs);
    const answers = under.load.since(sinceMs);
    const strange = answers.filter(
      ({ key, code }) => code !== 'store_unavailable' && !(code === 'key_invalid' && refusedBefore.includes(key)),
    );
    assert.equal(statusesOf(strange), '', strange.map(({ key }) => key).join());
    const lines = storeLines().slice(linesBefore);
    assert.equal(lines.length, 1, lines.join('\n'));
    return `/readyz 503, portcullis_store_up 0, one log line: ${lines[0]}`;
  };
  /** What an operator is told of the store, but for a connection that was lost and is there again. */
  const storeLines = (): string[] =>
    gateway.log
      .filter(({ level, reason }) => ['warn', 'error'].includes(String(level)) && reason === undefined)
      .map(({ msg }) => String(msg))
      .filter((msg) => !/^Redis (?:is not reachable|can be used again)/.test(msg));

  it('flushed: never taken for an empty store', async (t) => {
    await snapshot('before.rdb');
    const lines = storeLines().length;
    await under.endure(t, {
      promise: 6,
      tried: 'Redis flushed (FLUSHALL), then restored as it was',
      promised: PROMISED,
      breaks: () => tell(redis, 'flushall'),
      lastsMs: LASTS_MS,
      heals: () => restore('before.rdb'),
      meanwhile: () => assertNoticed(lines, ['revoked']),
    });
  });

  it('restored from an old snapshot: a key that was revoked since does not come back', async (t) => {
    await snapshot('old.rdb');
    await under.revoke('restored', gateway, 3_000);
    await under.load.isWellSince(performance.now(), 6_000);
    under.load.refuseFrom('restored', performance.now());
    await snapshot('new.rdb');
    const lines = storeLines().length;
    await under.endure(t, {
      promise: 6,
      tried: 'Redis restored from a snapshot older than a revocation, then from the newest',
      promised: PROMISED,
      breaks: () => restore('old.rdb'),
      lastsMs: LASTS_MS,
      heals: () => restore('new.rdb'),
      meanwhile: () => assertNoticed(lines, ['revoked', 'restored']),
    });
  });
});
