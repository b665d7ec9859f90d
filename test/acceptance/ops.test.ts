// SPEC section 6: the ops listener, the metrics, the request log, and how a gateway ends.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Connection, HANDSHAKE, requestBytes, send } from '../support/acceptance-http.ts';
import { readScrape } from '../support/acceptance-metrics.ts';
import { Scene } from '../support/acceptance-scene.ts';
import { STORE_KINDS } from '../support/acceptance-store.ts';
import type { Upstream } from '../support/acceptance-upstream.ts';
import { eventually, inTime } from '../support/acceptance-wait.ts';
import { startGateway, type GatewayProcess, type Settings } from '../support/gateway-process.ts';
import { RawClient } from '../support/raw-client.ts';

const key = 'an-imported-key-of-anyone';
const asAnyone = { 'X-Api-Key': key };

const METRICS: Readonly<Record<string, readonly [type: string, ...labels: string[]]>> = {
  portcullis_requests_total: ['counter', 'method', 'route', 'status'],
  portcullis_decisions_total: ['counter', 'outcome', 'reason', 'route'],
  portcullis_request_duration_seconds: ['histogram', 'route'],
  portcullis_upstream_duration_seconds: ['histogram', 'upstream'],
  portcullis_overhead_seconds: ['histogram'],
  portcullis_in_flight_requests: ['gauge'],
  portcullis_upstream_healthy: ['gauge', 'target', 'upstream'],
  portcullis_key_cache_events_total: ['counter', 'event'],
  portcullis_store_up: ['gauge'],
  portcullis_store_errors_total: ['counter', 'operation'],
  portcullis_store_duration_seconds: ['histogram', 'operation'],
  portcullis_keys: ['gauge', 'state'],
  portcullis_key_usage_total: ['counter', 'key'],
  portcullis_config_last_reload_successful: ['gauge'],
  portcullis_config_last_reload_success_timestamp_seconds: ['gauge'],
  portcullis_config_info: ['gauge', 'hash'],
  portcullis_build_info: ['gauge', 'node', 'version'],
};

const LOG_FIELDS =
  'time level msg requestId traceId client peer route method path status outcome reason key owner missing limit overheadMs upstreamMs bytesIn bytesOut userAgent'.split(
    ' ',
  );

function settings(app: Upstream, own: Settings = {}): Settings {
  return {
    upstreams: { app: { targets: [app.url] } },
    routes: {
      things: { path: '/things/**', upstream: 'app', limits: { calls: { requests: 1000, per: '1h' } } },
      open: { path: '/open/**', upstream: 'app', access: 'public' },
      scoped: { path: '/scoped', upstream: 'app', scopes: ['things:read'] },
    },
    ...own,
  };
}

const ops = async (gateway: GatewayProcess, path: string): Promise<{ status: number; type: string; text: string }> => {
  const answer = await fetch(`http://127.0.0.1:${gateway.opsPort}${path}`, { signal: AbortSignal.timeout(2000) });
  return { status: answer.status, type: answer.headers.get('content-type') ?? '', text: await answer.text() };
};

