// What one client connection may do to the process, to itself and to those behind it: answers behind each other,
// bodies that break, uploads that are refused. Each case was a defect once.
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { Scene } from '../support/acceptance-scene.ts';
import { eventually } from '../support/acceptance-wait.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { RawClient } from '../support/raw-client.ts';
import { plainAnswer, startRecordingUpstream, type RecordingUpstream } from '../support/recording-upstream.ts';

const LARGE = 3_000_000;
let scene: Scene;
let gateway: GatewayProcess;
let upstream: RecordingUpstream;
/** Answers that wait for the test, by path. */
const held = new Map<string, () => void>();

before(async () => {
  scene = await Scene.open('sqlite');
  upstream = await startRecordingUpstream(async (seen) => {
    const { socket } = seen;
    for (let from = 0; ;) {
      const text = await seen.until('\r\n\r\n', from);
      const head = text.slice(from, text.indexOf('\r\n\r\n', from) + 4);
      from += head.length;
      const path = head.split(' ')[1]!;
      if (path.startsWith('/p/held')) held.set(path, () => socket.write(plainAnswer('held')));
      else if (path === '/p/large') socket.write(plainAnswer('x'.repeat(LARGE)));
      // More than the system's buffers take on all sides.
      else if (path === '/p/huge') socket.write(plainAnswer('x'.repeat(20 * LARGE)));
      else if (path === '/p/cut') socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
      else if (path === '/p/upload') {
        from += (await seen.until('0\r\n\r\n', from)).length - from;
        socket.write(plainAnswer('y'.repeat(40_000)));
      } else if (path === '/p/octets') {
        socket.write(Buffer.from('HTTP/1.1 200 OK\r\nX-T: caf\xe9\r\nContent-Length: 2\r\n\r\n', 'latin1'));
        held.set(path, () => socket.write('ok'));
      } else socket.write(plainAnswer('ok'));
    }
  });
  scene.onClose(() => upstream.close());
  gateway = await scene.gateway({
    guard: { failures: 1_000_000, per: '1m', block: '1s' },
    upstreams: { api: { targets: [upstream.origin], idleTimeout: '500ms', responseTimeout: '10s' } },
    routes: {
      open: { path: '/p/**', upstream: 'api', access: 'public' },
      closed: { path: '/s/**', upstream: 'api', scopes: ['s:read'] },
    },
  });
});
after(() => scene.close());

function get(path: string, last = false): string {
  return `GET ${path} HTTP/1.1\r\nHost: a\r\n${last ? 'Connection: close\r\n' : ''}\r\n`;
}

async function release(path: string): Promise<void> {
  const answer = await eventually(() => held.get(path) ?? assert.fail(`${path} has not reached the upstream`));
  held.delete(path);
  answer();
}

/** Time that a defect takes to show; a correct gateway passes however long it is. */
function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function statuses(text: string): string[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status!);
}

it('a body that breaks in the same segment as its Expect ends one connection, not the process', async () => {
  assert.match(await RawClient.exchange(gateway.proxyPort, get('/p/1', true)), /ok$/);
  const broken = 'POST /p/1 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\nXX\r\n';
  assert.deepEqual(statuses(await RawClient.exchange(gateway.proxyPort, broken)), ['400']);
  assert.match(await RawClient.exchange(gateway.proxyPort, get('/p/1', true)), /ok$/);
});

it("a slow reader's timer does not outlive its answer", async () => {
  const client = await RawClient.open(gateway.proxyPort, get('/p/large'));
  await client.wait((text) => text.length > LARGE, 'the large answer');
  client.write(get('/p/held-1'));
  const answer = await eventually(() => held.get('/p/held-1') ?? assert.fail('not there yet'));
  // Longer than the upstream's idleTimeout, which is what the timer was set to.
  await passed(1_200);
  answer();
  assert.match(await client.until('held'), /held$/);
  client.destroy();
});

