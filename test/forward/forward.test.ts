import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { after, describe, test } from 'node:test';
import { eventually } from '../support/acceptance-wait.ts';
import { type Scenes, openScenes } from '../support/forwarding-scene.ts';
import { RawClient } from '../support/raw-client.ts';
import { answering, plainAnswer } from '../support/recording-upstream.ts';

const scenes: Scenes = openScenes();
after(() => scenes.close());

const get = (target = '/', fields = ''): string => `GET ${target} HTTP/1.1\r\nHost: api.test\r\n${fields}\r\n`;
const getAndClose = (target = '/', fields = ''): string => get(target, `${fields}Connection: close\r\n`);

describe('the upstream sees exactly what was authorised, byte for byte', () => {
  test('method, path and query, end-to-end fields, ours, and its own authority as Host', async () => {
    const { port, upstream } = await scenes.raw(answering(plainAnswer()));
    const fields = 'X-Api-Key: secret\r\nCookie: a=1\r\nX-Odd:  \xe9 \r\nConnection: close, cookie2\r\nCookie2: x\r\n';
    assert.match(await RawClient.exchange(port, get('/a%2Cb?x=%C3%A4&&y', fields)), /^HTTP\/1\.1 200 OK\r\n/);
    assert.equal(
      upstream.connections[0]?.text,
      `GET /a%2Cb?x=%C3%A4&&y HTTP/1.1\r\nhost: 127.0.0.1:${upstream.port}\r\nconnection: keep-alive\r\n` +
        'Cookie: a=1\r\nX-Odd: \xe9\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n' +
        'X-Forwarded-Host: api.test\r\nX-Request-Id: request-1\r\nX-Consumer-Id: acme\r\n\r\n',
    );
  });

  test('a body of a declared length', async () => {
    const { port, upstream } = await scenes.raw(async (connection) => {
      await connection.until('hello world');
      connection.socket.write(plainAnswer());
    });
    const client = await RawClient.open(
      port,
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nConnection: close\r\n\r\nhello',
    );
    await upstream.connected(1);
    client.write(' world');
    await client.rest();
    assert.match(upstream.connections[0]!.text, /\r\ncontent-length: 11\r\n/);
    assert.match(upstream.connections[0]!.text, /\r\n\r\nhello world$/);
    assert.doesNotMatch(upstream.connections[0]!.text, /transfer-encoding/i);
  });

  test('a chunked body is chunked anew, without extensions and trailers', async () => {
    const { port, upstream } = await scenes.raw(async (connection) => {
      await connection.until('\r\n0\r\n\r\n');
      connection.socket.write(plainAnswer());
    });
    const body = '5;ext=1\r\nhello\r\n1\r\n!\r\n0\r\nX-Consumer-Id: mallory\r\n\r\n';
    await RawClient.exchange(
      port,
      `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n${body}`,
    );
    const { text } = upstream.connections[0]!;
    assert.match(text, /\r\ntransfer-encoding: chunked\r\n/);
    assert.doesNotMatch(text, /mallory|ext=1|content-length/i);
    assert.equal(text.slice(text.indexOf('\r\n\r\n') + 4).replaceAll(/[0-9a-f]+\r\n|\r\n/g, ''), 'hello!');
  });

  for (const method of ['GET', 'DELETE', 'OPTIONS']) {
    test(`${method} with a body keeps it`, async () => {
      const { port, upstream } = await scenes.raw(async (connection) => {
        await connection.until('abc');
        connection.socket.write(plainAnswer());
      });
      await RawClient.exchange(
        port,
        `${method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc`,
      );
      assert.match(upstream.connections[0]!.text, /\r\ncontent-length: 3\r\n\r\nabc$/);
    });
  }

  test('an empty chunked body is an empty body', async () => {
    const { port, upstream } = await scenes.raw(answering(plainAnswer()));
    await RawClient.exchange(
      port,
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n',
    );
    assert.match(upstream.connections[0]!.text, /\r\ncontent-length: 0\r\n\r\n$/);
  });

  test('100 Continue is given once the body is wanted, and Expect goes no further', async () => {
    const { port, upstream } = await scenes.raw(async (connection) => {
      await connection.until('abc');
      connection.socket.write(plainAnswer());
    });
    const client = await RawClient.open(
      port,
      'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\nConnection: close\r\n\r\n',
    );
    await client.until('HTTP/1.1 100 Continue\r\n\r\n');
    client.write('abc');
    assert.match(await client.rest(), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
    assert.doesNotMatch(upstream.connections[0]!.text, /expect/i);
  });
});

describe('answers pass through unchanged but for hop-by-hop fields', () => {
  test('status, reason, fields and body, X-Request-Id and the fields of the limits added', async () => {
    const answer =
      'HTTP/1.1 418 Short And Stout\r\nSet-Cookie: a=1\r\nX-Hop: 1\r\nSet-Cookie: b=2\r\nX-Request-Id: theirs\r\nX-Odd: \xe9\r\n' +
      'Date: Mon, 01 Jan 2024 00:00:00 GMT\r\nConnection: keep-alive, x-hop\r\nContent-Length: 4\r\n\r\nbody';
    const { port } = await scenes.raw(
      answering(Buffer.from(answer, 'latin1')),
      {},
      { answerFields: ['RateLimit', '"a";r=1;t=1'] },
    );
    assert.equal(
      await RawClient.exchange(port, getAndClose()),
      'HTTP/1.1 418 Short And Stout\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Odd: \xe9\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n' +
        'Content-Length: 4\r\nX-Request-Id: request-1\r\nRateLimit: "a";r=1;t=1\r\nConnection: close\r\n\r\nbody',
    );
  });

  const framings: readonly (readonly [name: string, answer: string, expected: RegExp])[] = [
    [
      'of a declared length',
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
      /\r\nContent-Length: 5\r\n[^]*\r\n\r\nhello$/,
    ],
    [
      'chunked',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n',
      /\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n$/,
    ],
    [
      'chunked with trailers',
      'HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-Request-Id: theirs\r\n\r\n',
      /\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n$/,
    ],
    [
      '204',
      'HTTP/1.1 204 No Content\r\n\r\n',
      /^HTTP\/1\.1 204 No Content\r\n(?![^]*(?:Content-Length|Transfer-Encoding))[^]*\r\n\r\n$/,
    ],
    [
      '304 with a length',
      'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n',
      /^HTTP\/1\.1 304 Not Modified\r\n[^]*Content-Length: 5\r\n[^]*\r\n\r\n$/,
    ],
    ['empty', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', /\r\nContent-Length: 0\r\n[^]*\r\n\r\n$/],
    [
      'behind interim answers',
      'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
      /^HTTP\/1\.1 200 OK\r\n(?![^]*Link)[^]*\r\n\r\nok$/,
    ],
  ];
  for (const [name, answer, expected] of framings) {
    test(name, async () => {
      const { port, outcome } = await scenes.raw(answering(answer));
      assert.match(await RawClient.exchange(port, getAndClose()), expected);
      const forwarded = await outcome();
      assert.ok(forwarded.kind === 'answered' && forwarded.isComplete && !forwarded.clientGone);
    });
  }

  test('that ends with the connection', async () => {
    const { port } = await scenes.raw(async (connection) => {
      await connection.until('\r\n\r\n');
      connection.socket.end('HTTP/1.0 200 OK\r\n\r\nhello');
    });
    assert.match(await RawClient.exchange(port, getAndClose()), /\r\n\r\n5\r\nhello\r\n0\r\n\r\n$/);
  });

  test('to HEAD has the fields of GET and no body', async () => {
    const { port, upstream } = await scenes.raw(answering('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'));
    const answer = await RawClient.exchange(port, 'HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\nContent-Length: 5\r\n[^]*\r\n\r\n$/);
    assert.match(upstream.connections[0]!.text, /^HEAD \/ HTTP/);
  });

  test('what was carried is counted', async () => {
    const { port, outcome } = await scenes.raw(async (connection) => {
      await connection.until('hello');
      connection.socket.write(plainAnswer('0123456789'));
    });
    await RawClient.exchange(port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello');
    const forwarded = await outcome();
    assert.ok(forwarded.kind === 'answered');
    assert.deepEqual([forwarded.status, forwarded.bytesIn, forwarded.bytesOut], [200, 5, 10]);
    assert.ok(forwarded.upstreamMs !== null && forwarded.upstreamMs > 0 && forwarded.upstreamMs < 5000);
  });
});

describe('connections are kept', () => {
  test('many requests on one connection, both sides, without a warning', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): number => warnings.push(warning);
    process.on('warning', onWarning);
    const { port, upstream, outcomes } = await scenes.raw(answering(plainAnswer()));
    const client = await RawClient.open(port);
    for (let count = 1; count <= 40; count++) {
      client.write(get());
      await client.wait((text) => text.split('\r\n\r\nok').length > count, `answer ${count}`);
    }
    client.destroy();
    assert.equal(upstream.connections.length, 1);
    assert.equal(outcomes.length, 40);
    process.off('warning', onWarning);
    assert.deepEqual(warnings, []);
  });

  test('requests that a client pipelines are answered in order', async () => {
    const { port, outcome, outcomes } = await scenes.raw(answering(plainAnswer()));
    const client = await RawClient.open(port, get('/1') + get('/2') + getAndClose('/3'));
    assert.equal((await client.rest()).split('HTTP/1.1 200 OK').length, 4);
    await outcome(3);
    assert.ok(outcomes.every((each) => each.kind === 'answered' && each.isComplete));
  });

  test('a client that leaves while its pipelined requests wait leaves nothing behind', async () => {
    const { port, upstream, outcome, outcomes } = await scenes.raw(async () => {});
    const client = await RawClient.open(port, get('/1') + get('/2') + get('/3'));
    await upstream.connected(3);
    client.destroy();
    await outcome(3);
    assert.ok(outcomes.every((each) => each.kind === 'answered' && each.clientGone));
    await eventually(() => assert.equal(upstream.open.size, 0));
  });
});

describe('bodies stream both ways, never held', () => {
  test('an echo of 8 MiB arrives as it was sent, at the pace of a slow reader', async () => {
    const server = createServer((request, response) => void request.pipe(response));
    const { port } = await scenes.behind(server);
    const sent = randomBytes(8 * 1024 * 1024);
    const client = await RawClient.open(
      port,
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8388608\r\nConnection: close\r\n\r\n',
    );
    client.write(sent);
    await client.rest(15_000);
    const { received } = client;
    const body = unchunked(received.subarray(received.indexOf('\r\n\r\n') + 4));
    assert.equal(sha256(body), sha256(sent));
  });

  test('server-sent events arrive as they are sent, and the head before the first', async () => {
    const { port, upstream } = await scenes.raw(async (connection) => {
      await connection.until('\r\n\r\n');
      connection.socket.write(
        'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n',
      );
    });
    const client = await RawClient.open(port, getAndClose());
    await client.until('Content-Type: text/event-stream');
    for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
      upstream.connections[0]!.socket.write(`9\r\n${event}\r\n`);
      await client.until(event);
    }
    upstream.connections[0]!.socket.write('0\r\n\r\n');
    await client.rest();
  });

  test('the head of a large answer does not wait for its body', async () => {
    const { port, upstream } = await scenes.raw(answering('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'));
    const client = await RawClient.open(port, getAndClose());
    await client.until('Content-Length: 5');
    upstream.connections[0]!.socket.write('he');
    await client.until('\r\n\r\nhe');
    upstream.connections[0]!.socket.write('llo');
    assert.match(await client.rest(), /\r\n\r\nhello$/);
  });

  test('a reader that stops stops the upstream: memory does not grow', async () => {
    const { port, upstream } = await scenes.raw(answering('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n'));
    const client = await RawClient.open(port, getAndClose());
    client.socket.pause();
    await upstream.connected(1);
    const [connection] = upstream.connections;
    const before = process.memoryUsage().arrayBuffers;
    await filled(connection!.socket);
    const held = process.memoryUsage().arrayBuffers - before - connection!.socket.writableLength;
    assert.ok(held < 4 * 1024 * 1024, `${held} bytes are held`);
    client.destroy();
    await connection!.closed();
  });

  test('an upstream that stops reading stops the client, and is given up after responseTimeout', async () => {
    const { port, upstream, front } = await scenes.raw(async ({ socket }) => void socket.pause(), {
      responseTimeout: 2000,
    });
    const client = await RawClient.open(port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n');
    assert.ok((await filled(client.socket)) < 32 * 1024 * 1024);
    const forwarded = await front.outcome();
    assert.ok(forwarded.kind === 'failed' && forwarded.code === 'upstream_timeout');
    upstream.connections[0]!.socket.resume();
    await upstream.connections[0]!.closed();
    client.destroy();
  });
});

/** Writes until everything up to a reader that does not read is full; gives how many bytes that took. */
async function filled(socket: Socket): Promise<number> {
  const block = Buffer.alloc(1024 * 1024);
  let written = 0;
  let taken = -1;
  await eventually(
    () => {
      while (socket.writableLength < 4 * block.length) {
        socket.write(block);
        written += block.length;
      }
      const before = taken;
      taken = written - socket.writableLength;
      assert.equal(taken, before, 'it still flows');
    },
    { everyMs: 250, withinMs: 15_000 },
  );
  return taken;
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function unchunked(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; ;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16);
    if (size === 0) return Buffer.concat(parts);
    parts.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 4 + size;
  }
}
