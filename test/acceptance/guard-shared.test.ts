// The guard between gateways (SPEC section 2): what one has met holds on all that share its store; and nobody else's
// address can be used against them.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { send, type Response } from '../support/acceptance-http.ts';
import { mistyped, strangerKey } from '../support/acceptance-key-text.ts';
import { assertProblem } from '../support/acceptance-problem.ts';
import { Scene } from '../support/acceptance-scene.ts';
import { STORE_KINDS } from '../support/acceptance-store.ts';
import type { GatewayProcess, Settings } from '../support/gateway-process.ts';

const key = 'an-imported-key-of-anyone';
const FAILURES = 5;

// Both stores at the same time: much of it is waiting for processes.
describe('guard between gateways', { concurrency: true }, () => {
  for (const kind of STORE_KINDS) {
    describe(`guard between gateways on ${kind}`, { concurrency: false }, () => {
      let scene: Scene;
      let settings: Settings;
      let one: GatewayProcess;
      let two: GatewayProcess;

      before(async () => {
        scene = await Scene.open(kind);
        const app = await scene.upstream();
        settings = {
          // A machine that is busy is not what is tried here.
          store: { url: scene.store.url, timeout: '2s' },
          trustedProxies: ['127.0.0.1/32', '10.0.0.0/8'],
          // The window is shorter than the block: what is counted ends, and the block goes on.
          guard: { failures: FAILURES, per: '2s', block: '5m' },
          upstreams: { app: { targets: [app.url] } },
          routes: { all: { path: '/**', upstream: 'app' } },
          log: { level: 'debug' },
        };
        one = await scene.gateway(settings);
        two = await scene.gateway(settings);
        await scene.importKeys(one, [{ id: 'anyone', owner: 'acme', secret: key }]);
      });
      after(() => scene.close());

      function ask(through: GatewayProcess, forwardedFor: string, secret: string): Promise<Response> {
        return send(through.proxyPort, { headers: { 'X-Api-Key': secret, 'X-Forwarded-For': forwardedFor } });
      }

      /** Well-formed and unknown ones and malformed ones in turn. */
      async function fail(through: GatewayProcess, forwardedFor: string, times = FAILURES): Promise<void> {
        for (let at = 0; at < times; at++) {
          const secret = at % 2 === 0 ? strangerKey() : mistyped(strangerKey());
          assertProblem(await ask(through, forwardedFor, secret), 401, 'key_invalid');
        }
      }

      test('an address that one gateway has blocked gets no look-up from another, after its window has ended too', async () => {
        const address = '198.51.100.1';
        await fail(one, address);
        assertProblem(await ask(one, address, key), 429, 'address_blocked');
        const since = performance.now();
        const lookUps = async () =>
          (await two.metrics()).sum('portcullis_store_duration_seconds_count', { operation: 'find' });
        const before = await lookUps();
        for (let asked = 0; asked < 4 || performance.now() - since < 2_300; asked++)
          assertProblem(await ask(two, address, strangerKey()), 429, 'address_blocked');
        assert.equal(await lookUps(), before);
      });

      test('well-formed keys tried on two gateways in turn get as many failures as on one', async () => {
        const address = '198.51.100.2';
        const statuses: number[] = [];
        for (let at = 0; at < FAILURES * 2; at++)
          statuses.push((await ask(at % 2 === 0 ? one : two, address, strangerKey())).status);
        assert.deepEqual(
          statuses.map((status) => status === 401),
          statuses.map((_, at) => at < FAILURES),
        );
      });

      test('an address that showed a good key to one gateway is not blocked on another by its neighbours', async () => {
        const address = '198.51.100.3';
        assert.equal((await ask(one, address, key)).status, 200);
        for (let at = 0; at < FAILURES * 3; at++) await ask(two, address, at % 2 === 0 ? strangerKey() : 'x');
        assert.equal((await ask(two, address, key)).status, 200);
        assertProblem(await ask(two, address, 'x'), 429, 'address_blocked');
      });

      test('failures under an address that a client only claims are its own', async () => {
        const [victim, attacker] = ['198.51.100.4', '203.0.113.66'];
        // What the trusted proxy added stands last; in front of it stands what the client made up.
        await fail(one, `${victim}, ${attacker}`);
        assertProblem(await ask(one, `${victim}, ${attacker}`, key), 429, 'address_blocked');
        assertProblem(await ask(one, `192.0.2.77, ${attacker}, 10.1.2.3`, key), 429, 'address_blocked');
        assertProblem(await ask(one, attacker, key), 429, 'address_blocked');
        assert.equal((await ask(one, victim, key)).status, 200);
      });

      test('an address is one source however it is written, and its neighbours are others', async () => {
        await fail(one, '198.51.100.5', 2);
        await fail(one, '::ffff:198.51.100.5', FAILURES - 2);
        for (const spelling of ['198.51.100.5', '::ffff:198.51.100.5', '::ffff:c633:6405'])
          assertProblem(await ask(one, spelling, key), 429, 'address_blocked');
        assert.equal((await ask(one, '198.51.100.6', key)).status, 200);
        await fail(one, '2001:db8:7:7::1', 2);
        await fail(one, '2001:DB8:7:7:ffff:ffff:ffff:ffff', FAILURES - 2);
        assertProblem(await ask(one, '2001:0db8:0007:0007::2', key), 429, 'address_blocked');
        assert.equal((await ask(one, '2001:db8:7:6:ffff:ffff:ffff:ffff', key)).status, 200);
        assertProblem(await ask(one, '198.51.100.05', key), 400, 'ambiguous_request');
      });

      test('a new rule by reload ends no block and forgets no good key', async () => {
        const [blocked, known] = ['198.51.100.7', '198.51.100.8'];
        await fail(two, blocked);
        assert.equal((await ask(two, known, key)).status, 200);
        await two.reconfigure(scene.settings({ ...settings, guard: { failures: 2, per: '2s', block: '4m' } }));
        await two.logLine((line) => line['msg'] === 'configuration reloaded');
        assertProblem(await ask(two, blocked, key), 429, 'address_blocked');
        for (let at = 0; at < 6; at++) await ask(two, known, strangerKey());
        assert.equal((await ask(two, known, key)).status, 200);
        await fail(two, '198.51.100.9', 2);
        assertProblem(await ask(two, '198.51.100.9', key), 429, 'address_blocked');
      });
    });
  }
});
