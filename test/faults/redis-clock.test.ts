// One gateway of two has its clock set an hour forward and back while requests flow (libfaketime; the monotonic clock
// goes on, as it does on a real machine). Limits follow Redis's TIME; what is believed or blocked for a time is so for
// that time; only when a key expires is a matter of the date, and each gateway goes by its own.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { send, type Response } from '../support/acceptance-http.ts';
import { readRateLimit } from '../support/acceptance-rate-limit.ts';
import { Scene } from '../support/acceptance-scene.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { settableClock, type SettableClock } from '../support/faketime.ts';
import { found } from '../support/findings.ts';
import type { GatewayProcess, Settings } from '../support/gateway-process.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

const HOUR_S = 3_600;
const LIMIT = 100;
const ALGORITHMS = ['sliding', 'fixed', 'bucket'] as const;
const MAX_STALENESS_MS = 1_000;
const FAILURES = 20;
const BLOCK_S = 3;
const [SECRET, LASTING, ALIKE] = ['clock', 'expiry', 'same-expiry'].map((of) => `an-imported-key-of-the-${of}`) as [
  string,
  string,
  string,
];

describe('a gateway whose clock is set, beside one whose is not', () => {
  let redis: TestRedis;
  let proxy: TcpProxy;
  let scene: Scene;
  let clock: SettableClock;
  let jumping: GatewayProcess;
  let steady: GatewayProcess;

  before(async () => {
    redis = await startRedis();
    proxy = await TcpProxy.to(redis.port);
    scene = await Scene.open('sqlite');
    const app = await scene.upstream();
    const limited = ALGORITHMS.map((algorithm) => {
      const burst = algorithm === 'bucket' ? { burst: LIMIT } : {};
      // So long that no window ends within the test, and yet one that an hour is a part of.
      const calls = { requests: LIMIT, per: '30d', by: 'key', algorithm, ...burst };
      return [algorithm, { path: `/${algorithm}`, upstream: 'app', limits: { calls } }];
    });
    const settings = (url: string): Settings => ({
      store: { url, timeout: '1s', maxStaleness: `${MAX_STALENESS_MS}ms` },
      // Who is blocked is told apart by address.
      trustedProxies: ['127.0.0.1/32'],
      guard: { failures: FAILURES, per: '1m', block: `${BLOCK_S}s` },
      upstreams: { app: { targets: [app.url] } },
      routes: { plain: { path: '/plain', upstream: 'app' }, ...Object.fromEntries(limited) },
    });
    clock = settableClock(`${scene.directory}/clock`);
    [jumping, steady] = await Promise.all([
      scene.gateway(settings(`redis://127.0.0.1:${proxy.port}`), { env: clock.env }),
      scene.gateway(settings(redis.url)),
    ]);
    const expires = new Date(Date.now() + (HOUR_S / 2) * 1_000).toISOString();
    await scene.importKeys(steady, [
      { id: 'clocked', owner: 'acme', secret: SECRET },
      { id: 'lasting', owner: 'acme', secret: LASTING, expires },
      { id: 'alike', owner: 'acme', secret: ALIKE, expires },
    ]);
  });
  after(async () => {
    await scene.close();
    await proxy.close();
    await redis.dispose();
  });

  const ask = (gateway: GatewayProcess, target: string, secret = SECRET, from = '192.0.2.1'): Promise<Response> =>
    send(gateway.proxyPort, { target, headers: { 'X-Api-Key': secret, 'X-Forwarded-For': from } });
  const passes = (gateway: GatewayProcess, secret = SECRET): Promise<void> =>
    eventually(async () => assert.equal((await ask(gateway, '/plain', secret)).status, 200));

  for (const algorithm of ALGORITHMS)
    it(`${algorithm}: exactly the limit passes over both, its clock set forward and back meanwhile`, async (t) => {
      const statuses: number[] = [];
      for (let at = 0; at < 3 * LIMIT; at += 10) {
        clock.set([0, HOUR_S, -HOUR_S][(at / 10) % 3] as number);
        const answers = await Promise.all(
          Array.from({ length: 10 }, (_, turn) => ask(turn % 2 ? jumping : steady, `/${algorithm}`)),
        );
        statuses.push(...answers.map(({ status }) => status));
      }
      clock.set(0);
      const passed = statuses.filter((status) => status === 200).length;
      assert.deepEqual([passed, statuses.filter((status) => status === 429).length], [LIMIT, 2 * LIMIT]);
      const [here, there] = await Promise.all([ask(jumping, `/${algorithm}`), ask(steady, `/${algorithm}`)]);
      const [hereS, thereS] = [here, there].map((answer) => readRateLimit(answer).get('calls')?.t ?? 0);
      assert.ok(Math.abs((hereS as number) - (thereS as number)) <= 5, `${hereS} s and ${thereS} s`);
      found(t, {
        promise: 12,
        tried: `clock of one gateway of two set an hour forward and back, 10 times each, under a ${algorithm} limit of ${LIMIT}`,
        promised: 'limits follow Redis TIME: exactly the limit passes',
        seen: `${passed} of ${statuses.length} passed; both name the same reset, ${hereS} s and ${thereS} s ahead`,
      });
    });

  it('set back an hour and cut off: a cached key is believed for maxStaleness, and not an hour longer', async (t) => {
    await passes(jumping);
    const cutMs = performance.now();
    let believedMs = 0;
    proxy.treat(() => 'hold');
    clock.set(-HOUR_S);
    try {
      const refused = await eventually(
        async () => {
          const sentMs = performance.now() - cutMs;
          const answer = await ask(jumping, '/plain');
          if (answer.status === 200) believedMs = Math.round(sentMs);
          assert.notEqual(answer.status, 200);
          return answer;
        },
        { withinMs: 10 * MAX_STALENESS_MS },
      );
      assert.equal(refused.status, 503);
      found(t, {
        promise: 12,
        tried: 'clock set an hour back on a gateway that is then cut off from Redis',
        promised: `a cached key is believed for maxStaleness (${MAX_STALENESS_MS} ms)`,
        seen: `last passed ${believedMs} ms after the cut, then 503`,
      });
    } finally {
      proxy.heal();
      clock.set(0);
    }
    await passes(jumping);
  });

  it('set forward or back an hour: a key that is good passes all through', async (t) => {
    await passes(jumping);
    const statuses: number[] = [];
    for (const offsetS of [HOUR_S, 0, -HOUR_S, 0]) {
      clock.set(offsetS);
      for (let at = 0; at < 25; at += 1) statuses.push((await ask(jumping, '/plain')).status);
    }
    assert.deepEqual(new Set(statuses), new Set([200]));
    const seen = `200 ×${statuses.length}`;
    found(t, { promise: 12, tried: 'clock set forward and back an hour', promised: 'a good key passes', seen });
  });

  for (const [what, offsetS, from] of [
    ['forward', HOUR_S, '192.0.2.10'],
    ['back', -HOUR_S, '192.0.2.20'],
  ] as const)
    it(`set ${what} an hour: the guard neither frees nor blocks an address for it`, async (t) => {
      await passes(jumping);
      for (let at = 0; at < FAILURES; at += 1)
        assert.equal((await ask(jumping, '/plain', `a-key-nobody-had-${what}-${at}`, from)).status, 401);
      const blockedMs = performance.now();
      clock.set(offsetS);
      try {
        const blocked = await ask(jumping, '/plain', SECRET, from);
        // A machine that took longer than the block to get here has nothing to say of it.
        if (performance.now() - blockedMs < BLOCK_S * 1_000) assert.equal(blocked.status, 429, blocked.text());
        assert.ok(Number(blocked.header('retry-after') ?? 0) <= BLOCK_S, blocked.text());
        await eventually(async () => assert.equal((await ask(jumping, '/plain', SECRET, from)).status, 200), {
          withinMs: 5 * BLOCK_S * 1_000,
        });
      } finally {
        clock.set(0);
      }
      const freedMs = Math.round(performance.now() - blockedMs);
      found(t, {
        promise: 12,
        tried: `clock set ${what} an hour while an address is blocked for ${BLOCK_S} s`,
        promised: 'nothing frees or blocks it for that',
        seen: `429 at once, free after ${freedMs} ms`,
      });
    });

  it('when a key expires is a matter of the date, and each gateway goes by its own', async (t) => {
    await Promise.all([passes(jumping, LASTING), passes(steady, LASTING)]);
    clock.set(HOUR_S);
    try {
      assert.equal((await ask(jumping, '/plain', LASTING)).status, 401);
      assert.equal((await ask(steady, '/plain', LASTING)).status, 200);
    } finally {
      clock.set(0);
    }
    // A text that was refused is remembered as refused for some seconds; a key that ends with it was not.
    assert.equal((await ask(jumping, '/plain', ALIKE)).status, 200);
    found(t, {
      promise: 12,
      tried: 'clock of one gateway set an hour forward, a key expiring in half an hour',
      promised: "an expiry is a date, held against the gateway's own clock: an hour early there, nowhere else",
      seen: '401 there, 200 at the other; once the clock is right, a key of the same expiry passes there',
    });
  });
});