// Both stores at the same time: much of it is waiting for processes.
describe('ops', { concurrency: true }, () => {
  for (const kind of STORE_KINDS) {
    describe(`ops on ${kind}`, { concurrency: false }, () => {
      let scene: Scene;
      let gateway: GatewayProcess;

      before(async () => {
        scene = await Scene.open(kind);
        gateway = await scene.gateway(settings(await scene.upstream()));
        await scene.importKeys(gateway, [{ id: 'anyone', owner: 'acme', secret: key }]);
        await eventually(async () => assert.equal(await ask('/things/x'), 200));
      });
      after(() => scene.close());

      async function ask(target: string, headers: Record<string, string> = asAnyone, method = 'GET'): Promise<number> {
        return (await send(gateway.proxyPort, { method, target, headers })).status;
      }

      test('/livez and /readyz are 200 while the gateway runs and its store answers', async () => {
        assert.equal((await ops(gateway, '/livez')).status, 200);
        assert.equal((await ops(gateway, '/readyz')).status, 200);
      });

      test('/metrics: every metric of the table, with its type and its labels', async () => {
        await ask('/scoped');
        await ask('/open/x', {});
        await ask('/nowhere');
        const { status, type, text } = await ops(gateway, '/metrics');
        assert.equal(status, 200);
        assert.match(type, /^text\/plain; version=0\.0\.4/);
        const { types, samples } = readScrape(text);
        for (const [name, [wanted, ...labels]] of Object.entries(METRICS)) {
          assert.equal(types.get(name), wanted, name);
          const named = samples.filter((sample) => new RegExp(`^${name}(_bucket|_sum|_count)?$`).test(sample.name));
          for (const sample of named) {
            const own = Object.keys(sample.labels).filter((label) => !(wanted === 'histogram' && label === 'le'));
            assert.deepEqual(own.toSorted(), labels, sample.name);
          }
          const mayBeEmpty = ['portcullis_store_errors_total', 'portcullis_upstream_healthy'].includes(name);
          if (!mayBeEmpty) assert.ok(named.length > 0, `${name} has no samples`);
        }
      });

      test('/metrics: values that can be told from outside', async () => {
        await eventually(
          async () => {
            // The change of the import may still be on its way, and makes the cache forget.
            assert.equal(await ask('/things/x'), 200);
            const metrics = await gateway.metrics();
            assert.equal(metrics.sum('portcullis_store_up'), 1);
            assert.equal(metrics.sum('portcullis_keys', { state: 'active' }), 1);
            assert.equal(metrics.sum('portcullis_config_last_reload_successful'), 1);
            const since = Date.now() / 1000 - metrics.sum('portcullis_config_last_reload_success_timestamp_seconds');
            assert.ok(since >= -1 && since < 60, `${since} s ago`);
            assert.equal(metrics.sum('portcullis_build_info', { node: process.versions.node }), 1);
            assert.ok(metrics.sum('portcullis_key_usage_total', { key: 'anyone' }) >= 1);
            assert.ok(metrics.sum('portcullis_key_cache_events_total', { event: 'hit' }) >= 1);
            assert.ok(metrics.sum('portcullis_upstream_duration_seconds_count', { upstream: 'app' }) >= 1);
            assert.equal(metrics.sum('portcullis_in_flight_requests'), 0);
            // The keys are counted every 5 s.
          },
          { withinMs: 20_000, everyMs: 100 },
        );
      });

      test('promtool finds nothing on a live scrape', async () => {
        const promtool = spawn('promtool', ['check', 'metrics'], { stdio: ['pipe', 'pipe', 'pipe'] });
        let said = '';
        for (const stream of [promtool.stdout, promtool.stderr]) {
          stream.setEncoding('utf8').on('data', (text: string) => (said += text));
        }
        const closed = once(promtool, 'close');
        promtool.stdin.end((await ops(gateway, '/metrics')).text);
        const [code] = (await closed) as [number];
        assert.equal(said, '');
        assert.equal(code, 0);
      });

      test('labels are names from the configuration or closed sets: odd requests add no series without bound', async () => {
        const odd = async (): Promise<void> => {
          const tag = Math.random().toString(36).slice(2);
          for (const method of ['GET', 'PUT', 'PURGE', 'TRACE']) await ask(`/nowhere/${tag}`, {}, method);
          await ask('/things/x', { 'X-Api-Key': `no-such-key-at-all-${tag}` });
          await ask(`/../${tag}`, {});
        };
        await odd();
        // Node.js's own metrics get a series for each kind of garbage collection when it first happens.
        const series = async (): Promise<string[]> => {
          const { samples } = await gateway.metrics();
          // What the store is asked goes by time, too: leases are given back.
          const ours = samples.filter(({ name }) => /^portcullis_(?!store_)/.test(name));
          return ours.map(({ name, labels }) => `${name} ${JSON.stringify(labels)}`).sort();
        };
        const before = await series();
        for (let at = 0; at < 3; at++) await odd();
        assert.deepEqual(await series(), before);
      });

      test('request log: one JSON line each, with the named fields and no query', async () => {
        const answer = await send(gateway.proxyPort, {
          method: 'POST',
          target: '/things/logged?secret=1',
          headers: { ...asAnyone, 'User-Agent': 'acceptance/1.0 "quoted"\t' },
          body: 'four',
        });
        const requestId = answer.header('x-request-id');
        const line = await gateway.logLine((each) => each['requestId'] === requestId);
        assert.deepEqual(
          Object.keys(line).filter((field) => !LOG_FIELDS.includes(field)),
          [],
        );
        const wanted = {
          client: '127.0.0.1',
          peer: '127.0.0.1',
          route: 'things',
          method: 'POST',
          path: '/things/logged',
        };
        const known = { ...wanted, status: 200, outcome: 'allowed', reason: 'key', key: 'anyone', owner: 'acme' };
        for (const [field, value] of Object.entries(known)) assert.equal(line[field], value, field);
        for (const field of ['overheadMs', 'upstreamMs', 'bytesIn', 'bytesOut']) {
          assert.equal(typeof line[field], 'number', field);
        }
        assert.ok((line['bytesOut'] as number) >= answer.body.length);
        assert.ok((line['bytesIn'] as number) >= 4);
        assert.ok(String(line['userAgent']).startsWith('acceptance/1.0 "quoted"'));
        assert.ok(!Number.isNaN(Date.parse(String(line['time']))) || typeof line['time'] === 'number');
        assert.doesNotMatch(gateway.output(), /secret=1/);
      });

      test('request log: a refusal to HEAD goes without its body, however it is told, and is logged so', async () => {
        const heads = [
          'HEAD /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n',
          `HEAD /${'x'.repeat(40_000)} HTTP/1.1\r\nHost: a\r\n`,
          'HEAD /open/x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n',
        ];
        for (const head of heads) {
          const answer = await RawClient.exchange(gateway.proxyPort, `${head}\r\n`);
          assert.ok(answer.endsWith('\r\n\r\n'), answer);
          const requestId = /^x-request-id: (.*)\r$/im.exec(answer)?.[1];
          const line = await gateway.logLine((each) => each['requestId'] === requestId);
          assert.deepEqual([line['method'], line['bytesOut']], ['HEAD', 0], answer);
        }
      });
    });
  }
});

