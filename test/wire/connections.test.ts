import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { BOUNDS } from '../../src/core/bounds.ts';
import type { UpstreamLimits } from '../../src/wire/exchange.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { answering, plainAnswer, type Script } from '../support/recording-upstream.ts';
import { startUpstreamCaller, type UpstreamCaller } from '../support/upstream-caller.ts';

const closing: UpstreamCaller[] = [];
after(async () => {
  for (const caller of closing) await caller.close();
});

async function caller(script: Script, limits: Partial<UpstreamLimits> = {}): Promise<UpstreamCaller> {
  const made = await startUpstreamCaller(script, limits);
  closing.push(made);
  return made;
}

/** Answers a connection's requests with these in turn; null ends it. */
function inTurn(...answers: readonly (string | null)[]): Script {
  return async (connection) => {
    let from = 0;
    for (const answer of answers) {
      const text = await connection.until('\r\n\r\n', from);
      from = text.indexOf('\r\n\r\n', from) + 4;
      if (answer === null) connection.socket.destroy();
      else connection.socket.write(answer);
    }
  };
}

describe('connections are kept, the last one used first', () => {
  test('one request after another, on one', async () => {
    const { ask, upstream } = await caller(answering(plainAnswer()));
    for (let count = 0; count < 20; count++) assert.equal((await ask()).body, 'ok');
    assert.equal(upstream.connections.length, 1);
  });

  test('of several, the one that was used last', async () => {
    const { ask, send, upstream } = await caller(answering(plainAnswer()));
    const calls = [send(), send(), send()];
    await Promise.all(calls.map(({ over }) => over));
    assert.equal(upstream.connections.length, 3);
    const before = upstream.connections.map(({ text }) => text.length);
    for (let count = 0; count < 5; count++) await ask();
    const grown = upstream.connections.filter(({ text }, at) => text.length > before[at]!);
    assert.equal(grown.length, 1);
  });

  test('not for longer than the upstream says, and not at all where that is too short', async () => {
    const short = await caller(answering(plainAnswer('ok', 'Keep-Alive: timeout=1\r\n')));
    await short.ask();
    await eventually(() => assert.equal(short.upstream.open.size, 0));
    const longer = await caller(answering(plainAnswer('ok', 'Keep-Alive: timeout=2\r\n')));
    await longer.ask();
    await longer.ask();
    assert.equal(longer.upstream.connections.length, 1);
    const startedAt = performance.now();
    await eventually(() => assert.equal(longer.upstream.open.size, 0));
    assert.ok(performance.now() - startedAt < BOUNDS.upstreamKeepAliveMs - 1000);
  });

  const notKept: Readonly<Record<string, string>> = {
    'Connection: close': plainAnswer('ok', 'Connection: close\r\n'),
    'HTTP/1.0': plainAnswer().replace('HTTP/1.1', 'HTTP/1.0'),
    'Connection: close on an interim answer': `HTTP/1.1 103 X\r\nConnection: close\r\n\r\n${plainAnswer()}`,
    'bytes behind the answer': `${plainAnswer()}\r\n`,
    'another answer behind the answer': plainAnswer() + plainAnswer('evil'),
  };
  for (const [name, answer] of Object.entries(notKept)) {
    test(`not after ${name}, though the answer is passed on`, async () => {
      const { ask, upstream } = await caller(answering(answer));
      for (let count = 1; count <= 3; count++) {
        const { body, exchange } = await ask();
        assert.equal(body, 'ok');
        assert.equal(exchange.oddity !== null, /behind|interim/.test(name));
        assert.equal(upstream.connections.length, count);
      }
      await eventually(() => assert.equal(upstream.open.size, 0));
    });
  }

  test('not after HEAD, whose answer may have a body after all', async () => {
    const { ask, upstream } = await caller(answering('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n'));
    await ask({ method: 'HEAD' });
    await ask({ method: 'HEAD' });
    assert.equal(upstream.connections.length, 2);
    assert.match(upstream.connections[0]!.text, /\r\nconnection: close\r\n/);
  });
});

describe('bytes that nobody asked for', () => {
  test('an idle connection that gets some is dropped at once', async () => {
    const { ask, upstream } = await caller(answering(plainAnswer()));
    await ask();
    upstream.connections[0]!.socket.write(plainAnswer('evil'));
    await upstream.connections[0]!.closed();
    assert.equal((await ask()).body, 'ok');
    assert.equal(upstream.connections.length, 2);
  });

  test('behind an answer on a connection that was used before, nobody can tell whose it is: it is refused', async () => {
    const { ask, upstream } = await caller(inTurn(plainAnswer(), plainAnswer('one') + plainAnswer('two')));
    await ask();
    const { failure, head } = await ask();
    assert.equal(head, null);
    assert.equal(failure?.kind, 'invalid');
    await eventually(() => assert.equal(upstream.open.size, 0));
  });
});