it('what is no request is refused, and recorded, behind an answer that was given at once', async () => {
  const text = await RawClient.exchange(gateway.proxyPort, `${get('/s/1')}GARBAGE\r\n\r\n`);
  assert.deepEqual(statuses(text), ['401', '400']);
  await gateway.logLine(({ status, path }) => status === 400 && path === null);
});

it('100 Continue of a request that waits behind another stands before its answer', async () => {
  const upload = 'POST /p/upload HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\n';
  const body = 'Transfer-Encoding: chunked\r\n\r\n1\r\nb\r\n0\r\n\r\n';
  const client = await RawClient.open(gateway.proxyPort, get('/p/held-2') + upload + body);
  await eventually(() => assert.ok(upstream.connections.some(({ text }) => text.includes('/p/upload'))));
  await eventually(() => assert.ok(held.has('/p/held-2')));
  // The answer to the upload waits in the gateway by then, or comes later and in order all the same.
  await passed(200);
  await release('/p/held-2');
  assert.match(
    await client.rest(),
    /held(HTTP\/1\.1 100 Continue\r\n\r\n)?HTTP\/1\.1 200 OK\r\n(?:[^\r\n]+\r\n)*\r\ny{40000}$/,
  );
  client.destroy();
});

it('an answer that breaks off while it waits behind another ends the connection', async () => {
  const client = await RawClient.open(gateway.proxyPort, get('/p/held-3') + get('/p/cut'));
  await gateway.logLine(({ path }) => path === '/p/cut');
  await release('/p/held-3');
  assert.deepEqual(statuses(await client.rest(3_000)), ['200', '200']);
  client.destroy();
});

it('nothing behind an answer that ends the connection reaches the upstream', async () => {
  // There is an idle connection to the upstream, on which it would go at once.
  assert.match(await RawClient.exchange(gateway.proxyPort, get('/p/1', true)), /ok$/);
  const text = await RawClient.exchange(gateway.proxyPort, get('/p/../x') + get('/p/behind'));
  assert.deepEqual(statuses(text), ['400']);
  assert.match(await RawClient.exchange(gateway.proxyPort, get('/p/1', true)), /ok$/);
  assert.ok(!upstream.connections.some(({ text: seen }) => seen.includes('/p/behind')));
});

it('whoever is refused during an upload can read why', async () => {
  const client = await RawClient.open(gateway.proxyPort);
  client.socket.pause();
  client.write('POST /s/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n');
  for (let part = 0; part < 8; part++) {
    await passed(10);
    client.write('x'.repeat(50_000));
  }
  await passed(50);
  client.socket.resume();
  assert.match(await client.rest(), /^HTTP\/1\.1 401 /);
  client.destroy();
});

it("an upstream's octets above ASCII come back as they were, also where the head comes alone", async () => {
  const client = await RawClient.open(gateway.proxyPort, get('/p/octets', true));
  await client.until('\r\n\r\n');
  await release('/p/octets');
  assert.match(await client.rest(), /X-T: caf\xe9\r\n/i);
  client.destroy();
});

it('a head of nothing but blanks, behind a method that nobody knows, holds nobody up', async () => {
  for (const blank of [' ', '\t', ' \t']) {
    const head = `FOO /p/quick HTTP/1.1\r\nHost:${blank.repeat(7_000)}x`;
    for (const end of ['', `${blank.repeat(700)}\r\n\r\n`])
      assert.match(await RawClient.exchange(gateway.proxyPort, head + end, 5_000), /^HTTP\/1\.1 4\d\d /);
  }
});

