// Clients that go away: with a FIN, a reset or half of a connection, at any byte of any request. What of it reaches the
// upstream is what was authorised, never whole where the client did not send it whole, and nothing stays behind.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { eventually } from '../support/acceptance-wait.ts';
import { found } from '../support/findings.ts';
import { RawClient } from '../support/raw-client.ts';
import { seededNumbers, type SeededNumbers } from '../support/seeded-numbers.ts';
import { faultsOf, openArena, settled, type Arena } from './harness/arena.ts';
import { SMUGGLED } from './harness/cases.ts';
import { readAnswers } from './harness/answers.ts';
import { flawsOf } from './harness/verdict.ts';
import { handshake, request } from './harness/ways.ts';

const NAME = 'client aborts';
const GENERATED = 1_000;
const BATCH = 100;
const ENDS = ['end', 'reset', 'half-close'] as const;
const WAYS = ['fresh', 'second', 'tunnel'] as const;

const LENGTH = `Content-Length: ${SMUGGLED.length}\r\n`;
const CHUNKS = `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`;
const REQUESTS: readonly (readonly [name: string, bytes: string])[] = [
  ['a GET', request('/open/a')],
  ['a body of a length', request('/open/a', { method: 'POST', fields: LENGTH }) + SMUGGLED],
  ['a chunked body', request('/open/a', { method: 'POST', fields: 'Transfer-Encoding: chunked\r\n' }) + CHUNKS],
  [
    'a body that waits for 100',
    request('/open/a', { method: 'PUT', fields: `Expect: 100-continue\r\n${LENGTH}` }) + SMUGGLED,
  ],
  ['a refused body', request('/admin/a', { method: 'POST', fields: LENGTH }) + SMUGGLED],
  ['a handshake', handshake('/socket/tunnel') + SMUGGLED],
  ['a refused handshake', handshake('/socket/refused') + SMUGGLED],
  [
    'three in a row',
    request('/open/a') + request('/open/b', { method: 'POST', fields: LENGTH }) + SMUGGLED + request('/open/c'),
  ],
];

describe(`attacks: ${NAME}`, () => {
  let arena: Arena;
  before(async () => {
    arena = await openArena();
  });
  after(() => arena.close());

  for (const [name, bytes] of REQUESTS) {
    test(`nothing of ${name} is taken for more than it was, wherever the client goes away`, async () => {
      arena.recorder.reset();
      const places = [
        1,
        20,
        bytes.indexOf('\r\n\r\n') + 2,
        bytes.indexOf('\r\n\r\n') + 4,
        bytes.length - 1,
        bytes.length,
      ];
      for (const way of WAYS) {
        for (const end of ENDS) {
          for (const place of places)
            await abort(arena, bytes.slice(0, place), way, end, `${name}, ${way}, ${end} at ${place}`);
        }
      }
      await isBaseline(arena);
    });
  }

  test(`${GENERATED} aborts from a seed leave nothing behind`, async (t) => {
    const numbers = seededNumbers();
    t.diagnostic(numbers.seed);
    arena.recorder.reset();
    for (let index = 0; index < GENERATED; index += 1) {
      const [name, bytes] = REQUESTS[numbers.below(REQUESTS.length)]!;
      const place = 1 + numbers.below(bytes.length);
      const [way, end] = [pick(numbers, WAYS), pick(numbers, ENDS)];
      await abort(
        arena,
        bytes.slice(0, place),
        way,
        end,
        `${numbers.seed}, ${index}: ${name}, ${way}, ${end} at ${place}`,
      );
      if (index % BATCH === BATCH - 1) await isBaseline(arena);
    }
    found(t, {
      attackClass: NAME,
      known: REQUESTS.length * WAYS.length * ENDS.length * 6,
      generated: GENERATED,
      unauthorised: 0,
      seed: numbers.seed,
    });
  });
});

function pick<T>({ below }: SeededNumbers, from: readonly T[]): T {
  return from[below(from.length)]!;
}

/** Sends bytes and goes away. A half-closed connection is still answered, or ended. */
async function abort(
  { gateway, recorder }: Arena,
  bytes: string,
  way: (typeof WAYS)[number],
  end: (typeof ENDS)[number],
  what: string,
): Promise<void> {
  recorder.begin(what);
  const client = await RawClient.open(gateway.proxyPort);
  try {
    if (way === 'second') client.write(request('/open/first'));
    else if (way === 'tunnel') client.write(handshake('/socket/tunnel'));
    if (way !== 'fresh') await client.until('\r\n\r\n');
    client.write(bytes);
    switch (end) {
      case 'end':
        client.socket.end();
        await turn();
        return;
      case 'reset':
        await turn();
        client.socket.resetAndDestroy();
        return;
      case 'half-close':
        client.socket.end();
        readAnswers(way === 'tunnel' ? (await client.rest(), '') : await client.rest());
    }
  } finally {
    if (end !== 'reset') client.destroy();
  }
}

/** Nothing is under way, no tunnel is open, and all that the upstream saw was authorised. */
async function isBaseline(arena: Arena): Promise<void> {
  await settled(arena);
  await eventually(() => assert.deepEqual(arena.recorder.openTunnels(), 0, 'tunnels of clients that are gone'));
  assert.deepEqual(flawsOf(arena), []);
  assert.ok(arena.recorder.requests.length > 0, 'the upstream saw none of it');
  for (const { body, head } of arena.recorder.requests)
    assert.ok(['', SMUGGLED, undefined].includes(body?.toString('latin1')), `a part of a body as a whole one: ${head}`);
  assert.deepEqual(faultsOf(arena), []);
  arena.recorder.reset();
}
