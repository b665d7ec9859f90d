import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { Forwarded } from '../../src/forward/forward.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { openScenes } from '../support/forwarding-scene.ts';
import { RawClient } from '../support/raw-client.ts';
import { answering, plainAnswer, type Script, startRecordingUpstream } from '../support/recording-upstream.ts';
import { startUnacceptingListener } from '../support/unaccepting-listener.ts';

const scenes = openScenes();
after(() => scenes.close());

const GET = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
const KEPT = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

/** A port on which nobody listens. */
async function deadOrigin(): Promise<string> {
  const upstream = await startRecordingUpstream(() => {});
  await upstream.close();
  return upstream.origin;
}

function codeOf(forwarded: Forwarded): string {
  return forwarded.kind === 'failed' ? forwarded.code : `answered ${forwarded.status}`;
}

/** After the request's head. */
function then(act: (connection: Parameters<Script>[0]) => void): Script {
  return async (connection) => {
    await connection.until('\r\n\r\n');
    act(connection);
  };
}

describe('upstream_unreachable: refused, reset', () => {
  test('refused', async () => {
    const { port, outcome } = await scenes.before([await deadOrigin()]);
    assert.match(await RawClient.exchange(port, GET), /^HTTP\/1\.1 599 [^]*X-Code: upstream_unreachable/);
    assert.equal(codeOf(await outcome()), 'upstream_unreachable');
  });

  test('closed or reset before one byte of an answer', async () => {
    for (const act of [
      ({ socket }: Parameters<Script>[0]) => socket.end(),
      ({ socket }: Parameters<Script>[0]) => socket.resetAndDestroy(),
    ]) {
      const { port, outcome, upstream } = await scenes.raw(then(act));
      await RawClient.exchange(port, GET);
      assert.equal(codeOf(await outcome()), 'upstream_unreachable');
      assert.equal(upstream.connections.length, 1, 'a request that was sent is not sent again');
    }
  });

  test('a name that does not resolve', async () => {
    const { port, outcome } = await scenes.before(['http://nowhere.invalid']);
    await RawClient.exchange(port, GET);
    assert.equal(codeOf(await outcome()), 'upstream_unreachable');
  });
});

describe('upstream_invalid: not HTTP', () => {
  const answers: Readonly<Record<string, string>> = {
    'another protocol': 'SSH-2.0-OpenSSH_9.9\r\n',
    'no status line': 'hello\r\n\r\n',
    'a head cut off': 'HTTP/1.1 200 OK\r\nContent-Le',
    'status 600': 'HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n',
    'status 99': 'HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n',
    'an unasked 101': 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
    'an unasked 101 without Upgrade': 'HTTP/1.1 101 Switching Protocols\r\n\r\n',
    'endless interim answers': 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(9),
    'both lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
    'two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok',
    'a negative length': 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n',
    'a coding that was not offered': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
    'a field name with a space': 'HTTP/1.1 200 OK\r\nX Y: 1\r\nContent-Length: 0\r\n\r\n',
    'a control character in a value': 'HTTP/1.1 200 OK\r\nX: a\x01b\r\nContent-Length: 0\r\n\r\n',
    'a folded field': 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n',
    'too large a head': `HTTP/1.1 200 OK\r\n${`X: ${'y'.repeat(1000)}\r\n`.repeat(70)}\r\n`,
  };
  for (const [name, answer] of Object.entries(answers)) {
    test(name, async () => {
      const { port, outcome, defects, upstream } = await scenes.raw(then(({ socket }) => socket.end(answer)));
      const answered = await RawClient.exchange(port, GET);
      assert.match(answered, /^HTTP\/1\.1 599 [^]*X-Code: upstream_invalid/);
      assert.equal(codeOf(await outcome()), 'upstream_invalid');
      assert.deepEqual(defects, []);
      await eventually(() => assert.equal(upstream.open.size, 0, 'the connection is not used again'));
    });
  }
});

