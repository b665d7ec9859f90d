// Limits that have room are spent from leases (docs/limits.md): callers see the same, the store is asked seldom, and a
// gateway that stops leaves nothing behind.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { send, type Response } from '../support/acceptance-http.ts';
import { assertProblem } from '../support/acceptance-problem.ts';
import { readRateLimit } from '../support/acceptance-rate-limit.ts';
import { Scene } from '../support/acceptance-scene.ts';
import { STORE_KINDS } from '../support/acceptance-store.ts';
import { eventually } from '../support/acceptance-wait.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';

const LIMIT = 10_000;
const REQUESTS = 300;
/** Longest step in which a bucket is refilled, ms. */
const STEP_MS = 5_000;
const ALGORITHMS = ['sliding', 'fixed', 'bucket'] as const;
const key = 'an-imported-key-that-calls-steadily';

for (const kind of STORE_KINDS) {
  describe(`leases on ${kind}`, () => {
    let scene: Scene;
    let gateway: GatewayProcess;
    let other: GatewayProcess;

    before(async () => {
      scene = await Scene.open(kind);
      const app = await scene.upstream();
      // So long that no window ends within the test, and no bucket is refilled by a whole request.
      const routes = Object.fromEntries(
        ALGORITHMS.map((algorithm) => {
          const burst = algorithm === 'bucket' ? { burst: LIMIT } : {};
          const calls = { requests: LIMIT, per: '30d', by: 'key', algorithm, ...burst };
          return [algorithm, { path: `/${algorithm}`, upstream: 'app', limits: { calls } }];
        }),
      );
      const settings = { store: { url: scene.store.url }, upstreams: { app: { targets: [app.url] } }, routes };
      [gateway, other] = await Promise.all([scene.gateway(settings), scene.gateway(settings)]);
      await scene.importKeys(gateway, [{ id: 'steady', owner: 'acme', secret: key }]);
    });
    after(() => scene.close());

    const call = (target: string, through = gateway): Promise<Response> =>
      send(through.proxyPort, { target, headers: { 'X-Api-Key': key } });

    async function storeOperations(): Promise<number> {
      const metrics = await gateway.metrics();
      const count = (operation: string) => metrics.sum('portcullis_store_duration_seconds_count', { operation });
      return count('take') + count('lease');
    }

    for (const algorithm of ALGORITHMS) {
      test(`${algorithm}: RateLimit falls by one a request, and the store is asked once in 20 at most`, async () => {
        const before = await storeOperations();
        const beganMs = performance.now();
        let left = LIMIT;
        let jumps = 0;
        for (let sent = 0; sent < REQUESTS; sent++) {
          const answer = await call(`/${algorithm}`);
          assert.equal(answer.status, 200, answer.text());
          const now = readRateLimit(answer).get('calls')?.r ?? Number.NaN;
          assert.ok(now < left, `${now} behind ${left}`);
          if (now !== left - 1) jumps++;
          left = now;
        }
        const asked = (await storeOperations()) - before;
        // A lease on a bucket ends with a step of its refilling, and what is left of it is not had again: on a slow machine
        // some begin anew.
        const steps = algorithm === 'bucket' ? Math.ceil((performance.now() - beganMs) / STEP_MS) : 1;
        assert.ok(jumps < steps, `${jumps} times it fell by more than one in ${steps} steps`);
        assert.ok(asked <= (steps * REQUESTS) / 20, `${asked} operations for ${REQUESTS} requests in ${steps} steps`);
      });
    }

    test('a gateway that stops gives back what it holds', async () => {
      for (let at = 0; at < 50; at++) assert.equal((await call('/sliding')).status, 200);
      assert.equal((await gateway.stop()).code, 0);
      const answer = await call('/sliding', other);
      assert.equal(readRateLimit(answer).get('calls')?.r, LIMIT - REQUESTS - 50 - 1);
    });

    test('what is held is spent while the store does not answer; then it is 503 store_unavailable', async () => {
      const { redis } = scene.store;
      if (!redis) return;
      for (let at = 0; at < 50; at++) assert.equal((await call('/fixed', other)).status, 200);
      redis.stall();
      try {
        assert.equal((await call('/fixed', other)).status, 200);
        assertProblem(
          await eventually(async () => {
            const answer = await call('/fixed', other);
            assert.notEqual(answer.status, 200);
            return answer;
          }),
          503,
          'store_unavailable',
        );
      } finally {
        redis.resume();
      }
      await eventually(async () => assert.equal((await call('/fixed', other)).status, 200));
    });
  });
}