describe('the end of a gateway', () => {
  let scene: Scene;
  let app: Upstream;

  before(async () => {
    scene = await Scene.open('sqlite');
    app = await scene.upstream();
  });
  after(() => scene.close());

  const open = { target: '/open/x' };

  test('SIGTERM: /readyz turns 503, new connections are still served for shutdown.delay, requests in flight finish, exit 0', async () => {
    const gateway = await scene.gateway(settings(app, { shutdown: { delay: '1s', timeout: '10s' } }));
    const held = await Connection.open(gateway.proxyPort);
    held.write(requestBytes({ target: '/open/hold' }));
    const upload = await Connection.open(gateway.proxyPort);
    upload.write('POST /open/upload HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 10\r\n\r\nfirst');
    await eventually(() => assert.equal(app.held.length, 1));
    await eventually(() => assert.equal(app.last().method, 'POST'));

    const since = performance.now();
    gateway.signal('SIGTERM');
    const ready = await eventually(async () => {
      const answer = await ops(gateway, '/readyz');
      assert.equal(answer.status, 503);
      return answer;
    });
    assert.ok(performance.now() - since < 500, 'at once');
    JSON.parse(ready.text);
    assert.equal((await ops(gateway, '/livez')).status, 200);
    assert.equal((await send(gateway.proxyPort, open)).status, 200, 'new connections are served during the delay');

    await eventually(() => assert.rejects(Connection.open(gateway.proxyPort), 'the listener is closed'));
    assert.ok(performance.now() - since > 900, 'not before the delay is over');
    upload.write('later');
    app.release();
    for (const connection of [held, upload]) {
      const answer = await connection.response();
      assert.equal(answer.status, 200);
      assert.equal(answer.header('connection')?.toLowerCase(), 'close', 'answers carry Connection: close');
    }
    assert.equal(app.seen.find(({ method }) => method === 'POST')?.body.toString(), 'firstlater');
    assert.deepEqual(await inTime(gateway.exited, 'the exit'), { code: 0, signal: null });
  });

  test('SIGTERM: a kept-alive connection is closed once it has been idle for 1 s; a request on its way is answered', async () => {
    const gateway = await scene.gateway(settings(app));
    const [idle, busy] = await Promise.all([Connection.open(gateway.proxyPort), Connection.open(gateway.proxyPort)]);
    for (const connection of [idle, busy]) assert.equal((await connection.exchange(open)).status, 200);
    const since = performance.now();
    gateway.signal('SIGTERM');
    await eventually(() => assert.rejects(Connection.open(gateway.proxyPort)), { withinMs: 900 });
    const answer = await busy.exchange(open);
    assert.equal(answer.status, 200);
    assert.equal(answer.header('connection')?.toLowerCase(), 'close');
    await inTime(busy.closed, 'the end of the connection');
    await inTime(idle.closed, 'the end of the idle connection', 3000);
    assert.ok(performance.now() - since > 800, 'not before it was idle for 1 s');
    assert.deepEqual(await inTime(gateway.exited, 'the exit'), { code: 0, signal: null });
  });

  test('at shutdown.timeout the rest is cut and the exit is 1', async () => {
    const gateway = await scene.gateway(settings(app, { shutdown: { delay: '0s', timeout: '500ms' } }));
    const held = await Connection.open(gateway.proxyPort);
    held.write(requestBytes({ target: '/open/hold' }));
    await eventually(() => assert.equal(app.held.length, 1));
    const since = performance.now();
    gateway.signal('SIGTERM');
    assert.deepEqual(await inTime(gateway.exited, 'the exit', 3000), { code: 1, signal: null });
    assert.ok(performance.now() - since > 400, 'not before the timeout');
    await inTime(held.closed, 'the cut of the connection');
    app.release();
  });

  test('an open WebSocket does not keep a gateway from ending', async () => {
    const routes = { socket: { path: '/socket', upstream: 'app', access: 'public', upgrade: ['websocket'] } };
    const gateway = await scene.gateway(settings(app, { routes, shutdown: { timeout: '500ms' } }));
    const socket = await Connection.open(gateway.proxyPort);
    socket.write(
      'GET /socket HTTP/1.1\r\nHost: gateway.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    assert.equal((await socket.response()).status, 101);
    gateway.signal('SIGTERM');
    await inTime(gateway.exited, 'the exit', 3000);
    await inTime(socket.closed, 'the end of the WebSocket');
  });

  for (const workers of [1, 2])
    test(`what is cut at shutdown.timeout is recorded, once each, by ${workers} of its processes`, async () => {
      const open = { upstream: 'app', access: 'public' };
      const routes = {
        open: { ...open, path: '/open/**' },
        socket: { ...open, path: '/socket', upgrade: ['websocket'] },
      };
      const gateway = await scene.gateway(settings(app, { workers, routes, shutdown: { timeout: '500ms' } }));
      const held = await Connection.open(gateway.proxyPort);
      held.write(requestBytes({ target: '/open/hold' }));
      await eventually(() => assert.equal(app.held.length, 1));
      // Clients that do not end their side: they are cut, and nothing is heard of them but that.
      const sockets = await Promise.all(
        Array.from({ length: 5 }, () =>
          RawClient.open(gateway.proxyPort, requestBytes({ target: '/socket', headers: HANDSHAKE })),
        ),
      );
      for (const socket of sockets) await socket.until(' 101 ');
      gateway.signal('SIGTERM');
      assert.equal((await inTime(gateway.exited, 'the exit', 5000)).code, 1);
      const lines = gateway.log
        .filter(({ msg }) => msg === 'request')
        .map(({ path, status }) => `${String(path)} ${String(status)}`);
      assert.deepEqual(lines.sort(), ['/open/hold 499', ...sockets.map(() => '/socket 101')]);
      for (const socket of sockets) socket.destroy();
      held.destroy();
      app.release();
    });
});

describe('what a gateway says', () => {
  test('the smallest configuration starts: SQLite and the pepper (mode 0600) are made; `serve` logs the absolute paths', async () => {
    const scene = await Scene.open('sqlite');
    try {
      const app = await scene.upstream();
      const small = { upstreams: { app: { targets: [app.url] } }, routes: { all: { path: '/**', upstream: 'app' } } };
      const gateway = await startGateway(small, { directory: scene.directory });
      scene.onClose(() => gateway.stop());
      const { secret } = (await scene.json(gateway, 'keys', 'create', '--owner', 'acme')) as { secret: string };
      await eventually(async () => {
        const answer = await send(gateway.proxyPort, { target: '/x', headers: { 'X-Api-Key': secret } });
        assert.equal(answer.status, 200);
      });
      const pepper = join(scene.directory, 'data', 'pepper');
      assert.equal((await stat(pepper)).mode & 0o777, 0o600);
      assert.ok((await stat(pepper)).size >= 32);
      for (const path of [join(scene.directory, 'data', 'portcullis.db'), pepper, gateway.configFile]) {
        assert.ok(gateway.output().includes(path), `${path} is logged`);
      }
    } finally {
      await scene.close();
    }
  });

  test('log.requests: denied logs denials only', async () => {
    const scene = await Scene.open('sqlite');
    try {
      const gateway = await scene.gateway(settings(await scene.upstream(), { log: { requests: 'denied' } }));
      const passed = await send(gateway.proxyPort, { target: '/open/x' });
      assert.equal(passed.status, 200);
      const denied = await send(gateway.proxyPort, { target: '/things/x' });
      const requestId = denied.json()['requestId'];
      await gateway.logLine((line) => line['requestId'] === requestId);
      assert.ok(!gateway.log.some((line) => line['requestId'] === passed.header('x-request-id')));
    } finally {
      await scene.close();
    }
  });
});
