// Limits (SPEC sections 2, 4 and 5) on both stores: the algorithms, what they count by, all or none, cost, concurrency,
// and the RateLimit fields.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Connection, requestBytes, send, type Response } from '../support/acceptance-http.ts';
import { assertProblem } from '../support/acceptance-problem.ts';
import { readRateLimit, readRateLimitPolicy } from '../support/acceptance-rate-limit.ts';
import { Scene } from '../support/acceptance-scene.ts';
import { STORE_KINDS } from '../support/acceptance-store.ts';
import type { Upstream } from '../support/acceptance-upstream.ts';
import { eventually } from '../support/acceptance-wait.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';

const ALGORITHMS = ['sliding', 'fixed', 'bucket'] as const;

interface Caller {
  readonly secret: string;
  readonly address?: string;
}

const ann: Caller = { secret: 'an-imported-key-of-ann-at-acme' };
const bob: Caller = { secret: 'an-imported-key-of-bob-at-acme' };
const eve: Caller = { secret: 'an-imported-key-of-eve-at-other' };
/** Their plan has limits and a concurrency. */
const paul: Caller = { secret: 'an-imported-key-of-paul-at-plan' };
const nora: Caller = { secret: 'an-imported-key-of-nora-at-once' };
/** Has a key, but no scope. */
const zoe: Caller = { secret: 'an-imported-key-of-zoe-scopeless' };

const by = (dimension: string): object => ({ calls: { requests: 3, per: '1h', by: dimension } });

