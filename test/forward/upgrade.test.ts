import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { after, describe, test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { BOUNDS } from '../../src/core/bounds.ts';
import type { Forwarded } from '../../src/forward/forward.ts';
import { eventually, inTime } from '../support/acceptance-wait.ts';
import { openScenes } from '../support/forwarding-scene.ts';
import { RawClient } from '../support/raw-client.ts';
import { type Script, startRecordingUpstream } from '../support/recording-upstream.ts';
import { startUnacceptingListener } from '../support/unaccepting-listener.ts';

const scenes = openScenes();
after(() => scenes.close());

const HANDSHAKE =
  'GET /chat?room=1 HTTP/1.1\r\nHost: api.test\r\nConnection: keep-alive, Upgrade, x-hop\r\nUpgrade: WebSocket\r\nX-Hop: 1\r\n' +
  'X-Api-Key: secret\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nCookie: a=1\r\nCookie: b=2\r\n\r\n';
const SWITCHED =
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n';

/** Answers a handshake with these bytes. */
function switching(more = '', fields = ''): Script {
  return async (connection) => {
    await connection.until('\r\n\r\n');
    connection.socket.write(`${SWITCHED}${fields}\r\n${more}`);
  };
}

function codeOf(forwarded: Forwarded): string {
  return forwarded.kind === 'failed' ? forwarded.code : `answered ${forwarded.status}`;
}

describe('the handshake', () => {
  test('exactly our fields go upstream, with Connection, Upgrade and Sec-WebSocket-*', async () => {
    const { port, upstream } = await scenes.raw(switching());
    const client = await RawClient.open(port, HANDSHAKE);
    await client.until('\r\n\r\n');
    const lines = upstream.connections[0]!.text.split('\r\n');
    assert.equal(lines.shift(), 'GET /chat?room=1 HTTP/1.1');
    assert.deepEqual(lines.filter(Boolean).toSorted(), [
      'Cookie: a=1; b=2',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Version: 13',
      'X-Consumer-Id: acme',
      'X-Forwarded-For: 127.0.0.1',
      'X-Forwarded-Host: api.test',
      'X-Forwarded-Proto: http',
      'X-Request-Id: request-1',
      'connection: Upgrade',
      `host: 127.0.0.1:${upstream.port}`,
      'upgrade: websocket',
    ]);
    client.destroy();
  });

  test('the 101 has the end-to-end fields of the upstream and X-Request-Id, once', async () => {
    const { port } = await scenes.raw(
      switching(
        '',
        'X-Hop: 1\r\nConnection: x-hop\r\nSet-Cookie: a=1\r\nSet-Cookie: b=\xe9\r\nX-Request-Id: theirs\r\n',
      ),
    );
    const client = await RawClient.open(port, HANDSHAKE);
    assert.equal(
      await client.until('\r\n\r\n'),
      'HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSet-Cookie: a=1\r\nSet-Cookie: b=\xc3\xa9\r\n' +
        'X-Request-Id: request-1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    );
    client.destroy();
  });

  test('nothing behind the head goes upstream before its 101, and all of it after', async () => {
    const answers: (() => void)[] = [];
    const { port, upstream } = await scenes.raw((connection) => {
      answers.push(() => connection.socket.write(`${SWITCHED}\r\nfirst`));
    });
    const client = await RawClient.open(port, `${HANDSHAKE}one`);
    await upstream.connected(1);
    await upstream.connections[0]!.until('\r\n\r\n');
    client.write('GET /admin HTTP/1.1\r\n\r\n');
    // A round trip through the gateway: had it passed the bytes on, they would be there by now.
    const other = await RawClient.open(port, HANDSHAKE);
    await upstream.connected(2);
    await upstream.connections[1]!.until('\r\n\r\n');
    other.destroy();
    assert.match(upstream.connections[0]!.text, /\r\n\r\n$/);
    answers[0]!();
    await client.until('\r\n\r\nfirst');
    await upstream.connections[0]!.until('\r\n\r\noneGET /admin HTTP/1.1\r\n\r\n');
    client.destroy();
  });

  test('what the client sends meanwhile is held within a bound', async () => {
    let answer: () => void = () => {};
    const { port, upstream, front } = await scenes.raw(async (connection, index) => {
      if (index === 0) answer = () => connection.socket.write(`${SWITCHED}\r\n`);
    });
    const client = await RawClient.open(port, HANDSHAKE);
    await upstream.connected(1);
    await upstream.connections[0]!.until('\r\n\r\n');
    const sent = randomBytes(16 * 1024 * 1024);
    const before = process.memoryUsage().arrayBuffers;
    client.write(sent);
    await eventually(() =>
      assert.ok(client.socket.writableLength > 0 && client.socket.bytesWritten > BOUNDS.upgradeHeldBytes),
    );
    assert.ok(process.memoryUsage().arrayBuffers - before < 4 * 1024 * 1024);
    answer();
    const head = upstream.connections[0]!.text.indexOf('\r\n\r\n') + 4;
    await eventually(() => assert.equal(upstream.connections[0]!.text.length, head + sent.length), { everyMs: 100 });
    assert.equal(sha256(Buffer.from(upstream.connections[0]!.text.slice(head), 'latin1')), sha256(sent));
    client.destroy();
    assert.equal((await front.outcome()).bytesIn, sent.length);
  });

  test('an answer other than 101 is passed on as one, and the connection ends', async () => {
    const answers: readonly (readonly [answer: string, expected: RegExp])[] = [
      [
        'HTTP/1.1 403 No Way\r\nX-Hop: 1\r\nConnection: x-hop\r\nX-Request-Id: theirs\r\nContent-Length: 4\r\n\r\nnope',
        /^HTTP\/1\.1 403 No Way\r\nContent-Length: 4\r\nX-Request-Id: request-1\r\nConnection: close\r\n\r\nnope$/,
      ],
      [
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n',
        /^HTTP\/1\.1 200 OK\r\nX-Request-Id: request-1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n[^]*ab[^]*cd\r\n0\r\n\r\n$/,
      ],
      [
        'HTTP/1.1 204 No Content\r\n\r\n',
        /^HTTP\/1\.1 204 No Content\r\nX-Request-Id: request-1\r\nConnection: close\r\n\r\n$/,
      ],
    ];
    for (const [answer, expected] of answers) {
      const { port, outcome, upstream } = await scenes.raw(async (connection) => {
        await connection.until('\r\n\r\n');
        connection.socket.write(answer);
      });
      const client = await RawClient.open(port, `${HANDSHAKE}never`);
      assert.match(await client.rest(), expected);
      assert.doesNotMatch(upstream.connections[0]!.text, /never/);
      client.destroy();
      const forwarded = await outcome();
      assert.ok(forwarded.kind === 'answered' && forwarded.isComplete);
      await eventually(() => assert.equal(upstream.open.size, 0));
    }
  });

  test('an answer that breaks off is cut', async () => {
    const { port, outcome } = await scenes.raw(async (connection) => {
      await connection.until('\r\n\r\n');
      connection.socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart');
    });
    await RawClient.exchange(port, HANDSHAKE);
    const forwarded = await outcome();
    assert.ok(forwarded.kind === 'answered' && !forwarded.isComplete);
  });
});

describe('a handshake that fails writes nothing, and gives its code', () => {
  const invalid: Readonly<Record<string, string>> = {
    'another protocol': 'SSH-2.0-OpenSSH_9.9\r\n',
    'a 101 to something else': 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n',
    'a 101 without Upgrade': 'HTTP/1.1 101 Switching Protocols\r\n\r\n',
    'a 101 with a length': `${SWITCHED}Content-Length: 5\r\n\r\nhello`,
    'endless interim answers': 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(9),
    'status 600': 'HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n',
    'a coding that was not offered': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
    'too large a head': `${SWITCHED}${`X: ${'y'.repeat(1000)}\r\n`.repeat(70)}\r\n`,
  };
  for (const [name, answer] of Object.entries(invalid)) {
    test(`upstream_invalid: ${name}`, async () => {
      const { port, outcome, upstream, defects } = await scenes.raw(async (connection) => {
        await connection.until('\r\n\r\n');
        connection.socket.write(answer);
      });
      assert.match(await RawClient.exchange(port, HANDSHAKE), /^HTTP\/1\.1 599 Failed\r\nX-Code: upstream_invalid\r\n/);
      assert.equal(codeOf(await outcome()), 'upstream_invalid');
      assert.deepEqual(defects, []);
      await eventually(() => assert.equal(upstream.open.size, 0));
    });
  }

  test('upstream_unreachable: refused, or closed before an answer', async () => {
    const gone = await startRecordingUpstream(() => {});
    await gone.close();
    const refused = await scenes.before([gone.origin]);
    assert.match(await RawClient.exchange(refused.port, HANDSHAKE), /X-Code: upstream_unreachable/);
    const { port, upstream } = await scenes.raw(async (connection) => {
      await connection.until('\r\n\r\n');
      connection.socket.destroy();
    });
    assert.match(await RawClient.exchange(port, HANDSHAKE), /X-Code: upstream_unreachable/);
    assert.equal(upstream.connections.length, 1, 'it is not sent again');
  });

  test('upstream_timeout: no connection, or no answer', async () => {
    const listener = await startUnacceptingListener();
    const dead = await scenes.before([listener.origin], { connectTimeout: 100, retries: 0 });
    assert.match(await RawClient.exchange(dead.port, HANDSHAKE), /X-Code: upstream_timeout/);
    await listener.close();
    const { port, upstream } = await scenes.raw(() => {}, { responseTimeout: 100 });
    assert.match(await RawClient.exchange(port, HANDSHAKE), /X-Code: upstream_timeout/);
    await eventually(() => assert.equal(upstream.open.size, 0));
  });

  test('a connection that failed is retried with the next target', async () => {
    const gone = await startRecordingUpstream(() => {});
    await gone.close();
    const upstream = await startRecordingUpstream(switching());
    const { port } = await scenes.before([gone.origin, upstream.origin]);
    for (let count = 0; count < 2; count++) {
      const client = await RawClient.open(port, HANDSHAKE);
      await client.until('HTTP/1.1 101');
      client.destroy();
    }
    await upstream.close();
  });

  test('a client that goes away is told upstream', async () => {
    const { port, upstream, outcome } = await scenes.raw(() => {});
    const client = await RawClient.open(port, HANDSHAKE);
    await upstream.connected(1);
    await upstream.connections[0]!.until('\r\n\r\n');
    client.destroy();
    await upstream.connections[0]!.closed();
    const forwarded = await outcome();
    assert.ok(forwarded.kind === 'answered' && forwarded.clientGone && forwarded.status === 0);
  });
});

test('a client that goes away within the answer to its handshake is told upstream', async () => {
  const { port, upstream, outcome } = await scenes.raw(async (connection) => {
    await connection.until('\r\n\r\n');
    connection.socket.write('HTTP/1.1 403 No Way\r\nContent-Length: 100\r\n\r\npart');
  });
  const client = await RawClient.open(port, HANDSHAKE);
  await client.until('part');
  client.destroy();
  await upstream.connections[0]!.closed();
  const forwarded = await outcome();
  assert.ok(forwarded.kind === 'answered' && !forwarded.isComplete && forwarded.status === 403);
});

describe('an open tunnel', () => {
  test('messages pass both ways between a client and a server of the ws package', async () => {
    const server = createServer();
    const sockets = new WebSocketServer({ server, perMessageDeflate: true });
    sockets.on('connection', (socket) =>
      socket.on('message', (data, isBinary) => socket.send(data as Buffer, { binary: isBinary })),
    );
    const { port, outcome, upstreams } = await scenes.behind(server);
    const client = new WebSocket(`ws://127.0.0.1:${port}/echo`, ['chat'], { perMessageDeflate: true });
    await inTime(new Promise((resolve) => client.once('open', resolve)), 'open');
    assert.equal(upstreams.openTunnels.size, 1);
    for (const message of [Buffer.from('hello'), randomBytes(4 * 1024 * 1024), Buffer.alloc(0)]) {
      client.send(message);
      const back = await inTime(new Promise<Buffer>((resolve) => client.once('message', resolve)), 'message');
      assert.equal(sha256(back), sha256(message));
    }
    client.close(1000);
    const code = await inTime(new Promise<number>((resolve) => client.once('close', resolve)), 'close');
    assert.equal(code, 1000);
    const forwarded = await outcome();
    assert.ok(forwarded.kind === 'answered' && forwarded.status === 101 && forwarded.isComplete);
    assert.ok(forwarded.bytesIn > 4_000_000 && forwarded.bytesOut > 4_000_000);
    assert.equal(upstreams.openTunnels.size, 0);
  });

  test('either side may end it', async () => {
    const byUpstream = await scenes.raw(switching());
    const first = await RawClient.open(byUpstream.port, HANDSHAKE);
    await first.until('101');
    byUpstream.upstream.connections[0]!.socket.end();
    await first.rest();
    first.destroy();
    assert.equal(codeOf(await byUpstream.outcome()), 'answered 101');

    const byClient = await scenes.raw(switching());
    const second = await RawClient.open(byClient.port, HANDSHAKE);
    await second.until('101');
    second.destroy();
    await byClient.upstream.connections[0]!.closed();
    assert.equal(codeOf(await byClient.outcome()), 'answered 101');
  });

  test('silence for idleTimeout ends it; bytes either way keep it', async () => {
    const { port, upstream, outcome } = await scenes.raw(switching(), { idleTimeout: 300 });
    const client = await RawClient.open(port, HANDSHAKE);
    await client.until('101');
    const started = performance.now();
    for (let count = 0; performance.now() - started < 700; count++) {
      const text = `<${count}>`;
      if (count % 2 === 0) client.write(text);
      else upstream.connections[0]!.socket.write(text);
      await (count % 2 === 0 ? upstream.connections[0]!.until(text) : client.until(text));
    }
    assert.equal(client.isOver, false);
    await client.rest();
    await upstream.connections[0]!.closed();
    assert.equal(codeOf(await outcome()), 'answered 101');
  });

  test('the gateway closes it with a close frame', async () => {
    const server = createServer();
    const sockets = new WebSocketServer({ server });
    const { port, outcome, upstreams } = await scenes.behind(server);
    const client = new WebSocket(`ws://127.0.0.1:${port}/`);
    await inTime(new Promise((resolve) => client.once('open', resolve)), 'open');
    for (const tunnel of upstreams.openTunnels) tunnel.close(1001);
    const code = await inTime(new Promise<number>((resolve) => client.once('close', resolve)), 'close');
    assert.equal(code, 1001);
    await outcome();
    assert.equal(upstreams.openTunnels.size, 0);
    await eventually(() => assert.equal(sockets.clients.size, 0));
  });

  test('no close frame is put into a frame that is half sent', async () => {
    const { port, upstreams, outcome } = await scenes.raw(switching('\x82\x05he'));
    const client = await RawClient.open(port, HANDSHAKE);
    await client.until('\x82\x05he');
    for (const tunnel of upstreams.openTunnels) tunnel.close(1001);
    assert.ok((await client.rest()).endsWith('\x82\x05he'));
    client.destroy();
    await outcome();
  });

  test('100 tunnels opened and cut leave nothing behind, and warn of nothing', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): number => warnings.push(warning);
    process.on('warning', onWarning);
    const { port, upstream, upstreams, outcome } = await scenes.raw(switching('hello'));
    for (let count = 0; count < 100; count++) {
      const client = await RawClient.open(port, HANDSHAKE);
      if (count % 2 === 0) await client.until('hello');
      client.destroy();
    }
    await outcome(100);
    await eventually(() => assert.equal(upstream.open.size, 0));
    assert.equal(upstreams.openTunnels.size, 0);
    process.off('warning', onWarning);
    assert.deepEqual(warnings, []);
  });
});

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
