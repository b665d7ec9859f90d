// Promise 3, its first half: reloads under load, with WebSockets and event streams open, fail no request and end
// nothing that is open.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../support/acceptance-wait.ts';
import { countsText } from '../support/fault-load.ts';
import { FaultScene } from '../support/fault-scene.ts';
import { atScale, found } from '../support/findings.ts';
import type { Settings } from '../support/gateway-process.ts';
import { OpenEnds } from '../support/open-ends.ts';
import { answerStreaming } from '../support/streaming-upstream.ts';

const OPEN = 5;
/** A reload takes two looks at the file, and two workers; a hundred of them their time. */
const PATIENT_MS = atScale({ suite: 120_000, full: 600_000 });

for (const workers of [1, 2]) {
  describe(`a gateway of ${workers} ${workers === 1 ? 'process' : 'workers'}`, () => {
    let on: FaultScene;
    const upgradable = { path: '/things/**', upstream: 'app', upgrade: ['websocket'] };

    before(async () => {
      on = await FaultScene.open({
        answer: answerStreaming,
        own: (scene) => ({ store: { url: scene.store.url, timeout: '5s' }, workers, routes: { things: upgradable } }),
      });
    });
    after(() => on.close());

    /** A configuration that is another one each time: of upstreams too, so that connections to them are made anew. */
    function settings(at: number): Settings {
      const { app } = on;
      return {
        ...on.settings,
        upstreams: { app: { targets: [app.url], responseTimeout: `${30 + (at % 7)}s`, maxConnections: 200 + at } },
        routes: { things: upgradable, [`route-${at}`]: { path: `/at/${at}`, upstream: 'app' } },
      };
    }

    test(
      'reloads under load: 0 failed requests, WebSockets and event streams go on',
      { timeout: PATIENT_MS },
      async (t) => {
        const reloads = atScale({ suite: workers === 1 ? 7 : 3, full: 50 });
        const ends = await OpenEnds.open(on.gateway.proxyPort, OPEN);
        const load = on.load({ clients: 6 });
        const fresh = on.load({ clients: 2, isFresh: true });
        try {
          for (let at = 0; at < reloads; at++) {
            await on.gateway.reconfigure(settings(at));
            if (at % 2 === 0) on.gateway.signal('SIGHUP');
            await eventually(async () => assert.equal((await on.ask(`/at/${at}`)).status, 200), { withinMs: 15_000 });
          }
          await ends.assertAlive();
          assert.ok(ends.isWhole, `${ends.codes.length} WebSockets and ${ends.streamsEnded} streams ended`);
        } finally {
          ends.close();
        }
        const [kept, anew] = [await load.stop(), await fresh.stop()];
        for (const { statuses, strangers, failures } of [kept, anew]) {
          assert.deepEqual(failures, []);
          assert.deepEqual([...statuses.keys()], [200]);
          assert.deepEqual([...strangers.keys()], [401]);
        }
        const refused = on.gateway.log.filter(({ msg }) => /refused/.test(String(msg)));
        assert.deepEqual(refused, []);
        found(t, {
          promise: 3,
          tried: `${reloads} reloads with ${workers} ${workers === 1 ? 'process' : 'workers'} under load, each with changed upstreams and routes; ${OPEN} WebSockets and ${OPEN} event streams open`,
          promised: '0 failed requests; what is open goes on',
          seen: `kept connections ${countsText(kept.statuses)}, new ones ${countsText(anew.statuses)}, 0 failed; ${OPEN * 2} of ${OPEN * 2} open ones went on`,
        });
      },
    );
  });
}
