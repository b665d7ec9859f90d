// The guard (SPEC section 2): failed attempts are counted by address before any key lookup, and an address with too
// many is answered 429 address_blocked.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { send, type Response } from '../support/acceptance-http.ts';
import { mistyped, strangerKey } from '../support/acceptance-key-text.ts';
import { assertProblem } from '../support/acceptance-problem.ts';
import { Scene } from '../support/acceptance-scene.ts';
import { STORE_KINDS } from '../support/acceptance-store.ts';
import { eventually } from '../support/acceptance-wait.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';

const key = 'an-imported-key-of-anyone';
/** Of use in 198.51.100.0/24 only. */
const boundKey = 'an-imported-key-of-one-network';

// Both stores at the same time: much of it is waiting for processes.
describe('guard', { concurrency: true }, () => {
  for (const kind of STORE_KINDS) {
    describe(`guard on ${kind}`, { concurrency: false }, () => {
      let scene: Scene;
      /** With the guard as it is by default: 20 failures in 1 m block for 5 m. */
      let gateway: GatewayProcess;
      /** With a short block. */
      let brief: GatewayProcess;

      before(async () => {
        scene = await Scene.open(kind);
        const app = await scene.upstream();
        const settings = {
          trustedProxies: ['127.0.0.1/32'],
          upstreams: { app: { targets: [app.url] } },
          routes: { all: { path: '/**', upstream: 'app' }, open: { path: '/open', upstream: 'app', access: 'public' } },
        };
        const guard = { failures: 5, per: '1m', block: '2s' };
        [gateway, brief] = await Promise.all([
          scene.gateway(settings),
          // A prefix of its own, so that the two gateways do not share what they count.
          scene.gateway({ ...settings, guard, store: { url: scene.store.url, prefix: 'brief' } }),
        ]);
        for (const each of [gateway, brief]) {
          const again = kind === 'sqlite' && each === brief;
          const networks = { allow: ['198.51.100.0/24'] };
          const keys = [
            { id: 'anyone', owner: 'acme', secret: key },
            { id: 'bound', owner: 'acme', secret: boundKey, networks },
          ];
          if (!again) await scene.importKeys(each, keys);
          await eventually(async () => assert.equal((await ask('192.0.2.250', key, each)).status, 200));
        }
      });
      after(() => scene.close());

      function ask(address: string, secret: string, through = gateway, target = '/x'): Promise<Response> {
        return send(through.proxyPort, { target, headers: { 'X-Api-Key': secret, 'X-Forwarded-For': address } });
      }

      async function fail(times: number, address: () => string, through = gateway): Promise<void> {
        for (let at = 0; at < times; at++) {
          assertProblem(await ask(address(), strangerKey(), through), 401, 'key_invalid');
        }
      }

      function assertBlocked(answer: Response, atMostSeconds: number): void {
        assertProblem(answer, 429, 'address_blocked');
        const retryAfter = answer.header('retry-after') ?? '';
        assert.match(retryAfter, /^[1-9]\d*$/);
        assert.ok(Number(retryAfter) <= atMostSeconds, retryAfter);
      }

      test('20 failures from an address block it; other addresses are not', async () => {
        const address = '192.0.2.1';
        await fail(20, () => address);
        assertBlocked(await ask(address, strangerKey()), 300);
        assertBlocked(await ask(address, key), 300);
        assertBlocked(await ask(address, mistyped(strangerKey())), 300);
        assert.equal((await ask('192.0.2.2', key)).status, 200);
      });

      test('19 failures do not, and are forgiven to nobody else', async () => {
        await fail(19, () => '192.0.2.3');
        assert.equal((await ask('192.0.2.3', key)).status, 200);
      });

      test('an IPv6 address is blocked with its /64', async () => {
        let host = 0;
        await fail(20, () => `2001:db8:1:2::${(++host).toString(16)}`);
        assertBlocked(await ask('2001:db8:1:2:ffff::1', key), 300);
        assert.equal((await ask('2001:db8:1:3::1', key)).status, 200);
      });

      test("an address with a recent good key is not blocked by others' failures behind the same NAT", async () => {
        const address = '192.0.2.4';
        assert.equal((await ask(address, key)).status, 200);
        for (let at = 0; at < 40; at++) await ask(address, strangerKey());
        assert.equal((await ask(address, key)).status, 200);
      });

      test('a key that may not be used from an address spares it nothing: its failures block it', async () => {
        const address = '192.0.2.7';
        for (let at = 0; at < 2; at++) assertProblem(await ask(address, boundKey), 403, 'network_denied');
        await fail(20, () => address);
        assertBlocked(await ask(address, key), 300);
        // Where it may be used it is as good as any.
        const own = '198.51.100.7';
        assert.equal((await ask(own, boundKey)).status, 200);
        for (let at = 0; at < 40; at++) await ask(own, strangerKey());
        assert.equal((await ask(own, boundKey)).status, 200);
      });

      test('the block ends after its time', async () => {
        const address = '192.0.2.5';
        const since = performance.now();
        await fail(5, () => address, brief);
        assertBlocked(await ask(address, key, brief), 2);
        await eventually(async () => assert.equal((await ask(address, key, brief)).status, 200), { withinMs: 4000 });
        assert.ok(performance.now() - since > 1500, 'not before');
      });

      test('blocked requests are counted, and logged with their reason and client', async () => {
        const address = '192.0.2.6';
        await fail(20, () => address);
        const before = await gateway.metrics();
        const requestId = assertProblem(await ask(address, key), 429, 'address_blocked');
        const line = await gateway.logLine((each) => each['requestId'] === requestId);
        assert.equal(line['reason'], 'address_blocked');
        assert.equal(line['client'], address);
        await eventually(async () => {
          const labels = { outcome: 'denied', reason: 'address_blocked' };
          const grown = (await gateway.metrics()).sum('portcullis_decisions_total', labels);
          assert.equal(grown, before.sum('portcullis_decisions_total', labels) + 1);
        });
      });
    });
  }
});