describe('upstream_timeout', () => {
  test('no answer within responseTimeout', async () => {
    const { port, outcome, upstream } = await scenes.raw(() => {}, { responseTimeout: 100 });
    await RawClient.exchange(port, GET);
    assert.equal(codeOf(await outcome()), 'upstream_timeout');
    await eventually(() => assert.equal(upstream.open.size, 0));
  });

  test('a head that never ends', async () => {
    const drip: Script = async ({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\n');
      const timer = setInterval(() => socket.write('X: y\r\n'), 20);
      socket.once('close', () => clearInterval(timer));
    };
    const { port, outcome } = await scenes.raw(drip, { responseTimeout: 200 });
    await RawClient.exchange(port, GET);
    assert.equal(codeOf(await outcome()), 'upstream_timeout');
  });

  test('no connection within connectTimeout', async () => {
    const listener = await startUnacceptingListener();
    const { port, outcome } = await scenes.before([listener.origin], { connectTimeout: 100, retries: 0 });
    await RawClient.exchange(port, GET);
    assert.equal(codeOf(await outcome()), 'upstream_timeout');
    await listener.close();
  });

  test('no connection becomes free within responseTimeout', async () => {
    const { port, outcome, upstream } = await scenes.raw(() => {}, { responseTimeout: 300, maxConnections: 1 });
    const first = await RawClient.open(port, GET);
    await upstream.connected(1);
    const second = await RawClient.open(port, GET);
    for (const count of [1, 2]) assert.equal(codeOf(await outcome(count)), 'upstream_timeout');
    await Promise.all([first.rest(), second.rest()]);
  });
});

describe('an answer that breaks off is cut, so that the client can tell', () => {
  const answers: Readonly<Record<string, string>> = {
    'within a declared length': 'HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\npart',
    'within chunks': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\npart',
    'before the last chunk': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n',
    'with a bad chunk': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\nxyz\r\n',
  };
  for (const [name, answer] of Object.entries(answers)) {
    test(name, async () => {
      const { port, outcome } = await scenes.raw(
        then(({ socket }) => socket.write(answer)),
        { idleTimeout: 100 },
      );
      // The front keeps its side open otherwise, so the end that is seen is the cut.
      const text = await RawClient.exchange(port, KEPT);
      assert.match(text, /^HTTP\/1\.1 200 OK\r\n/);
      assert.doesNotMatch(text, /\r\n0\r\n\r\n$/);
      const forwarded = await outcome();
      assert.ok(forwarded.kind === 'answered' && !forwarded.isComplete && !forwarded.clientGone);
    });
  }

  test('more bytes than declared are not passed on, and the connection is not used again', async () => {
    const { port, upstream, outcome } = await scenes.raw(
      answering(`${plainAnswer()}HTTP/1.1 200 OK\r\nX-Evil: 1\r\n\r\n`),
    );
    for (const count of [1, 2]) {
      assert.match(await RawClient.exchange(port, GET), /\r\n\r\nok$/);
      await outcome(count);
    }
    assert.equal(upstream.connections.length, 2);
  });
});

describe('bodies that are too large or too slow', () => {
  test('a declared length above maxBody reaches no upstream', async () => {
    const { port, outcome, upstream } = await scenes.raw(answering(plainAnswer()), {}, { maxBodyBytes: 4 });
    await RawClient.exchange(port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello');
    assert.equal(codeOf(await outcome()), 'body_too_large');
    assert.equal(upstream.connections.length, 0);
  });

  test('a chunked body is counted, and the upstream never sees a whole one', async () => {
    const { port, outcome, upstream } = await scenes.raw(() => {}, {}, { maxBodyBytes: 4 });
    const client = await RawClient.open(
      port,
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
    );
    await upstream.connected(1);
    await upstream.connections[0]!.until('abc');
    client.write('2\r\nde\r\n0\r\n\r\n');
    assert.match(await client.rest(), /X-Code: body_too_large/);
    assert.equal(codeOf(await outcome()), 'body_too_large');
    await upstream.connections[0]!.closed();
    assert.doesNotMatch(upstream.connections[0]!.text, /\r\nde|\r\n0\r\n/);
  });

  test('a body of just maxBody passes', async () => {
    const { port } = await scenes.raw(answering(plainAnswer()), {}, { maxBodyBytes: 5 });
    const text = await RawClient.exchange(
      port,
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello',
    );
    assert.match(text, /^HTTP\/1\.1 200 OK/);
  });

  test('request_timeout: a client silent for idleTimeout within its body', async () => {
    const { port, outcome, upstream } = await scenes.raw(() => {}, { idleTimeout: 100 });
    const text = await RawClient.exchange(port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel');
    assert.match(text, /X-Code: request_timeout/);
    const forwarded = await outcome();
    assert.equal(codeOf(forwarded), 'request_timeout');
    assert.equal(forwarded.bytesIn, 3);
    await eventually(() => assert.equal(upstream.open.size, 0));
  });
});

describe('retries: connection failures only, before a byte was sent', () => {
  test('the next target gets the request, its body untouched', async () => {
    const upstream = await startRecordingUpstream(async (connection) => {
      for (let from = 0; ; from = connection.text.length) {
        await connection.until('hello', from);
        connection.socket.write(plainAnswer());
      }
    });
    const { port } = await scenes.before([await deadOrigin(), upstream.origin]);
    const post = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello';
    for (let count = 0; count < 4; count++) assert.match(await RawClient.exchange(port, post), /^HTTP\/1\.1 200 OK/);
    await upstream.close();
  });

  test('as many as the configuration says', async () => {
    const dead = [await deadOrigin(), await deadOrigin()];
    const upstream = await startRecordingUpstream(answering(plainAnswer()));
    const once = await scenes.before([...dead, upstream.origin], { retries: 1 });
    assert.match(await RawClient.exchange(once.port, GET), /X-Code: upstream_unreachable/);
    const twice = await scenes.before([...dead, upstream.origin], { retries: 2 });
    assert.match(await RawClient.exchange(twice.port, GET), /^HTTP\/1\.1 200 OK/);
    const never = await scenes.before([dead[0]!, upstream.origin], { retries: 0 });
    assert.match(await RawClient.exchange(never.port, GET), /X-Code: upstream_unreachable/);
    await upstream.close();
  });

  test('not after a wait in vain for a connection: its time for an answer is used up', async () => {
    const begun = 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf';
    const [held, free] = [
      await startRecordingUpstream(answering(begun)),
      await startRecordingUpstream(answering(plainAnswer())),
    ];
    const limits = { retries: 5, maxConnections: 1, responseTimeout: 300, idleTimeout: 60_000 };
    const { port } = await scenes.before([held.origin, free.origin], limits);
    const holder = await RawClient.open(port, GET);
    await holder.until('half');
    assert.match(await RawClient.exchange(port, GET), /^HTTP\/1\.1 200 OK/);
    assert.match(await RawClient.exchange(port, GET), /X-Code: upstream_timeout/);
    assert.equal(free.connections.length, 1);
    holder.destroy();
    await Promise.all([held.close(), free.close()]);
  });

  test('an idempotent request without a body is sent anew where a kept-alive connection had been closed', async () => {
    const closesAfterOne: Script = async (connection, index) => {
      await connection.until('\r\n\r\n');
      connection.socket.write(plainAnswer());
      if (index > 0) return;
      await connection.until('\r\n\r\n', connection.text.length);
      connection.socket.destroy();
    };
    const { port, upstream } = await scenes.raw(closesAfterOne, { retries: 0 });
    const client = await RawClient.open(port, KEPT);
    await client.until('\r\n\r\nok');
    client.write(GET);
    assert.equal((await client.rest()).split('200 OK').length, 3);
    assert.equal(upstream.connections.length, 2);
  });

  test('a request with a body is not', async () => {
    const closesAfterOne: Script = async (connection) => {
      await connection.until('\r\n\r\n');
      connection.socket.write(plainAnswer());
      await connection.until('\r\n\r\n', connection.text.length);
      connection.socket.destroy();
    };
    const { port, upstream, outcome } = await scenes.raw(closesAfterOne);
    const client = await RawClient.open(port, KEPT);
    await client.until('\r\n\r\nok');
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi');
    await client.rest();
    assert.equal(codeOf(await outcome(2)), 'upstream_unreachable');
    assert.equal(upstream.connections.length, 1);
  });
});
