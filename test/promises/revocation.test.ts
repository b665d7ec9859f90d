// Promise 1: how long a key that was taken away is still good, and its connections open, on every gateway and in every
// worker. Measured from the moment at which the change was acknowledged.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { openManagement } from '../../src/compose/management.ts';
import { environment } from '../support/acceptance-cli.ts';
import { Connection } from '../support/acceptance-http.ts';
import { Scene } from '../support/acceptance-scene.ts';
import { STORE_KINDS } from '../support/acceptance-store.ts';
import { inTime } from '../support/acceptance-wait.ts';
import { atScale, found } from '../support/findings.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { openSocket, openStream } from '../support/open-clients.ts';
import { type OpenUpstream, startOpenUpstream } from '../support/open-upstream.ts';
import { percentilesMs } from '../support/percentiles.ts';

type Keys = Awaited<ReturnType<typeof openManagement>>['keys'];

const PROMISED_MS = 1_000;
const CHANGES = atScale({ suite: 51, full: 300 });
/** Keys that change at once. */
const AT_ONCE = 3;
/** Between two requests of one client, ms. */
const PACE_MS = 5;
/** Connections over which a key is used, by gateway: as many as are likely to meet each worker. */
const CONNECTIONS = [1, 3];

const CHANGE: readonly ((keys: Keys, id: string) => Promise<unknown>)[] = [
  (keys, id) => keys.revoke(id),
  (keys, id) => keys.disable(id),
  (keys, id) => keys.update(id, { scopes: ['y'] }),
];

for (const kind of STORE_KINDS)
  describe(`a key that is taken away, on ${kind}`, () => {
    let scene: Scene;
    let app: OpenUpstream;
    let gateways: GatewayProcess[];
    let keys: Keys;

    before(async () => {
      scene = await Scene.open(kind);
      app = await startOpenUpstream();
      scene.onClose(() => app.close());
      const start = (workers: number): Promise<GatewayProcess> =>
        scene.gateway({
          workers,
          // On a busy machine a short one would be a refusal of its own.
          store: { url: scene.store.url, timeout: '2s' },
          log: { level: 'error' },
          shutdown: { timeout: '2s' },
          guard: { failures: 100_000 },
          upstreams: { app: { targets: [app.url] } },
          routes: { any: { upstream: 'app', upgrade: ['websocket'], path: '/**', scopes: ['x'] } },
        });
      gateways = await Promise.all([start(1), start(2)]);
      const { configFile: file } = gateways[0]!;
      const management = await openManagement({ file, env: environment(), warn: () => undefined });
      scene.onClose(() => management.close());
      ({ keys } = management);
    });
    after(() => scene.close());

    const ports = (): number[] =>
      gateways.flatMap(({ proxyPort }, at) => Array.from({ length: CONNECTIONS[at]! }, () => proxyPort));

    /** Uses a key until it is refused. */
    async function useUntilRefused(port: number, secret: string, onGood: () => void) {
      const connection = await Connection.open(port);
      let goodAtMs = 0;
      try {
        for (;;) {
          const { status } = await connection.exchange({ target: '/quick', headers: { 'X-Api-Key': secret } });
          const atMs = performance.now();
          if (status !== 200) return { status, goodAtMs, refusedAtMs: atMs };
          goodAtMs = atMs;
          onGood();
          await pause(PACE_MS);
        }
      } finally {
        connection.destroy();
      }
    }

    async function change(at: number) {
      const { record, secret } = await keys.create({ grants: { scopes: ['x'] } });
      const clients = await Promise.all(
        ports().flatMap((port) => [openSocket(port, '/socket', secret), openStream(port, '/stream', secret)]),
      );
      let waiting = ports().length;
      const inUse = Promise.withResolvers<void>();
      const uses = ports().map((port) => {
        let isFirst = true;
        return useUntilRefused(port, secret, () => {
          if (isFirst && --waiting === 0) inUse.resolve();
          isFirst = false;
        });
      });
      await inTime(inUse.promise, 'a good answer for each', 10_000);
      await CHANGE[at % CHANGE.length]!(keys, record.id);
      const changedAtMs = performance.now();
      const refused = await inTime(Promise.all(uses), 'a refusal for each', 10_000);
      const ended = await inTime(Promise.all(clients.map((client) => client.ended)), 'an end for each', 10_000);
      for (const { status } of refused) assert.match(String(status), /^40[13]$/);
      assert.deepEqual(new Set(ended.map(({ how }) => how)), new Set([1008, 'cut']));
      const since = (atMs: number): number => Math.max(0, atMs - changedAtMs);
      return {
        good: Math.max(...refused.map(({ goodAtMs }) => since(goodAtMs))),
        refused: Math.max(...refused.map(({ refusedAtMs }) => since(refusedAtMs))),
        ended: Math.max(...ended.map(({ atMs }) => since(atMs))),
      };
    }

    test('is refused, and has nothing open, within a second everywhere', async (t) => {
      const seen: Awaited<ReturnType<typeof change>>[] = [];
      for (let at = 0; at < CHANGES; at += AT_ONCE) {
        seen.push(...(await Promise.all(Array.from({ length: AT_ONCE }, (_, more) => change(at + more)))));
      }
      const refused = seen.map((each) => each.refused);
      const ended = seen.map((each) => each.ended);
      const good = seen.map((each) => each.good);
      assert.ok(Math.max(...refused) <= PROMISED_MS, `refused: ${percentilesMs(refused)}`);
      assert.ok(Math.max(...ended) <= PROMISED_MS, `ended: ${percentilesMs(ended)}`);
      const tried = `keys revoked, disabled and narrowed in turn, 2 gateways (3 serving processes) on ${kind}`;
      found(t, {
        promise: 1,
        tried,
        promised: 'refused on every instance: p99 within 250 ms, at most 1 s',
        seen: `first refusal, of the slowest connection: ${percentilesMs(refused)}; last success: ${percentilesMs(good)}`,
      });
      found(t, {
        promise: 1,
        tried,
        promised: 'open WebSockets and streams close within 1 s',
        seen: `the last of ${2 * ports().length} of a key’s open connections: ${percentilesMs(ended)}`,
      });
    });
  });
