// What the listener does with connections by itself, whatever the front answers.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { BOUNDS } from '../../src/core/bounds.ts';
import type { Connection } from '../../src/fronts/connection.ts';
import { createListener, type Front, type Listener } from '../../src/fronts/listener.ts';
import { eventually } from '../support/acceptance-wait.ts';

const ASKED = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
/** The answers to ten requests are more than the system's buffers take on both sides. */
const BODY = 'x'.repeat(4 * 1024 * 1024);

let listener: Listener;
let port: number;
let connection: Connection | undefined;

/** Answers at once, whether anybody reads or not. */
const front: Front = {
  request: (its, request, response) => {
    connection = its;
    if (request.url === '/late') return;
    response.writeHead(200, ['Content-Length', String(BODY.length)]);
    response.end(BODY);
  },
  expectation: () => assert.fail('nobody expects anything'),
  upgrade: () => assert.fail('nobody upgrades'),
  malformed: () => assert.fail('all are requests'),
};

before(async () => {
  listener = createListener(front, { mostConnections: 10, onFull: () => {} });
  ({ port } = await listener.listen('127.0.0.1', 0, false));
});
after(async () => {
  const drained = listener.drain();
  listener.cut();
  await drained;
});

test('a client that reads none of its answers has a bounded time to begin, and is cut then', async () => {
  const client = connect(port, '127.0.0.1').on('error', () => {});
  client.pause();
  client.write(ASKED.repeat(10));
  await eventually(() => assert.equal(connection?.socket.timeout, BOUNDS.unreadMs));
  // The time over, without waiting for it.
  connection?.socket.emit('timeout');
  await eventually(() => assert.ok(connection?.socket.destroyed));
  client.destroy();
});

test('a client that has read is given no time for its next answer', async () => {
  const client = connect(port, '127.0.0.1').on('error', () => {});
  client.pause();
  connection = undefined;
  client.write(ASKED.repeat(10));
  await eventually(() => assert.equal(connection?.socket.timeout, BOUNDS.unreadMs));
  client.resume();
  await eventually(() => assert.equal(connection?.socket.timeout, 0));
  client.destroy();
});

test('a client that has read is given no time for its next answer while the gateway drains, either', async () => {
  const draining = createListener(front, { mostConnections: 10, onFull: () => {} });
  const client = connect((await draining.listen('127.0.0.1', 0, false)).port, '127.0.0.1').on('error', () => {});
  client.pause();
  connection = undefined;
  // The next answer is one that never comes.
  client.write(`${ASKED.repeat(10)}GET /late HTTP/1.1\r\nHost: a\r\n\r\n`);
  await eventually(() => assert.equal(connection?.socket.timeout, BOUNDS.unreadMs));
  const drained = draining.drain();
  client.resume();
  await eventually(() => assert.equal(connection?.socket.timeout, 0));
  draining.cut();
  await drained;
  client.destroy();
});
