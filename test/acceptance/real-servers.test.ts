// In front of servers that nobody here wrote, with the store on Redis: a browser-like session with nginx, large bodies
// both ways, an event stream that arrives as it is sent, and a WebSocket echo.
import assert from 'node:assert/strict';
import { createHash, randomBytes, type Hash } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { get, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { after, before, describe, test } from 'node:test';
import { once } from 'node:events';
import { WebSocket, WebSocketServer } from 'ws';
import { Connection, HANDSHAKE, requestBytes } from '../support/acceptance-http.ts';
import { startNginx, type Nginx } from '../support/acceptance-nginx.ts';
import { Scene } from '../support/acceptance-scene.ts';
import { eventually, inTime } from '../support/acceptance-wait.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';

const key = 'an-imported-key-of-the-browser';
const asBrowser = { 'X-Api-Key': key };
const MEBIBYTE = 1024 * 1024;
const LARGE = 100;

let scene: Scene;
let gateway: GatewayProcess;
let nginx: Nginx;
let sockets: WebSocketServer;
/** The open event streams, to send on as a test wants. */
const streams: ServerResponse[] = [];

before(async () => {
  scene = await Scene.open('redis');
  nginx = await startNginx(scene.directory);
  scene.onClose(() => nginx.stop());
  await writeFile(
    join(nginx.root, 'index.html'),
    '<!doctype html><title>Files</title><link rel=stylesheet href=style.css>',
  );
  await writeFile(join(nginx.root, 'style.css'), 'body { margin: 0 }\n'.repeat(100));
  sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(sockets, 'listening');
  sockets.on('connection', (socket, incoming) => {
    // Before the client has said anything, so that it may come in one piece with the handshake's answer.
    if (incoming.url?.endsWith('/greeting')) socket.send('welcome');
    socket.on('message', (data, isBinary) => socket.send(data as Buffer, { binary: isBinary }));
    socket.on('error', () => socket.terminate());
  });
  scene.onClose(async () => {
    for (const client of sockets.clients) client.terminate();
    await new Promise((resolve) => sockets.close(resolve));
  });
  const events = await scene.upstream((_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    response.flushHeaders();
    streams.push(response);
  });
  const { port } = sockets.address() as { port: number };
  gateway = await scene.gateway({
    upstreams: {
      files: { targets: [nginx.url] },
      events: { targets: [events.url] },
      sockets: { targets: [`http://127.0.0.1:${port}`] },
    },
    routes: {
      files: { path: '/**', upstream: 'files', scopes: ['files:read'] },
      uploads: { path: '/uploads/**', methods: ['PUT', 'GET', 'DELETE'], upstream: 'files', scopes: ['files:write'] },
      events: { path: '/events', upstream: 'events' },
      sockets: { path: '/sockets/**', upstream: 'sockets', upgrade: ['websocket'] },
    },
  });
  await scene.importKeys(gateway, [{ id: 'browser', owner: 'acme', secret: key, scopes: ['files:*'] }]);
  await eventually(async () => {
    const answer = await fetch(`http://127.0.0.1:${gateway.proxyPort}/`, { headers: asBrowser });
    await answer.arrayBuffer();
    assert.equal(answer.status, 200);
  });
});
after(() => scene.close());

describe('a browser-like session with nginx over one kept-alive connection', () => {
  let connection: Connection;
  before(async () => {
    connection = await Connection.open(gateway.proxyPort);
  });
  after(() => connection.destroy());

  test('GET, conditional GET, range, HEAD, compression, not found and not allowed', async () => {
    const page = await connection.exchange({ target: '/', headers: asBrowser });
    assert.equal(page.status, 200);
    assert.equal(page.header('content-type'), 'text/html');
    assert.equal(page.text(), await readFile(join(nginx.root, 'index.html'), 'utf8'));
    assert.match(page.header('server') ?? '', /^nginx/);
    const etag = page.header('etag') ?? '';
    assert.notEqual(etag, '');

    const unchanged = await connection.exchange({ target: '/', headers: { ...asBrowser, 'If-None-Match': etag } });
    assert.equal(unchanged.status, 304);
    assert.equal(unchanged.header('etag'), etag);
    const since = page.header('last-modified') as string;
    const notModified = await connection.exchange({
      target: '/',
      headers: { ...asBrowser, 'If-Modified-Since': since },
    });
    assert.equal(notModified.status, 304);

    const style = await readFile(join(nginx.root, 'style.css'));
    const part = await connection.exchange({ target: '/style.css', headers: { ...asBrowser, Range: 'bytes=5-14' } });
    assert.equal(part.status, 206);
    assert.equal(part.header('content-range'), `bytes 5-14/${style.length}`);
    assert.deepEqual(part.body, style.subarray(5, 15));
    const beyond = await connection.exchange({ target: '/style.css', headers: { ...asBrowser, Range: 'bytes=9999-' } });
    assert.equal(beyond.status, 416);

    const head = await connection.exchange({ method: 'HEAD', target: '/style.css', headers: asBrowser });
    assert.equal(head.status, 200);
    assert.equal(head.header('content-length'), String(style.length));

    const zipped = await connection.exchange({
      target: '/style.css',
      headers: { ...asBrowser, 'Accept-Encoding': 'gzip' },
    });
    assert.equal(zipped.header('content-encoding'), 'gzip');
    assert.ok(zipped.body.length < style.length);

    assert.equal((await connection.exchange({ target: '/none.html', headers: asBrowser })).status, 404);
    const posted = await connection.exchange({ method: 'POST', target: '/index.html', headers: asBrowser, body: 'x' });
    assert.equal(posted.status, 405, "nginx's own answer");
    assert.match(posted.text(), /nginx/);
    assert.equal((await connection.exchange({ target: '/', headers: asBrowser })).status, 200, 'still one connection');
  });
});

test(`a ${LARGE} MiB upload and download through the gateway: equal checksums, streamed, never held`, async () => {
  const before = await residentBytes(gateway.pid);
  const sent = createHash('sha256');
  const upload = request({
    port: gateway.proxyPort,
    host: '127.0.0.1',
    method: 'PUT',
    path: '/uploads/large.bin',
    headers: { ...asBrowser, 'Content-Length': LARGE * MEBIBYTE },
  });
  const answered = once(upload, 'response') as Promise<[IncomingMessage]>;
  await pipeline(Readable.from(largeBody(sent)), upload);
  const [response] = await inTime(answered, 'the answer to the upload', 20_000);
  response.resume();
  assert.equal(response.statusCode, 201);
  assert.equal((await stat(join(nginx.root, 'uploads/large.bin'))).size, LARGE * MEBIBYTE);

  const got = createHash('sha256');
  const [download] = (await once(
    get({ port: gateway.proxyPort, host: '127.0.0.1', path: '/uploads/large.bin', headers: asBrowser }),
    'response',
  )) as [IncomingMessage];
  assert.equal(download.statusCode, 200);
  await pipeline(download, got);
  assert.equal(got.digest('hex'), sent.digest('hex'));

  const grown = ((await residentBytes(gateway.pid)) - before) / MEBIBYTE;
  assert.ok(grown < LARGE, `the gateway grew by ${grown.toFixed(0)} MiB`);
});

test('a chunked upload is as good as one with a length', async () => {
  const sent = createHash('sha256');
  const upload = request({
    port: gateway.proxyPort,
    host: '127.0.0.1',
    method: 'PUT',
    path: '/uploads/chunked.bin',
    headers: { ...asBrowser, 'Transfer-Encoding': 'chunked' },
  });
  const answered = once(upload, 'response') as Promise<[IncomingMessage]>;
  await pipeline(Readable.from(largeBody(sent, 5)), upload);
  const [response] = await inTime(answered, 'the answer to the upload', 20_000);
  response.resume();
  assert.equal(response.statusCode, 201);
  const stored = await readFile(join(nginx.root, 'uploads/chunked.bin'));
  assert.equal(createHash('sha256').update(stored).digest('hex'), sent.digest('hex'));
});

test('an event stream arrives as it is sent', async () => {
  const connection = await Connection.open(gateway.proxyPort);
  try {
    connection.write(requestBytes({ target: '/events', headers: { ...asBrowser, Accept: 'text/event-stream' } }));
    // The head comes before any event, and each event before the next one is sent.
    const head = await connection.until('\r\n\r\n');
    assert.match(head, /^HTTP\/1\.1 200 /);
    assert.match(head, /content-type: text\/event-stream/i);
    for (let at = 1; at <= 5; at++) {
      streams.at(-1)?.write(`id: ${at}\ndata: event ${at}\n\n`);
      await connection.until(`data: event ${at}\n\n`, 1000);
    }
    streams.at(-1)?.end();
    await connection.until('0\r\n\r\n', 1000);
  } finally {
    connection.destroy();
  }
});

test('an event stream whose client goes away ends at the upstream', async () => {
  const connection = await Connection.open(gateway.proxyPort);
  connection.write(requestBytes({ target: '/events', headers: asBrowser }));
  await connection.until('\r\n\r\n');
  const stream = streams.at(-1) as ServerResponse;
  const closed = once(stream, 'close');
  connection.destroy();
  await inTime(closed, 'the end of the stream at the upstream', 2000);
});

describe('a WebSocket echo', () => {
  const open = async (path: string): Promise<WebSocket> => {
    const socket = new WebSocket(`ws://127.0.0.1:${gateway.proxyPort}${path}`, { headers: asBrowser });
    await inTime(once(socket, 'open'), 'the handshake');
    return socket;
  };
  const message = async (socket: WebSocket): Promise<[Buffer, boolean]> =>
    (await inTime(once(socket, 'message'), 'a message')) as [Buffer, boolean];

  test('text, binary, large messages, ping and the close code pass', async () => {
    const socket = await open('/sockets/echo');
    const texts = ['hello', 'ünïcode', '', 'x'.repeat(200_000)];
    for (const text of texts) {
      const answer = message(socket);
      socket.send(text);
      assert.equal((await answer)[0].toString(), text);
    }
    const bytes = randomBytes(MEBIBYTE);
    const answer = message(socket);
    socket.send(bytes);
    const [echoed, isBinary] = await answer;
    assert.ok(isBinary && echoed.equals(bytes));
    const pong = once(socket, 'pong');
    socket.ping('are you there');
    assert.equal(String(((await inTime(pong, 'a pong')) as [Buffer])[0]), 'are you there');
    const closed = once(socket, 'close');
    socket.close(4001, 'enough');
    assert.equal(((await inTime(closed, 'the close')) as [number])[0], 4001);
  });

  test('what the server sends at once after the handshake arrives', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${gateway.proxyPort}/sockets/greeting`, { headers: asBrowser });
    assert.equal((await message(socket))[0].toString(), 'welcome');
    socket.terminate();
  });

  test('what the client sends together with the handshake arrives', async () => {
    const connection = await Connection.open(gateway.proxyPort);
    try {
      const handshake = requestBytes({ target: '/sockets/echo', headers: { ...asBrowser, ...HANDSHAKE } });
      connection.write(Buffer.concat([handshake, maskedText('early')]));
      assert.equal((await connection.response()).status, 101);
      // An unmasked text frame of five bytes.
      assert.deepEqual(await connection.bytes(7), Buffer.concat([Buffer.from([0x81, 5]), Buffer.from('early')]));
    } finally {
      connection.destroy();
    }
  });

  test('50 at once, each with its own messages', async () => {
    const open50 = await Promise.all(Array.from({ length: 50 }, () => open('/sockets/echo')));
    const answers = open50.map(message);
    open50.forEach((socket, at) => socket.send(`message ${at}`));
    const texts = (await Promise.all(answers)).map(([data]) => data.toString());
    assert.deepEqual(
      texts,
      open50.map((_, at) => `message ${at}`),
    );
    for (const socket of open50) socket.terminate();
    await eventually(() => assert.equal(sockets.clients.size, 0));
  });

  test('the end of either side ends the other', async () => {
    const socket = await open('/sockets/echo');
    const closed = once(socket, 'close');
    await eventually(() => assert.equal(sockets.clients.size, 1));
    for (const client of sockets.clients) client.terminate();
    await inTime(closed, 'the end of the WebSocket');
  });
});

function* largeBody(hash: Hash, mebibytes = LARGE): Generator<Buffer> {
  const block = randomBytes(MEBIBYTE);
  for (let at = 0; at < mebibytes; at++) {
    // No two blocks are the same, so that a lost or doubled one shows in the checksum.
    const next = Buffer.from(block);
    next.writeUInt32BE(at, 0);
    hash.update(next);
    yield next;
  }
}

/** A text frame as a client sends it. */
function maskedText(text: string): Buffer {
  const mask = Buffer.from([1, 2, 3, 4]);
  const masked = Buffer.from(text).map((byte, at) => byte ^ (mask[at % 4] as number));
  return Buffer.concat([Buffer.from([0x81, 0x80 | masked.length]), mask, masked]);
}

async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}
