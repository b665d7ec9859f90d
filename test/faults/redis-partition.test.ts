// Two gateways on one Redis, one of them behind a network that fails it: in part, so that only the news of changes are
// lost, or wholly. A key that was revoked elsewhere is refused in the time that is promised, whatever is lost.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { RedisFaultScene } from '../support/redis-fault-scene.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { lastPassedMs, statusesOf, type Answered } from '../support/steady-load.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

const MAX_STALENESS_MS = 2_000;
/** Promised where the news of changes are lost. */
const LOST_NEWS_MS = 5_000;
/** Promised where nothing is lost. */
const AT_MOST_MS = 1_000;
/** Which of the gateways has its Redis behind the proxy. */
const BEHIND = 0;
const BESIDE = 1;

const isFeed = (said: string): boolean => said.includes('portcullis-changes');

describe('a gateway that a network fails, and one that it does not', () => {
  let redis: TestRedis;
  let proxy: TcpProxy;
  let under: RedisFaultScene;
  let beside: GatewayProcess;

  before(async () => {
    redis = await startRedis();
    proxy = await TcpProxy.to(redis.port);
    under = await RedisFaultScene.open({
      urls: [`redis://127.0.0.1:${proxy.port}`, redis.url],
      timeoutMs: 200,
      maxStalenessMs: MAX_STALENESS_MS,
      revocable: ['silently', 'unheard', 'apart'],
    });
    beside = under.gateways[BESIDE] as GatewayProcess;
  });
  after(async () => {
    await under.close();
    await proxy.close();
    await redis.dispose();
  });

  const of = (gateway: number, id: string, answers: readonly Answered[]): readonly Answered[] =>
    answers.filter(({ key, gateway: by }) => by === gateway && key === id);
  /** Waits until the key is refused at both, and says how long after its revocation it last passed. */
  const refusedEverywhere = async (id: string, revokedMs: number): Promise<string> => {
    await under.load.isWellSince(performance.now(), LOST_NEWS_MS + MAX_STALENESS_MS);
    const answers = under.load.since(revokedMs);
    const [behindMs, besideMs] = [BEHIND, BESIDE].map((at) => Math.round(lastPassedMs(of(at, id, answers), revokedMs)));
    return `revoked key last passed ${behindMs} ms later here, ${besideMs} ms later at the other gateway`;
  };

  it('the connection of the change feed dies without a word: a revoked key is refused within 5 s', async (t) => {
    let revokedMs = 0;
    await under.endure(t, {
      promise: 1,
      tried: "the change feed's connection gone, nobody told",
      promised: 'a revoked key refused within 5 s',
      breaks: async () => {
        proxy.abandon(isFeed);
        revokedMs = await under.revoke('silently', beside, LOST_NEWS_MS);
      },
      lastsMs: 0,
      heals: () => {},
      meanwhile: () => refusedEverywhere('silently', revokedMs),
    });
  });

  it('no change is heard of any more: a revoked key is refused within maxStaleness, and others go on', async (t) => {
    let revokedMs = 0;
    await under.endure(t, {
      promise: 1,
      tried: 'the change feed silently dropped, each of its connections, all else well',
      promised: `a revoked key refused within 5 s; cached keys asked for again after maxStaleness (${MAX_STALENESS_MS} ms)`,
      breaks: async () => {
        proxy.treat((_, said) => (isFeed(said) ? 'hold' : 'pass'));
        revokedMs = await under.revoke('unheard', beside, MAX_STALENESS_MS);
      },
      lastsMs: MAX_STALENESS_MS,
      heals: () => proxy.heal(),
      meanwhile: async (answers) => {
        assert.equal(statusesOf(of(BEHIND, 'good', answers).filter(({ status }) => status !== 200)), '');
        return refusedEverywhere('unheard', revokedMs);
      },
    });
  });

  it('cut off wholly: fresh keys pass until maxStaleness, then 503; the other goes on; a revoked key passes nowhere', async (t) => {
    let cutMs = 0;
    let revokedMs = 0;
    await under.endure(t, {
      promise: 1,
      tried: 'one gateway of two cut off from Redis',
      promised: `a revoked key refused within maxStaleness (${MAX_STALENESS_MS} ms), then 503; elsewhere within 1 s; well 2 s after it is healed`,
      breaks: async () => {
        cutMs = performance.now();
        proxy.treat(() => 'hold');
        revokedMs = await under.revoke('apart', beside, AT_MOST_MS);
        under.load.refuseFrom('apart', Math.max(cutMs + MAX_STALENESS_MS, revokedMs + AT_MOST_MS));
      },
      lastsMs: MAX_STALENESS_MS,
      heals: () => proxy.heal(),
      meanwhile: (answers) => {
        const good = of(BEHIND, 'good', answers);
        const passedMs = lastPassedMs(good, cutMs);
        // It is the gateway's own rule, by its own clock: no machine is too slow for it.
        assert.ok(passedMs > 0 && passedMs <= MAX_STALENESS_MS, `passed ${passedMs} ms after the cut`);
        // Three times what is promised, for machines that are shared; what was seen is said.
        const besideMs = lastPassedMs(of(BESIDE, 'apart', answers), revokedMs);
        assert.ok(besideMs <= 3 * AT_MOST_MS, `passed ${besideMs} ms after its revocation`);
        assert.equal(good.at(-1)?.code, 'store_unavailable');
        const elsewhere = answers.filter(({ gateway, key }) => gateway === BESIDE && ['good', 'limited'].includes(key));
        assert.equal(statusesOf(elsewhere.filter(({ status }) => status !== 200)), '');
        return `cut off, a good key passed for ${Math.round(passedMs)} ms; the other gateway answered 200 ×${elsewhere.length} all through, and the revoked key for ${Math.round(besideMs)} ms`;
      },
    });
  });
});