// Both stores at the same time: much of it is waiting for processes.
describe('limits', { concurrency: true }, () => {
  for (const kind of STORE_KINDS) {
    describe(`limits on ${kind}`, { concurrency: false }, () => {
      let scene: Scene;
      let app: Upstream;
      let gateway: GatewayProcess;
      let other: GatewayProcess;

      before(async () => {
        scene = await Scene.open(kind);
        app = await scene.upstream();
        const routes: Record<string, object> = {
          free: { path: '/free/**', upstream: 'app' },
          'by-key': { path: '/by/key', upstream: 'app', limits: by('key') },
          'by-owner': { path: '/by/owner', upstream: 'app', limits: by('owner') },
          'by-address': { path: '/by/address', upstream: 'app', limits: by('address') },
          'by-route': { path: '/by/route', upstream: 'app', limits: by('route') },
          'all-or-none': {
            path: '/all-or-none',
            upstream: 'app',
            limits: { wide: { requests: 10, per: '1h', by: 'key' }, narrow: { requests: 2, per: '1h', by: 'key' } },
          },
          scoped: { path: '/scoped', upstream: 'app', scopes: ['things:read'], limits: by('key') },
          posted: { path: '/posted', methods: ['POST'], upstream: 'app', limits: by('route'), maxBody: '1KiB' },
          costly: {
            path: '/costly',
            upstream: 'app',
            cost: 3,
            limits: { calls: { requests: 10, per: '1h', by: 'key' } },
          },
          'costly-bucket': {
            path: '/costly-bucket',
            upstream: 'app',
            cost: 3,
            limits: { calls: { requests: 10, per: '1h', by: 'key', algorithm: 'bucket', burst: 10 } },
          },
          refilled: {
            path: '/refilled',
            upstream: 'app',
            limits: { drops: { requests: 1, per: '2s', by: 'key', algorithm: 'bucket', burst: 4 } },
          },
          tumbling: {
            path: '/tumbling',
            upstream: 'app',
            limits: { hourly: { requests: 5, per: '1h', by: 'key', algorithm: 'fixed' } },
          },
          second: { path: '/second', upstream: 'app', limits: { brief: { requests: 4, per: '1s', by: 'key' } } },
        };
        for (const algorithm of ALGORITHMS) {
          const limit = {
            requests: 5,
            per: '1h',
            by: 'key',
            algorithm,
            ...(algorithm === 'bucket' ? { burst: 5 } : {}),
          };
          routes[algorithm] = { path: `/algorithm/${algorithm}`, upstream: 'app', limits: { few: limit } };
          const shared = { ...limit, requests: 50, by: 'route', ...(algorithm === 'bucket' ? { burst: 50 } : {}) };
          routes[`shared-${algorithm}`] = { path: `/shared/${algorithm}`, upstream: 'app', limits: { all: shared } };
        }
        const settings = {
          store: { url: scene.store.url, timeout: '5s' },
          trustedProxies: ['127.0.0.1/32'],
          upstreams: { app: { targets: [app.url] } },
          plans: {
            planned: {
              limits: { burst: { requests: 10, per: '1h' }, daily: { requests: 1000, per: '1d', algorithm: 'fixed' } },
            },
            // Two at once, and enough requests to see what a refused one costs.
            paired: { limits: { daily: { requests: 100, per: '1d' } }, concurrency: 2 },
          },
          routes,
        };
        [gateway, other] = await Promise.all([scene.gateway(settings), scene.gateway(settings)]);
        await scene.importKeys(gateway, [
          { id: 'ann', owner: 'acme', secret: ann.secret, scopes: ['things:read'] },
          { id: 'bob', owner: 'acme', secret: bob.secret },
          { id: 'eve', owner: 'other', secret: eve.secret },
          { id: 'paul', owner: 'planned', secret: paul.secret, plan: 'planned' },
          { id: 'nora', owner: 'paired', secret: nora.secret, plan: 'paired' },
          { id: 'zoe', owner: 'none', secret: zoe.secret },
        ]);
        for (const each of [gateway, other])
          await eventually(async () => assert.equal((await call('/free/x', zoe, each)).status, 200));
      });
      after(() => scene.close());

      function call(target: string, caller: Caller, through = gateway, method = 'GET'): Promise<Response> {
        const address = caller.address === undefined ? {} : { 'X-Forwarded-For': caller.address };
        return send(through.proxyPort, { method, target, headers: { 'X-Api-Key': caller.secret, ...address } });
      }

      /** How many of these calls are let through; all others must be `rate_limited`. */
      async function admitted(calls: number, target: string, caller: Caller): Promise<number> {
        let passed = 0;
        for (let at = 0; at < calls; at++) {
          const answer = await call(target, caller);
          if (answer.status === 200) passed++;
          else assertProblem(answer, 429, 'rate_limited', { 'violated-policies': answer.json()['violated-policies'] });
        }
        return passed;
      }

      for (const algorithm of ALGORITHMS) {
        test(`${algorithm}: as many as the limit says, then 429 rate_limited`, async () => {
          for (let left = 4; left >= 0; left--) {
            const answer = await call(`/algorithm/${algorithm}`, ann);
            assert.equal(answer.status, 200, answer.text());
            assert.equal(readRateLimit(answer).get('few')?.r, left);
            assert.deepEqual(readRateLimitPolicy(answer).get('few'), { q: 5, w: 3600 });
          }
          const refused = await call(`/algorithm/${algorithm}`, ann);
          assertProblem(refused, 429, 'rate_limited', { 'violated-policies': ['few'] });
          const { r, t } = readRateLimit(refused).get('few') ?? { r: -1, t: -1 };
          assert.equal(r, 0);
          // Two weighted windows: the one before weighs on into the next.
          assert.ok(t >= 1 && t <= (algorithm === 'sliding' ? 7200 : 3600), `t=${t}`);
          assert.ok(Number(refused.header('retry-after')) >= t, 'Retry-After is never before t');
        });

        test(`${algorithm}: however many gateways share the store, the sum of what they admit never exceeds the limit`, async () => {
          const answers = await Promise.all(
            Array.from({ length: 200 }, (_, at) => call(`/shared/${algorithm}`, ann, at % 2 === 0 ? gateway : other)),
          );
          const statuses = answers.map((answer) => answer.status);
          assert.equal(statuses.filter((status) => status === 200).length, 50);
          assert.equal(statuses.filter((status) => status === 429).length, 150);
        });
      }

      test('fixed: the window is aligned to UTC', async () => {
        const start = Date.now() / 1000;
        const answer = await call('/tumbling', ann);
        const end = Date.now() / 1000;
        const t = readRateLimit(answer).get('hourly')?.t ?? -1;
        const left = (at: number): number => Math.ceil(3600 - (at % 3600));
        assert.ok(t <= left(start) + 1 && t >= left(end) - 1, `t=${t}, between ${left(end)} and ${left(start)}`);
      });

      test('bucket: up to `burst` at once, then `requests` a `per`', async () => {
        assert.equal(await admitted(4, '/refilled', ann), 4);
        const refused = await call('/refilled', ann);
        assertProblem(refused, 429, 'rate_limited', { 'violated-policies': ['drops'] });
        const since = performance.now();
        await eventually(async () => assert.equal((await call('/refilled', ann)).status, 200), { withinMs: 4000 });
        assert.ok(performance.now() - since < 3000, 'a drop comes every two seconds');
      });

      test('sliding: what Retry-After says is enough, and it does not double at the edge of a window', async () => {
        const start = performance.now();
        let passed = 0;
        let refused: Response | undefined;
        // Through the edges of at least one window, as fast as it goes.
        while (performance.now() - start < 1500) {
          const answer = await call('/second', ann);
          if (answer.status === 200) passed++;
          else refused = answer;
        }
        const seconds = (performance.now() - start) / 1000;
        assert.ok(passed <= 4 * (1 + seconds), `${passed} in ${seconds} s`);
        assert.ok(passed >= 4, `${passed}`);
        assert.ok(refused);
        assert.ok(Number(refused.header('retry-after')) <= 2);
        await eventually(async () => assert.equal((await call('/second', ann)).status, 200), { withinMs: 2000 });
      });

      const dimensions: readonly (readonly [string, Caller, Caller, Caller])[] = [
        // the caller that uses it up, one that shares it, one that does not
        ['key', ann, { ...ann, address: '203.0.113.1' }, bob],
        ['owner', ann, bob, eve],
        [
          'address',
          { ...ann, address: '203.0.113.2' },
          { ...eve, address: '203.0.113.2' },
          { ...ann, address: '203.0.113.3' },
        ],
      ];
      for (const [dimension, first, sharing, separate] of dimensions) {
        test(`by ${dimension}: shared by what has the same ${dimension}, and by nothing else`, async () => {
          const target = `/by/${dimension}`;
          assert.equal(await admitted(3, target, first), 3);
          assert.equal(await admitted(1, target, sharing), 0);
          assert.equal(await admitted(4, target, separate), 3);
        });
      }
      test('by route: shared by all callers', async () => {
        assert.equal(await admitted(2, '/by/route', ann), 2);
        assert.equal(await admitted(2, '/by/route', { ...eve, address: '203.0.113.4' }), 1);
      });

      test('all or none: a request refused by one limit costs nothing of the others', async () => {
        assert.equal(await admitted(8, '/all-or-none', ann), 2);
        const answer = await call('/all-or-none', ann);
        assertProblem(answer, 429, 'rate_limited', { 'violated-policies': ['narrow'] });
        assert.equal(readRateLimit(answer).get('narrow')?.r, 0);
        assert.equal(readRateLimit(answer).get('wide')?.r, 8);
      });

      test('a denied request costs nothing, whatever denied it', async () => {
        assert.equal((await call('/scoped', zoe)).status, 403);
        const answer = await call('/scoped', ann);
        assert.equal(readRateLimit(answer).get('calls')?.r, 2);
        for (let at = 0; at < 5; at++) assert.equal((await call('/posted', ann)).status, 405);
        const tooLarge = {
          method: 'POST',
          target: '/posted',
          headers: { 'X-Api-Key': ann.secret },
          body: 'x'.repeat(2000),
        };
        for (let at = 0; at < 5; at++) assert.equal((await send(gateway.proxyPort, tooLarge)).status, 413);
        const posted = await send(gateway.proxyPort, { ...tooLarge, body: 'x' });
        assert.equal(posted.status, 200, posted.text());
        assert.equal(readRateLimit(posted).get('calls')?.r, 2);
      });

      for (const target of ['/costly', '/costly-bucket']) {
        test(`cost: how many requests one call to ${target} counts as`, async () => {
          for (const left of [7, 4, 1]) {
            const answer = await call(target, ann);
            assert.equal(answer.status, 200);
            assert.equal(readRateLimit(answer).get('calls')?.r, left);
          }
          const refused = await call(target, ann);
          assertProblem(refused, 429, 'rate_limited', { 'violated-policies': ['calls'] });
          assert.equal(readRateLimit(refused).get('calls')?.r, 1, 'what is left is not taken');
        });
      }

      test("RateLimit and RateLimit-Policy name every limit of the key's plan", async () => {
        const answer = await call('/free/x', paul);
        assert.equal(answer.header('ratelimit-policy'), '"burst";q=10;w=3600, "daily";q=1000;w=86400');
        assert.match(answer.header('ratelimit') ?? '', /^"burst";r=9;t=[1-9]\d*, "daily";r=999;t=[1-9]\d*$/);
        for (const { t } of readRateLimit(answer).values()) assert.ok(t >= 1 && t <= 86_400, `t=${t}`);
      });

      test("plan and route: both hold, the answer names both's limits", async () => {
        const answer = await call('/by/key', paul);
        assert.deepEqual([...readRateLimit(answer).keys()].toSorted(), ['burst', 'calls', 'daily']);
        assert.equal(readRateLimit(answer).get('calls')?.r, 2);
        assert.equal(await admitted(20, '/by/key', paul), 2);
        const refused = await call('/by/key', paul);
        assert.deepEqual(refused.json()['violated-policies'], ['calls']);
      });

      test('concurrency: as many at once as the plan says, then 429 concurrency_exceeded, which costs nothing', async () => {
        const holding = await Promise.all([Connection.open(gateway.proxyPort), Connection.open(gateway.proxyPort)]);
        try {
          for (const each of holding)
            each.write(requestBytes({ target: '/free/hold', headers: { 'X-Api-Key': nora.secret } }));
          await eventually(() => assert.equal(app.held.length, 2));
          for (let at = 0; at < 5; at++) {
            const refused = await call('/free/x', nora);
            assertProblem(refused, 429, 'concurrency_exceeded');
            assert.equal(refused.header('retry-after'), '1');
          }
          app.release();
          for (const each of holding) assert.equal((await each.response()).status, 200);
          const answer = await eventually(async () => {
            const next = await call('/free/x', nora);
            assert.equal(next.status, 200);
            return next;
          });
          assert.equal(readRateLimit(answer).get('daily')?.r, 97);
        } finally {
          for (const each of holding) each.destroy();
        }
      });

      test('concurrency: a request that its client gave up no longer counts', async () => {
        const holding = await Promise.all([Connection.open(gateway.proxyPort), Connection.open(gateway.proxyPort)]);
        for (const each of holding)
          each.write(requestBytes({ target: '/free/hold', headers: { 'X-Api-Key': nora.secret } }));
        await eventually(() => assert.equal(app.held.length, 2));
        assertProblem(await call('/free/x', nora), 429, 'concurrency_exceeded');
        for (const each of holding) each.destroy();
        await eventually(async () => assert.equal((await call('/free/x', nora)).status, 200));
        app.release();
      });
    });
  }
});
