// Promise 3, its second half: rolling restarts of two gateways behind HAProxy, under load, fail no request.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../support/acceptance-wait.ts';
import { countsText } from '../support/fault-load.ts';
import { FaultScene } from '../support/fault-scene.ts';
import { atScale, found } from '../support/findings.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { startBalancer } from '../support/haproxy.ts';

const CHECK_MS = 100;
/** Long enough for probes to have noticed. */
const SHUTDOWN = { delay: '500ms', timeout: '10s' };
const PATIENT_MS = atScale({ suite: 120_000, full: 600_000 });

test(
  'rolling restarts behind HAProxy under load: 0 failed requests, each exits in time',
  { timeout: PATIENT_MS },
  async (t) => {
    const restarts = atScale({ suite: 2, full: 20 });
    const on = await FaultScene.open({ own: () => ({ shutdown: SHUTDOWN }) });
    try {
      const gateways: GatewayProcess[] = [on.gateway, await on.scene.gateway(on.settings)];
      const balancer = await startBalancer(on.scene.directory, gateways, CHECK_MS);
      on.scene.onClose(() => balancer.stop());
      const load = on.load({ port: balancer.port, clients: 6 });
      const fresh = on.load({ port: balancer.port, clients: 2, isFresh: true });
      const longestMs: number[] = [];
      for (let at = 0; at < restarts; at++) {
        const { proxyPort, opsPort, configFile } = gateways[at % 2]!;
        const stoppedAt = performance.now();
        gateways[at % 2]!.signal('SIGTERM');
        assert.deepEqual(await gateways[at % 2]!.exited, { code: 0, signal: null });
        longestMs.push(performance.now() - stoppedAt);
        const existing = { file: configFile, proxyPort, opsPort };
        const next = await on.scene.gateway(on.settings, { existing });
        gateways[at % 2] = next;
        // It has its share again before the other one goes.
        const share = next.log.length;
        await eventually(() => assert.ok(next.log.length > share + 20), { withinMs: 15_000 });
      }
      const [kept, anew] = [await load.stop(), await fresh.stop()];
      for (const { statuses, strangers, failures } of [kept, anew]) {
        assert.deepEqual(failures, []);
        assert.deepEqual([...statuses.keys()], [200]);
        assert.deepEqual([...strangers.keys()], [401]);
      }
      assert.equal(on.unauthorised, 0);
      const longest = Math.max(...longestMs);
      assert.ok(longest < 30_000, `${longest} ms`);
      found(t, {
        promise: 3,
        tried: `${restarts} rolling restarts of two gateways behind HAProxy that asks /readyz every ${CHECK_MS} ms, shutdown.delay 500ms, under load`,
        promised: '0 failed requests; exit 0 within 30 s',
        seen: `kept connections ${countsText(kept.statuses)}, new ones ${countsText(anew.statuses)}, 0 failed; exit 0 within ${(longest / 1000).toFixed(1)} s each; 0 unauthorised`,
      });
    } finally {
      await on.close();
    }
  },
);
