// Upstreams (SPEC section 2): round robin over the healthy targets, retries of failed connections, health checks, timeouts.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { after, before, test } from 'node:test';
import { Connection, requestBytes, send } from '../support/acceptance-http.ts';
import { freePort } from '../support/acceptance-ports.ts';
import { assertProblem } from '../support/acceptance-problem.ts';
import { Scene } from '../support/acceptance-scene.ts';
import { startSocketServer, type Upstream } from '../support/acceptance-upstream.ts';
import { eventually, inTime } from '../support/acceptance-wait.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';

let scene: Scene;
let gateway: GatewayProcess;
let left: Upstream;
let right: Upstream;
let wavering: { url: string; up(): Promise<void>; down(): Promise<void> };

before(async () => {
  scene = await Scene.open('sqlite');
  [left, right] = await Promise.all([scene.upstream(), scene.upstream()]);
  wavering = await waveringServer();
  const closed = `http://127.0.0.1:${await freePort()}`;
  // Answers the head and some of the body, then nothing more.
  const stuck = await startSocketServer((socket) =>
    socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome')),
  );
  const broken = await startSocketServer((socket) =>
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome')),
  );
  for (const server of [stuck, broken]) scene.onClose(() => server.close());
  const health = { path: '/healthz', every: '1s', unhealthyAfter: 1, healthyAfter: 1 };
  const upstreams = {
    pair: { targets: [left.url, right.url] },
    'half-dead': { targets: [closed, left.url], retries: 1 },
    'never-retried': { targets: [closed, left.url], retries: 0 },
    checked: { targets: [wavering.url, right.url], retries: 0, health },
    stuck: { targets: [stuck.url], idleTimeout: '300ms' },
    broken: { targets: [broken.url] },
  };
  const routes = Object.fromEntries(
    Object.keys(upstreams).map((name) => [name, { path: `/${name}/**`, upstream: name, access: 'public' }]),
  );
  gateway = await scene.gateway({ upstreams, routes });
});
after(async () => {
  await scene.close();
  await wavering.down();
});

const status = async (target: string): Promise<number> => (await send(gateway.proxyPort, { target })).status;

test('several targets: round robin', async () => {
  const before = [left.seen.length, right.seen.length];
  for (let at = 0; at < 10; at++) assert.equal(await status('/pair/x'), 200);
  assert.deepEqual([left.seen.length - (before[0] ?? 0), right.seen.length - (before[1] ?? 0)], [5, 5]);
});

test('retries: a connection that failed before a byte was sent is tried on the next target', async () => {
  for (let at = 0; at < 6; at++) assert.equal(await status('/half-dead/x'), 200);
  const posted = await send(gateway.proxyPort, { method: 'POST', target: '/half-dead/x', body: 'x'.repeat(10_000) });
  assert.equal(posted.status, 200);
  assert.equal(left.last().body.length, 10_000);
});

test('retries: 0 means none', async () => {
  const statuses = [await status('/never-retried/x'), await status('/never-retried/x')];
  assert.deepEqual(new Set(statuses), new Set([200, 502]));
});

test('health: an unhealthy target gets no requests until it is healthy again', async () => {
  const target = wavering.url;
  const healthy = async (url: string): Promise<number | undefined> =>
    (await gateway.metrics()).samples.find(
      ({ name, labels }) =>
        name === 'portcullis_upstream_healthy' &&
        labels['upstream'] === 'checked' &&
        url.includes(labels['target'] ?? '?'),
    )?.value;
  await eventually(async () => assert.equal(await healthy(target), 0));
  assert.equal(await healthy(right.url), 1);
  for (let at = 0; at < 6; at++) assert.equal(await status('/checked/x'), 200);
  await wavering.up();
  await eventually(async () => assert.equal(await healthy(target), 1));
  const statuses = new Set<number>();
  for (let at = 0; at < 6; at++) statuses.add(await status('/checked/x'));
  assert.deepEqual(statuses, new Set([200, 204]), 'both get requests again');
});

test('idleTimeout: a response that stops coming is cut, so that its client learns of it', async () => {
  for (const target of ['/stuck/x', '/broken/x']) {
    const connection = await Connection.open(gateway.proxyPort);
    try {
      connection.write(requestBytes({ target }));
      await connection.until('some');
      await inTime(connection.closed, 'the end of the connection', 2000);
    } finally {
      connection.destroy();
    }
  }
});

test('a client that goes away takes its upstream request with it', async () => {
  const connection = await Connection.open(gateway.proxyPort);
  connection.write(requestBytes({ target: '/pair/hold' }));
  const held = await eventually(() => {
    const response = left.held[0] ?? right.held[0];
    assert.ok(response);
    return response;
  });
  const gone = new Promise<void>((resolve) => held.once('close', resolve));
  connection.destroy();
  await inTime(gone, 'the end of the upstream request', 2000);
  await eventually(async () => assert.equal((await gateway.metrics()).sum('portcullis_in_flight_requests'), 0));
  left.held.length = 0;
  right.held.length = 0;
});

test('a response without a length streams to its end, and its connection stays usable', async () => {
  const streaming = await scene.upstream((_request, response) => {
    response.write('part one, ');
    setImmediate(() => response.end('part two'));
  });
  const other = await scene.gateway({
    upstreams: { streaming: { targets: [streaming.url] } },
    routes: { all: { path: '/**', upstream: 'streaming', access: 'public' } },
  });
  const connection = await Connection.open(other.proxyPort);
  try {
    for (let at = 0; at < 3; at++)
      assert.equal((await connection.exchange({ target: '/x' })).text(), 'part one, part two');
  } finally {
    connection.destroy();
  }
});

test('a response of an unhealthy or failing upstream is told apart: 5xx of its own passes as it is', async () => {
  const failing = await scene.upstream((_request, response) => {
    response.writeHead(503, { 'Content-Type': 'text/plain' }).end('my own 503');
  });
  const other = await scene.gateway({
    upstreams: { failing: { targets: [failing.url] }, gone: { targets: [`http://127.0.0.1:${await freePort()}`] } },
    routes: {
      own: { path: '/own', upstream: 'failing', access: 'public' },
      gone: { path: '/gone', upstream: 'gone', access: 'public' },
    },
  });
  const own = await send(other.proxyPort, { target: '/own' });
  assert.equal(own.status, 503);
  assert.equal(own.text(), 'my own 503');
  assertProblem(await send(other.proxyPort, { target: '/gone' }), 502, 'upstream_unreachable');
});

/** A server on a fixed port that can come and go; it answers 204. */
async function waveringServer(): Promise<typeof wavering> {
  const port = await freePort();
  let server: Server | undefined;
  return {
    url: `http://127.0.0.1:${port}`,
    up: async () => {
      server = createServer((_request, response) => response.writeHead(204).end());
      await new Promise<void>((resolve) => server?.listen(port, '127.0.0.1', resolve));
    },
    down: async () => {
      server?.closeAllConnections();
      await new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()));
    },
  };
}
