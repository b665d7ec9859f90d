// Clients that take their time, or never come to an end: slow heads, slow bodies, slow readers, endless everything. Each is
// bounded in time and bytes, nobody else waits for them, and what they began is never taken for a whole request.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually, inTime } from '../support/acceptance-wait.ts';
import { found } from '../support/findings.ts';
import { RawClient } from '../support/raw-client.ts';
import { seededNumbers } from '../support/seeded-numbers.ts';
import { readAnswers } from './harness/answers.ts';
import { faultsOf, HOST, KEYS, openArena, settled, type Arena } from './harness/arena.ts';
import { SMUGGLED } from './harness/cases.ts';
import { startEndlessUpstream, type EndlessUpstream } from './harness/endless-upstream.ts';
import { flawsOf } from './harness/verdict.ts';
import { handshake, NEXT, request } from './harness/ways.ts';

const NAME = 'slow and endless clients';
const GENERATED = 1_000;
/** Of a client that is to be cut in time: `BOUNDS.headersTimeoutMs`, and room for a busy machine, ms. */
const WITHIN_MS = 25_000;
/** More than any bound of the gateway, bytes. */
const ENDLESS = 8 * 1024 * 1024;
/** What the system's own buffers may hold on both sides of the gateway, and the gateway itself, bytes. */
const BUFFERED = 24 * 1024 * 1024;

const CHUNKED = request('/open/a', { method: 'POST', fields: 'Transfer-Encoding: chunked\r\n' });
const LENGTH = `Content-Length: ${SMUGGLED.length}\r\n`;
const KEY = `x-api-key: ${KEYS.reader}\r\n`;

/** What never ends: how it begins, what is repeated, and how it is answered. */
const WITHOUT_END: readonly (readonly [what: string, begin: string, again: string, ...statuses: number[]])[] = [
  // 414 where the parser gives up in the read that began with the line, else 431.
  ['target', 'GET /open/', 'a', 414, 431],
  ['field', `GET /open/a HTTP/1.1\r\nHost: ${HOST}\r\n${KEY}X: `, 'a', 431],
  ['field name', `GET /open/a HTTP/1.1\r\nHost: ${HOST}\r\n${KEY}`, 'a', 431],
  ['header section', `GET /open/a HTTP/1.1\r\nHost: ${HOST}\r\n${KEY}`, 'X: a\r\n', 431],
  ['chunked body', CHUNKED, `400\r\n${'a'.repeat(1024)}\r\n`, 413],
  ['body of tiny chunks', CHUNKED, '1\r\na\r\n', 413],
  // Zeros lengthen a size without end and make it no larger; they are no body either, so that idleTimeout ends them.
  ['chunk size', CHUNKED, '0', 408],
  ['chunk extension', `${CHUNKED}5;`, 'a', 400],
  ['trailer', `${CHUNKED}0\r\nX: `, 'a', 400],
  ['trailer section', `${CHUNKED}0\r\n`, 'X: a\r\n', 400],
  ['method', '', 'A', 400],
];

/** What comes slower than any client that means it: how it begins, and what comes then, byte by byte. */
const SLOW: readonly (readonly [what: string, begin: string, again: string])[] = [
  ['a head that comes byte by byte', `GET /open/a HTTP/1.1\r\nHost: ${HOST}\r\n${KEY}X: `, 'a'],
  ['a head that comes field by field', `GET /open/a HTTP/1.1\r\nHost: ${HOST}\r\n${KEY}`, 'X: a\r\n'],
  ['a target that comes byte by byte', 'GET /open/', 'a'],
  ['a head that stops', `GET /open/a HTTP/1.1\r\nHost: ${HOST}\r\n`, ''],
  ['a first byte', 'G', ''],
];

