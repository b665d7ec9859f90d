// Promise 11: whatever becomes of clients' connections, the gateway has as many descriptors and upstream connections
// afterwards as before.
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import type { WebSocket } from 'ws';
import { openManagement } from '../../src/compose/management.ts';
import { environment } from '../support/acceptance-cli.ts';
import { HANDSHAKE, requestBytes } from '../support/acceptance-http.ts';
import { Scene } from '../support/acceptance-scene.ts';
import { eventually, inTime } from '../support/acceptance-wait.ts';
import { atScale, found } from '../support/findings.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { openSocket } from '../support/open-clients.ts';
import { type OpenUpstream, startOpenUpstream } from '../support/open-upstream.ts';

const PROMISED_MS = 5_000;
const WEBSOCKETS = atScale({ suite: 500, full: 10_000 });
const ABORTS = atScale({ suite: 2_000, full: 100_000 });
/** Under way at once. */
const AT_ONCE = 50;

let scene: Scene;
let app: OpenUpstream;
let gateway: GatewayProcess;
let keys: Awaited<ReturnType<typeof openManagement>>['keys'];
let secret: string;
let baseline: number;

before(async () => {
  scene = await Scene.open('sqlite');
  app = await startOpenUpstream();
  scene.onClose(() => app.close());
  gateway = await scene.gateway({
    store: { url: scene.store.url },
    log: { level: 'error' },
    shutdown: { timeout: '2s' },
    upstreams: { app: { targets: [app.url] } },
    routes: { any: { upstream: 'app', upgrade: ['websocket'], path: '/**', scopes: ['x'] } },
  });
  const management = await openManagement({ file: gateway.configFile, env: environment(), warn: () => undefined });
  scene.onClose(() => management.close());
  ({ keys } = management);
  ({ secret } = await keys.create({ grants: { scopes: ['x'] } }));
  // What is opened at first use is no leak.
  await openSocket(gateway.proxyPort, '/socket', secret).then((client) => client.close());
  await settled(Number.POSITIVE_INFINITY);
  baseline = await descriptors();
});
after(() => scene.close());

async function descriptors(): Promise<number> {
  return (await readdir(`/proc/${gateway.pid}/fd`)).length;
}

/** Waits for the baseline; gives how long that took, ms. */
async function settled(most: number): Promise<number> {
  const startedAt = performance.now();
  await eventually(
    async () => {
      assert.equal(app.connections.size, 0, 'upstream connections');
      const open = await descriptors();
      assert.ok(open <= most, `${open} descriptors, ${most} before`);
      const page = await fetch(`http://127.0.0.1:${gateway.opsPort}/metrics`, { headers: { Connection: 'close' } });
      const [, inFlight] = /^portcullis_in_flight_requests (\d+)$/m.exec(await page.text()) ?? [];
      assert.equal(inFlight, '0', 'requests in flight');
    },
    { withinMs: PROMISED_MS },
  );
  return performance.now() - startedAt;
}

/** Does `count` things, {@link AT_ONCE} at a time. */
async function each(count: number, one: (at: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let at = next++; at < count; at = next++) await one(at);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}

const WEBSOCKET_ENDS: readonly [how: string, end: (socket: WebSocket) => void][] = [
  ['the client closes', (socket) => socket.close(1000)],
  ['the client is gone', (socket) => socket.terminate()],
  ['the client resets', (socket) => rawOf(socket).resetAndDestroy()],
  ['the client ends its half', (socket) => rawOf(socket).end()],
  ['the upstream closes', (socket) => socket.send('close')],
  ['the upstream breaks off', (socket) => socket.send('break')],
  ['a frame is half sent', (socket) => rawOf(socket).end(Buffer.from([0x82, 0xfe, 0x10]))],
];

function rawOf(socket: WebSocket): Socket {
  return (socket as unknown as { _socket: Socket })._socket;
}

test('WebSockets that end in every way leave nothing behind', async (t) => {
  await each(WEBSOCKETS, async (at) => {
    const client = await openSocket(gateway.proxyPort, '/socket', secret);
    await client.echo();
    WEBSOCKET_ENDS[at % WEBSOCKET_ENDS.length]![1](client.socket);
    await inTime(client.ended, WEBSOCKET_ENDS[at % WEBSOCKET_ENDS.length]![0], 10_000);
  });
  const { record, secret: lost } = await keys.create({ grants: { scopes: ['x'] } });
  const clients = await Promise.all(
    Array.from({ length: AT_ONCE }, () => openSocket(gateway.proxyPort, '/socket', lost)),
  );
  await keys.revoke(record.id);
  for (const { how } of await Promise.all(clients.map((client) => client.ended))) assert.equal(how, 1008);
  const tookMs = await settled(baseline);
  found(t, {
    promise: 11,
    tried: `${WEBSOCKETS} WebSockets ended in ${WEBSOCKET_ENDS.length} ways, and ${AT_ONCE} by a revoked key`,
    promised: 'descriptors and upstream connections at their baseline within 5 s',
    seen: `${await descriptors()} descriptors (${baseline} before) and 0 upstream connections after ${Math.round(tookMs)} ms`,
  });
});

/** What a client sent before it went away, and whether it waits for something first. */
const ABORTED: readonly [what: string, bytes: () => Buffer, awaits: boolean][] = [
  ['half a head', () => Buffer.from('GET /quick HTTP/1.1\r\nHost: a\r\nX-Api'), false],
  ['a request that is not answered yet', () => bytesOf('/hold'), false],
  ['a stream', () => bytesOf('/stream'), true],
  ['half an upload', () => bytesOf('/hold', { 'Content-Length': '100000' }), false],
  ['requests behind each other', () => Buffer.concat([bytesOf('/quick'), bytesOf('/stream'), bytesOf('/hold')]), true],
  ['a handshake', () => bytesOf('/socket', HANDSHAKE), false],
];

function bytesOf(target: string, headers: Readonly<Record<string, string>> = {}): Buffer {
  const method = headers['Content-Length'] === undefined ? 'GET' : 'POST';
  return requestBytes({ method, target, headers: { ...headers, 'X-Api-Key': secret } });
}

/** Sends bytes, waits for an answer's first where there is to be one, and goes: by a reset or an orderly end, in turn. */
function abort(bytes: Buffer, awaits: boolean, resets: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(gateway.proxyPort, '127.0.0.1');
    const go = (): void => void (resets ? socket.resetAndDestroy() : socket.destroy());
    socket.on('error', reject).on('close', () => resolve());
    socket.write(bytes, () => !awaits && setImmediate(go));
    if (awaits) socket.once('data', go);
  });
}

test('clients that go away at any point leave nothing behind', async (t) => {
  await each(ABORTS, (at) => {
    const [, bytes, awaits] = ABORTED[at % ABORTED.length]!;
    return abort(bytes(), awaits, Math.floor(at / ABORTED.length) % 2 === 0);
  });
  const tookMs = await settled(baseline);
  found(t, {
    promise: 11,
    tried: `${ABORTS} clients gone: ${ABORTED.map(([what]) => what).join(', ')}`,
    promised: 'descriptors and upstream connections at their baseline within 5 s',
    seen: `${await descriptors()} descriptors (${baseline} before) and 0 upstream connections after ${Math.round(tookMs)} ms`,
  });
});