it('a body that nobody reads cuts no answer that stands in front of its refusal', async () => {
  const behind: readonly (readonly [fields: string, status: string])[] = [
    ['Content-Length: 500000\r\n\r\n', '401'],
    ['Transfer-Encoding: chunked\r\n\r\n', '401'],
    ['Transfer-Encoding: chunked\r\n\r\nno chunk\r\n', '401'],
    ['Expect: 100-continue\r\nContent-Length: 5\r\n\r\n', '401'],
    ['Expect: the unexpected\r\nContent-Length: 5\r\n\r\n', '417'],
  ];
  const clients = await Promise.all(
    behind.map(([fields], at) =>
      RawClient.open(gateway.proxyPort, `${get(`/p/held-front-${at}`)}POST /s/1 HTTP/1.1\r\nHost: a\r\n${fields}`),
    ),
  );
  await eventually(() => assert.ok(behind.every((_, at) => held.has(`/p/held-front-${at}`))));
  // Longer than a connection lingers that ends behind an unread body.
  await passed(1_200);
  for (const [at, client] of clients.entries()) {
    await release(`/p/held-front-${at}`);
    assert.deepEqual(statuses(await client.rest()), ['200', behind[at]![1]], behind[at]![0]);
    client.destroy();
  }
});

it('100 requests of a connection may wait for their answers: the last of these ends it, and nothing behind it passes', async () => {
  const client = await RawClient.open(gateway.proxyPort, get('/p/held-many') + get('/p/many').repeat(300));
  await release('/p/held-many');
  const text = await client.rest();
  assert.deepEqual(
    statuses(text),
    Array.from({ length: 100 }, () => '200'),
  );
  assert.equal(text.match(/Connection: close/g)?.length, 1);
  const passing = upstream.connections.flatMap(({ text: seen }) => seen.match(/\/p\/many/g) ?? []);
  assert.equal(passing.length, 99);
  client.destroy();
});

it('who goes on and on behind a last answer that waits is cut', async () => {
  // Told of nothing to wait for, the client may send its body where the next request is due: the answer is a last one.
  const last = 'GET /nowhere HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n';
  const client = await RawClient.open(gateway.proxyPort, get('/p/held-on') + last + get('/p/1').repeat(1_000));
  await client.rest();
  assert.equal(client.text, '');
  client.destroy();
  await eventually(async () => assert.equal((await gateway.metrics()).sum('portcullis_in_flight_requests'), 0));
});

it('an upgrade behind a large answer holds neither the answer up nor its connections', async () => {
  const upgrades = [
    'GET /p/1 HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
    'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n',
  ];
  for (const upgrade of upgrades) {
    const text = await RawClient.exchange(gateway.proxyPort, get('/p/large') + upgrade);
    assert.deepEqual(statuses(text), ['200', '400']);
    assert.ok(text.length > LARGE);
  }
  const unread = await Promise.all(
    upgrades.map((upgrade) => RawClient.open(gateway.proxyPort, get('/p/huge') + upgrade)),
  );
  for (const { socket } of unread) socket.pause();
  const left = await RawClient.open(gateway.proxyPort, get('/p/held-left') + upgrades[0]);
  await eventually(() => assert.ok(held.has('/p/held-left')));
  left.destroy();
  await eventually(async () => assert.equal((await gateway.metrics()).sum('portcullis_in_flight_requests'), 0));
  for (const client of unread) client.destroy();
});

it('who is refused, and has gone meanwhile, is recorded with 499', async () => {
  const refused = `GET /s/gone HTTP/1.1\r\nHost: a\r\nX-Api-Key: a-key-that-nobody-has-`;
  const lines = () => gateway.log.filter(({ path }) => path === '/s/gone');
  await eventually(async () => {
    const client = await RawClient.open(gateway.proxyPort);
    // The store is asked for a key that was not seen before, and the answer held back for a moment.
    client.socket.write(`${refused}${lines().length}\r\n\r\n`, () => client.socket.resetAndDestroy());
    assert.ok(lines().some(({ status }) => status === 499));
  });
  assert.deepEqual(
    [...new Set(lines().map(({ status }) => status))].filter((status) => status !== 401),
    [499],
  );
  assert.ok(lines().every(({ outcome, reason }) => outcome === 'denied' && reason === 'unknown'));
});