const SILENT_BODIES: readonly (readonly [what: string, begin: string])[] = [
  ['a body of a length', `${request('/open/a', { method: 'POST', fields: LENGTH })}hello`],
  ['a body without its first byte', request('/open/a', { method: 'POST', fields: LENGTH })],
  ['a chunked body', `${CHUNKED}5\r\nhello\r\n`],
  ['a chunk', `${CHUNKED}5\r\nhe`],
  ['a chunk size', `${CHUNKED}5`],
  ['a trailer', `${CHUNKED}5\r\nhello\r\n0\r\nX: a`],
];

const STOPPING = [
  request('/open/a'),
  request('/open/a', { method: 'POST', fields: LENGTH }) + SMUGGLED,
  `${CHUNKED}${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`,
  request('/admin/a', { method: 'POST', fields: LENGTH }) + SMUGGLED,
  handshake('/socket/tunnel') + SMUGGLED,
];

/** Between two drips, ms: well below idleTimeout. */
const DRIP_MS = 50;
/** As many as take longer than idleTimeout. */
const DRIPS = 60;

describe(`attacks: ${NAME}`, () => {
  let arena: Arena;
  let endless: EndlessUpstream;
  before(async () => {
    endless = await startEndlessUpstream();
    arena = await openArena((origin) => ({
      upstreams: {
        main: { targets: [origin], idleTimeout: '2s' },
        endless: { targets: [endless.origin], idleTimeout: '500ms' },
      },
      routes: { endless: { path: '/endless/**', upstream: 'endless', access: 'public' } },
    }));
  });
  after(async () => {
    await arena.close();
    await endless.close();
  });

  describe('at once', { concurrency: true }, () => {
    for (const [what, begin, again, ...statuses] of WITHOUT_END) {
      test(`an endless ${what} is answered ${statuses.join(' or ')} and ends`, async () => {
        const [status, ...more] = await untilCut(arena, begin, again);
        assert.ok(more.length === 0 && status !== undefined && statuses.includes(status), `${status}`);
      });
    }

    for (const [what, begin, again] of SLOW) {
      test(`${what} is answered 408 once its time is over, on a fresh connection and on a used one`, async () => {
        const outcomes = ['', request('/open/first')].map((first) => slowly(arena, first, begin, again));
        assert.deepEqual(await Promise.all(outcomes), [[408], [408]]);
      });
    }

    for (const [what, begin] of SILENT_BODIES) {
      test(`${what} that stops coming is answered 408 after idleTimeout`, async () => {
        const client = await RawClient.open(arena.gateway.proxyPort, begin);
        try {
          assert.deepEqual(readAnswers(await client.rest(WITHIN_MS)).statuses, [408]);
        } finally {
          client.destroy();
        }
      });
    }

    test('a body that comes byte by byte, each within idleTimeout, is whole', async () => {
      const client = await RawClient.open(
        arena.gateway.proxyPort,
        request('/open/slow', { method: 'POST', fields: `Content-Length: ${DRIPS}\r\nConnection: close\r\n` }),
      );
      try {
        for (let count = 0; count < DRIPS; count += 1) {
          client.write('a');
          await pause(DRIP_MS);
        }
        assert.deepEqual(readAnswers(await client.rest()).bodies, ['POST /open/slow']);
      } finally {
        client.destroy();
      }
    });

    test('who does not read is cut after idleTimeout, and no more was taken from the upstream than buffers hold', async () => {
      const clients = await Promise.all(Array.from({ length: 10 }, () => RawClient.open(arena.gateway.proxyPort)));
      try {
        for (const client of clients) {
          client.socket.pause();
          client.write(request('/endless/a'));
        }
        await eventually(() => assert.ok(endless.served() === 10, `${endless.served()} of 10 are served`));
        await eventually(() => assert.equal(endless.open(), 0, 'upstream connections of readers that do not read'), {
          withinMs: WITHIN_MS,
        });
        assert.ok(endless.taken() < 10 * BUFFERED, `${endless.taken()} bytes for ten clients that read none`);
      } finally {
        for (const client of clients) client.destroy();
      }
    });

    test(`${GENERATED} requests that stop at a byte from a seed end, and others are answered meanwhile`, async (t) => {
      const { seed, below } = seededNumbers();
      t.diagnostic(seed);
      const stopped = Array.from({ length: GENERATED }, () => {
        const bytes = STOPPING[below(STOPPING.length)] ?? '';
        return bytes.slice(0, 1 + below(bytes.length - 1));
      });
      const outcomes = stopped.map((bytes) => stops(arena, bytes, `${seed}: ${JSON.stringify(bytes)}`));
      for (let count = 0; count < 50; count += 1) {
        const text = await RawClient.exchange(arena.gateway.proxyPort, NEXT);
        assert.deepEqual(readAnswers(text).bodies, ['GET /open/next']);
      }
      await Promise.all(outcomes);
      found(t, {
        attackClass: NAME,
        known: WITHOUT_END.length + 2 * SLOW.length + SILENT_BODIES.length + 11,
        generated: GENERATED,
        unauthorised: 0,
        seed,
      });
    });
  });

  test('of all that, the upstream saw what was authorised, and no broken body whole', async () => {
    await settled(arena);
    assert.deepEqual(flawsOf(arena), []);
    assert.deepEqual(faultsOf(arena), []);
    const whole = arena.recorder.requests.filter(({ body }) => body !== undefined && body.length > 0);
    assert.deepEqual([...new Set(whole.map(({ target }) => target))], ['/open/slow']);
  });
});