describe('a kept connection that the upstream has closed', () => {
  test('is told from one that failed, and no other kept one is relied on', async () => {
    const { ask, send, upstream } = await caller(inTurn(plainAnswer(), null));
    await Promise.all([send().over, send().over, send().over]);
    const { failure } = await ask();
    assert.deepEqual([failure?.kind, failure?.isSent, failure?.isStale], ['unreachable', true, true]);
    await eventually(() => assert.equal(upstream.open.size, 0));
  });

  test('is not stale where it was new, or a byte of an answer came', async () => {
    const fresh = await caller(inTurn(null));
    assert.equal((await fresh.ask()).failure?.isStale, false);
    const begun: Script = async (connection) => {
      await inTurn(plainAnswer())(connection, 0);
      await connection.until('\r\n\r\n', connection.text.length);
      connection.socket.end('H');
    };
    const { ask } = await caller(begun);
    await ask();
    const { failure } = await ask();
    assert.deepEqual([failure?.kind, failure?.isStale], ['invalid', false]);
  });
});

describe('as many connections as are allowed, and a bounded queue', () => {
  test('who comes first is served first, all of them in the end', async () => {
    const { send, upstream } = await caller(
      async (connection) => {
        for (let from = 0; ;) {
          const text = await connection.until('\r\n\r\n', from);
          connection.socket.write(plainAnswer(/ \/(\d+) /.exec(text.slice(from))?.[1]));
          from = text.indexOf('\r\n\r\n', from) + 4;
        }
      },
      { maxConnections: 1 },
    );
    const order: string[] = [];
    const calls = Array.from({ length: 40 }, async (_, at) => {
      const call = send({ path: `/${at}` });
      await call.over;
      assert.equal(call.body, `${at}`);
      order.push(call.body);
    });
    await Promise.all(calls);
    assert.equal(upstream.connections.length, 1);
    assert.deepEqual(
      order,
      Array.from({ length: 40 }, (_, at) => `${at}`),
    );
  });

  test('there is no room where the queue is full, and there is again when one leaves', async () => {
    const { connections, send } = await caller(() => {}, { maxConnections: 1 });
    const calls = Array.from({ length: BOUNDS.upstreamQueue + 1 }, () => send());
    assert.equal(connections.hasRoom, false);
    calls.at(-1)!.exchange.abort();
    assert.equal(connections.hasRoom, true);
    for (const { exchange } of calls) exchange.abort();
    assert.ok(calls.every(({ told }) => told === 0));
  });

  test('a connection that breaks makes room for who waits', async () => {
    const { send } = await caller(
      (connection, index) => inTurn(index === 0 ? null : plainAnswer())(connection, index),
      {
        maxConnections: 1,
      },
    );
    const [first, second] = [send(), send()];
    await Promise.all([first.over, second.over]);
    assert.equal(first.failure?.kind, 'unreachable');
    assert.equal(second.body, 'ok');
  });
});

describe('a request that is given up', () => {
  test('takes its connection with it, in whatever state that is, and hears nothing more', async () => {
    const states: Readonly<Record<string, string>> = {
      'no answer': '',
      'part of a head': 'HTTP/1.1 200 OK\r\nX',
      'part of a body': 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx',
    };
    for (const [name, bytes] of Object.entries(states)) {
      const { send, upstream, connections } = await caller(inTurn(bytes));
      const call = send();
      await eventually(() => assert.match(upstream.connections[0]?.text ?? '', /\r\n\r\n$/));
      if (name === 'part of a body') await eventually(() => assert.equal(call.body, 'x'));
      const { told } = call;
      call.exchange.abort();
      call.exchange.abort();
      await upstream.connections[0]!.closed();
      assert.equal(call.told, told, name);
      await connections.close();
    }
  });

  test('before there is a connection', async () => {
    const { send, ask, connections } = await caller(answering(plainAnswer()), { maxConnections: 1 });
    const call = send();
    call.exchange.abort();
    assert.equal((await ask()).body, 'ok');
    assert.equal(call.told, 0);
    await connections.close();
  });
});

describe('what cannot be written is a defect of ours, and no byte of it is sent', () => {
  const unsendable: readonly (readonly [name: string, fields: readonly string[], path?: string])[] = [
    ['CRLF in a value', ['X', 'a\r\nEvil: 1']],
    ['LF in a value', ['X', 'a\nb']],
    ['NUL in a value', ['X', 'a\0b']],
    ['a character that would lose half of itself', ['X', '\u010a']],
    ['a space in a name', ['X Y', 'z']],
    ['an empty name', ['', 'z']],
    ['a space in the path', [], '/a b'],
    ['CRLF in the path', [], '/a\r\n'],
  ];
  for (const [name, fields, path = '/'] of unsendable) {
    test(name, async () => {
      const { ask, upstream } = await caller(answering(plainAnswer()));
      const { failure } = await ask({ fields, path });
      assert.deepEqual([failure?.kind, failure?.isSent], ['unsendable', false]);
      assert.equal(upstream.connections.length, 0);
    });
  }
});

test('an end of its own: closing waits for what is under way', async () => {
  const { send, connections, upstream } = await caller(async (connection) => {
    await connection.until('\r\n\r\n');
    setImmediate(() => connection.socket.write(plainAnswer()));
  });
  const call = send();
  await connections.close();
  assert.equal(call.body, 'ok');
  await eventually(() => assert.equal(upstream.open.size, 0));
});
