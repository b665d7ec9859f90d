// The gateway itself stands still (SIGSTOP) and goes on (SIGCONT): what it missed meanwhile counts from its first
// request on, limits hold, and nobody is timed out who was not late.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Connection, requestBytes } from '../support/acceptance-http.ts';
import { STORE_KINDS } from '../support/acceptance-store.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { FaultScene, keepBriefly, KEY } from '../support/fault-scene.ts';
import { found } from '../support/findings.ts';

/** Longer than the upstream's timeouts, and than the second in which a change is to be in force. */
const STALL_MS = 2_000;
const LIMIT = 40;
const REVOKED = 'the-key-that-is-revoked-0123456789';
const AS_HOLDER = { 'X-Api-Key': KEY };

// They stand still in their own processes, and mostly wait: together they take no longer than one.
describe('a gateway that stands still', { concurrency: true }, () => {
  for (const kind of STORE_KINDS) {
    describe(`the gateway stands still, on ${kind}`, { concurrency: false }, () => {
      let on: FaultScene;

      before(async () => {
        on = await FaultScene.open({
          kind,
          routes: {
            limited: {
              path: '/limited',
              upstream: 'app',
              limits: { calls: { requests: LIMIT, per: '1h', by: 'key' } },
            },
          },
          own: (scene) => ({ store: { url: scene.store.url, timeout: '5s' } }),
        });
      });
      after(() => on.close());

      /** Stops the gateway while `work` runs, and at least for the stall's length. */
      async function stalled(work: () => Promise<void>): Promise<void> {
        on.gateway.signal('SIGSTOP');
        try {
          await Promise.all([work(), pause(STALL_MS)]);
        } finally {
          on.gateway.signal('SIGCONT');
        }
      }

      test('a key revoked meanwhile is refused at the first request after it', async (t) => {
        await on.scene.importKeys(on.gateway, [{ id: 'revoked', owner: 'acme', secret: REVOKED }]);
        const asRevoked = { target: '/things/revoked', headers: { 'X-Api-Key': REVOKED } };
        const waiting = await Connection.open(on.gateway.proxyPort);
        // Cached, and believed without the store's being asked.
        for (let at = 0; at < 5; at++) assert.equal((await waiting.exchange(asRevoked)).status, 200);
        const before = seenOf('/things/revoked');
        await stalled(async () => {
          await on.scene.run(on.gateway, 'keys', 'revoke', 'revoked');
          await pause(1_000);
          waiting.write(requestBytes(asRevoked));
        });
        const statuses = [(await waiting.response()).status];
        for (let at = 0; at < 20; at++) statuses.push((await waiting.exchange(asRevoked)).status);
        waiting.destroy();
        assert.deepEqual(new Set(statuses), new Set([401]));
        assert.equal(seenOf('/things/revoked'), before);
        found(t, {
          promise: 1,
          tried: `${kind}: the whole gateway stands still (SIGSTOP ${STALL_MS} ms), a cached key is revoked meanwhile`,
          promised: 'refused from 1 s after the revocation on, the first request after the stall included',
          seen: `${statuses.length} of ${statuses.length} requests refused with 401, 0 reached the upstream`,
        });
      });

      test('a limit holds, and who waited is answered', async (t) => {
        const open = (): Promise<Connection> => Connection.open(on.gateway.proxyPort);
        const connections = await Promise.all(Array.from({ length: LIMIT * 2 }, open));
        const limited = requestBytes({ target: '/limited', headers: AS_HOLDER });
        const half = connections.slice(0, LIMIT);
        for (const connection of half) connection.write(limited);
        await stalled(() => {
          for (const connection of connections.slice(LIMIT)) connection.write(limited);
          return Promise.resolve();
        });
        const answers = await Promise.all(connections.map((connection) => connection.response({ withinMs: 15_000 })));
        for (const connection of connections) connection.destroy();
        const passed = answers.filter(({ status }) => status === 200).length;
        assert.equal(passed, LIMIT);
        assert.equal(answers.filter(({ status }) => status === 429).length, LIMIT);
        found(t, {
          promise: 2,
          tried: `${kind}: ${LIMIT * 2} requests for a limit of ${LIMIT}, half of them sent while the gateway stands still (SIGSTOP ${STALL_MS} ms)`,
          promised: `exactly ${LIMIT} pass, every request is answered`,
          seen: `${passed} passed, ${answers.length - passed} refused with 429; ${await on.assertUnharmed()}`,
        });
      });

      const seenOf = (target: string): number => on.app.seen.filter((request) => request.target === target).length;
    });
  }

  test('an upstream and a client that were in time are not timed out because the gateway was not', async (t) => {
    const on = await FaultScene.open();
    try {
      await on.gateway.reconfigure({
        ...on.settings,
        upstreams: { app: { targets: [on.app.url], responseTimeout: '1500ms', idleTimeout: '1500ms' } },
      });
      await on.gateway.logLine(({ msg }) => msg === 'configuration reloaded');
      const asked = 24;
      const connections = await Promise.all(Array.from({ length: asked }, () => Connection.open(on.gateway.proxyPort)));
      for (const connection of connections)
        connection.write(requestBytes({ target: '/things/hold', headers: AS_HOLDER }));
      await eventually(() => assert.equal(on.app.held.length, asked));
      on.gateway.signal('SIGSTOP');
      try {
        for (const response of on.app.held) keepBriefly(response);
        on.app.release();
        await pause(STALL_MS);
      } finally {
        on.gateway.signal('SIGCONT');
      }
      const answers = await Promise.all(connections.map((connection) => connection.response({ withinMs: 10_000 })));
      for (const connection of connections) connection.destroy();
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
      found(t, {
        promise: 7,
        tried: `the gateway stands still (SIGSTOP ${STALL_MS} ms) for longer than responseTimeout (1500 ms); the upstream answers ${asked} requests meanwhile`,
        promised: 'an answer that came in time is passed on, no 504',
        seen: `${asked} of ${asked} answers passed on; ${await on.assertUnharmed()}`,
      });
    } finally {
      await on.close();
    }
  });
});
