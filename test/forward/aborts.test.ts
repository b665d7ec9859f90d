import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { after, describe, test } from 'node:test';
import { eventually } from '../support/acceptance-wait.ts';
import { openScenes } from '../support/forwarding-scene.ts';
import { RawClient } from '../support/raw-client.ts';
import { answering, plainAnswer, type Script } from '../support/recording-upstream.ts';

const scenes = openScenes();
after(() => scenes.close());

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const CHUNKED = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n';

describe('a client that goes away is told upstream at once', () => {
  test('before the answer', async () => {
    const { port, upstream, outcome } = await scenes.raw(() => {});
    const client = await RawClient.open(port, GET);
    await upstream.connected(1);
    await upstream.connections[0]!.until('\r\n\r\n');
    client.destroy();
    await upstream.connections[0]!.closed();
    const forwarded = await outcome();
    assert.ok(forwarded.kind === 'answered' && forwarded.clientGone && !forwarded.isComplete);
    assert.equal(forwarded.status, 0);
  });

  test('within the answer', async () => {
    const { port, upstream, outcome } = await scenes.raw(
      answering('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart'),
    );
    const client = await RawClient.open(port, GET);
    await client.until('part');
    client.destroy();
    await upstream.connections[0]!.closed();
    const forwarded = await outcome();
    assert.ok(forwarded.kind === 'answered' && forwarded.clientGone && forwarded.status === 200);
  });

  test('within its body: the upstream never sees a whole one', async () => {
    for (const body of [CHUNKED, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhello']) {
      const { port, upstream, outcome } = await scenes.raw(() => {});
      const client = await RawClient.open(port, body);
      await upstream.connected(1);
      await upstream.connections[0]!.until('hello');
      client.destroy();
      await upstream.connections[0]!.closed();
      assert.doesNotMatch(upstream.connections[0]!.text, /\r\n0\r\n/);
      const forwarded = await outcome();
      assert.ok(forwarded.kind === 'answered' && forwarded.clientGone);
    }
  });

  test('while it waits for a connection: the upstream never hears of it', async () => {
    const answers: (() => void)[] = [];
    const script: Script = async (connection) => {
      for (let from = 0; ; from = connection.text.length) {
        await connection.until('\r\n\r\n', from);
        answers.push(() => connection.socket.write(plainAnswer()));
      }
    };
    const { port, upstream, outcome } = await scenes.raw(script, { maxConnections: 1 });
    const first = await RawClient.open(port, 'GET /1 HTTP/1.1\r\nHost: a\r\n\r\n');
    await eventually(() => assert.equal(answers.length, 1));
    const second = await RawClient.open(port, 'GET /2 HTTP/1.1\r\nHost: a\r\n\r\n');
    const third = await RawClient.open(port, 'GET /3 HTTP/1.1\r\nHost: a\r\n\r\n');
    second.destroy();
    assert.ok((await outcome()).kind === 'answered');
    answers[0]!();
    await first.until('ok');
    await eventually(() => assert.equal(answers.length, 2));
    answers[1]!();
    await third.until('ok');
    assert.doesNotMatch(upstream.connections.map(({ text }) => text).join(''), /GET \/2/);
    first.destroy();
    third.destroy();
  });

  test('200 aborts at random times leave no connection and no warning behind', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): number => warnings.push(warning);
    process.on('warning', onWarning);
    const { port, server, upstream, outcome, defects } = await scenes.raw(
      answering('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart'),
    );
    const clients = new Set<unknown>();
    server.on('connection', (socket: Socket) => {
      clients.add(socket);
      socket.once('close', () => clients.delete(socket));
    });
    for (let count = 0; count < 200; count++) {
      const client = await RawClient.open(port, count % 3 === 0 ? CHUNKED : GET);
      if (count % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
      if (count % 5 === 0) await client.until('part');
      client.destroy();
    }
    await eventually(() => {
      assert.equal(upstream.open.size, 0);
      assert.equal(clients.size, 0);
    });
    await outcome(1);
    assert.deepEqual(defects, []);
    process.off('warning', onWarning);
    assert.deepEqual(warnings, []);
  });
});

describe('an upstream that answers before it has read the body', () => {
  test('the answer arrives whole, the client is told that the connection ends, and it does', async () => {
    const { port, upstream, outcome } = await scenes.raw(async (connection) => {
      await connection.until('hello');
      connection.socket.end('HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nstop');
    });
    const client = await RawClient.open(port, CHUNKED);
    const text = await client.rest();
    assert.match(text, /^HTTP\/1\.1 413 Too Large\r\n[^]*Connection: close\r\n[^]*\r\n\r\nstop$/);
    const forwarded = await outcome();
    assert.ok(forwarded.kind === 'answered' && forwarded.isComplete && forwarded.status === 413);
    await upstream.connections[0]!.closed();
    client.destroy();
  });

  test('a client that goes on sending still gets it', async () => {
    const { port, outcome } = await scenes.raw(async (connection) => {
      await connection.until('hello');
      connection.socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nstop');
    });
    const client = await RawClient.open(port, CHUNKED);
    await client.until('stop');
    for (let count = 0; count < 8; count++) client.write(`4000\r\n${'x'.repeat(0x4000)}\r\n`);
    client.write('0\r\n\r\n');
    assert.match(await client.rest(), /\r\n\r\nstop$/);
    const forwarded = await outcome();
    assert.ok(forwarded.kind === 'answered' && forwarded.isComplete);
    client.destroy();
  });

  test('an answer that streams while the body does goes on until both have ended', async () => {
    const { port, outcome } = await scenes.raw(async (connection) => {
      await connection.until('hello');
      connection.socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n');
      await connection.until('world');
      connection.socket.write('3\r\ntwo\r\n');
      await connection.until('\r\n0\r\n\r\n');
      connection.socket.write('0\r\n\r\n');
    });
    const client = await RawClient.open(port, CHUNKED);
    await client.until('one');
    client.write('5\r\nworld\r\n');
    await client.until('two');
    client.write('0\r\n\r\n');
    assert.match(await client.rest(), /\r\n0\r\n\r\n$/);
    const forwarded = await outcome();
    assert.ok(forwarded.kind === 'answered' && forwarded.isComplete && forwarded.bytesIn === 10);
    client.destroy();
  });
});

test('a client that takes nothing for idleTimeout is cut, and the upstream with it', async () => {
  const { port, upstream, outcome } = await scenes.raw(
    answering('HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n'),
    {
      idleTimeout: 300,
    },
  );
  const client = await RawClient.open(port, GET);
  client.socket.pause();
  await upstream.connected(1);
  const { socket } = upstream.connections[0]!;
  const block = Buffer.alloc(1024 * 1024);
  const more = (): void => {
    while (!socket.destroyed && socket.write(block));
  };
  socket.on('drain', more);
  more();
  const forwarded = await outcome();
  assert.ok(forwarded.kind === 'answered' && forwarded.clientGone && !forwarded.isComplete);
  await upstream.connections[0]!.closed();
  client.destroy();
});