/** Sends one thing over and over until the gateway ends the connection; gives what it answered. */
async function untilCut({ gateway }: Arena, begin: string, again: string): Promise<readonly number[]> {
  const client = await RawClient.open(gateway.proxyPort, begin);
  const block = again.repeat(Math.ceil(16_384 / again.length));
  try {
    for (let sent = 0; sent < ENDLESS && !client.isOver; sent += block.length) {
      client.write(block);
      if (client.socket.writableLength > 0) await inTime(drained(client), 'the gateway takes what is sent', WITHIN_MS);
    }
    return readAnswers(await client.rest(WITHIN_MS)).statuses;
  } finally {
    client.destroy();
  }
}

function drained({ socket }: RawClient): Promise<unknown> {
  return new Promise((resolve) => {
    socket.once('drain', resolve).once('close', resolve).once('end', resolve);
    if (socket.writableLength === 0) resolve(undefined);
  });
}

/** Sends one thing now and then, be it behind another request, until the gateway ends the connection; gives its answer. */
async function slowly({ gateway }: Arena, first: string, begin: string, again: string): Promise<readonly number[]> {
  const client = await RawClient.open(gateway.proxyPort, first);
  if (first !== '') await client.until('GET /open/first');
  const from = client.received.length;
  client.write(begin);
  const timer = setInterval(() => again !== '' && !client.isOver && client.write(again), DRIP_MS);
  try {
    await client.rest(WITHIN_MS);
    return readAnswers(client.text.slice(from)).statuses;
  } finally {
    clearInterval(timer);
    client.destroy();
  }
}

/** Sends the beginning of a request and no more: it is answered for what it is, or ended for its slowness. */
async function stops({ gateway }: Arena, bytes: string, what: string): Promise<void> {
  const client = await RawClient.open(gateway.proxyPort, bytes);
  try {
    const answered = (): readonly number[] => readAnswers(client.text).statuses;
    await client
      .wait(() => client.isOver || answered().length > 0, what, WITHIN_MS)
      .catch((error: unknown) => {
        if (!client.isOver) throw error;
      });
    const [status] = answered();
    const isRefused = bytes.startsWith('POST /admin') && bytes.includes('\r\n\r\n');
    const isUpgrade = bytes.includes('Upgrade: websocket') && bytes.includes('\r\n\r\n');
    assert.equal(status, isRefused ? 403 : isUpgrade ? 101 : 408, what);
  } finally {
    client.destroy();
  }
}
