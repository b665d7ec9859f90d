// Upstreams that answer what they like: a client gets the bytes of its own authorised answer, or a 502, a 504 or a cut;
// never another's, and never anything that it could read in two ways.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../support/acceptance-wait.ts';
import { compared, found } from '../support/findings.ts';
import { AnswerGenerator } from '../support/generated-answers.ts';
import { RawClient } from '../support/raw-client.ts';
import { seededNumbers } from '../support/seeded-numbers.ts';
import { readAnswers, type ReadAnswers } from './harness/answers.ts';
import { faultsOf, HOST, KEYS, openArena, type Arena } from './harness/arena.ts';
import {
  type Attack,
  ownAnswer,
  type Place,
  startHostileUpstream,
  type HostileUpstream,
} from './harness/hostile-upstream.ts';
import { SMUGGLED } from './harness/cases.ts';
import { startHaproxy, startNginx } from './harness/peers.ts';
import { handshake, request } from './harness/ways.ts';
import { HOSTILE_ANSWERS, POISON, type HostileAnswer } from './hostile-answers.ts';

const NAME = 'hostile upstreams';
const GENERATED = 1_000;
const PLACES: readonly Place[] = ['instead', 'behind', 'idle'];
/** On a fresh upstream connection, on one that has carried an answer, and in place of an upgrade's 101. */
const WAYS = ['fresh', 'second', 'upgrade'] as const;
type Way = (typeof WAYS)[number];
/** A client whose answer stays open is not waited for longer, ms. */
const WITHIN_MS = 3_000;

describe(`attacks: ${NAME}`, () => {
  let arena: Arena;
  let upstream: HostileUpstream;
  before(async () => {
    upstream = await startHostileUpstream();
    arena = await openArena({
      upstreams: { main: { targets: [upstream.origin], responseTimeout: '1s', idleTimeout: '1s' } },
    });
  });
  after(async () => {
    await arena.close();
    await upstream.close();
  });

  for (const known of HOSTILE_ANSWERS) {
    test(`a client gets its own answer or none: ${known.name} (${known.source})`, async () => {
      const { method = 'GET', then } = known;
      const bytes = Buffer.from(known.bytes, 'latin1');
      for (const way of WAYS) {
        for (const place of PLACES) {
          if (way === 'upgrade' && place !== 'instead') continue;
          const what = `${known.name}, ${way}, ${place}`;
          const answers = await attacked(arena, upstream, { bytes, place, ...(then && { then }) }, way, method, what);
          if (way === 'fresh' && place === 'instead') gets(answers, known);
        }
      }
    });
  }

  test(`a client gets its own answer or none: ${GENERATED} answers from a seed, in two ways each`, async (t) => {
    const { seed, below } = seededNumbers();
    t.diagnostic(seed);
    const generator = new AnswerGenerator(() => below(2 ** 32) / 2 ** 32);
    for (let index = 0; index < GENERATED; index += 1) {
      const { method, bytes } = generator.next();
      const then = below(8) === 0 ? 'reset' : 'end';
      const place = PLACES[below(3)] ?? 'instead';
      for (const way of ['fresh', WAYS[1 + below(2)] ?? 'second'] as const) {
        const what = `${seed}, answer ${index}, ${way}, ${place}, ${then}: ${JSON.stringify(bytes.toString('latin1').slice(0, 2000))}`;
        await attacked(
          arena,
          upstream,
          { bytes, place: way === 'upgrade' ? 'instead' : place, then },
          way,
          method,
          what,
        );
      }
    }
    assert.deepEqual(faultsOf(arena, false), []);
    found(t, {
      attackClass: NAME,
      known: HOSTILE_ANSWERS.length * (2 * PLACES.length + 1) + 2,
      generated: GENERATED * 2,
      unauthorised: 0,
      seed,
    });
  });

  for (const [what, status] of [
    ['200', '200 OK'],
    ['413', '413 Content Too Large'],
  ] as const) {
    test(`an answer of ${what} before the body was read is the last on both connections (PortSwigger 2022, CL.0)`, async () => {
      upstream.refresh();
      const bytes = Buffer.from(`HTTP/1.1 ${status}\r\nContent-Length: 5\r\n\r\nearly`);
      upstream.attack = { bytes, place: 'early' };
      const client = await RawClient.open(
        arena.gateway.proxyPort,
        request('/open/attack', { method: 'POST', fields: `Content-Length: ${SMUGGLED.length}\r\n` }),
      );
      try {
        await client.until('early');
        client.write(SMUGGLED + request('/open/next'));
        const { statuses, bodies } = readAnswers(await client.rest());
        assert.deepEqual([statuses, bodies], [[Number(what)], ['early']]);
        await asks(arena.gateway.proxyPort, KEYS.admin, 'admin', '/open/other', what, [200]);
        assert.deepEqual(upstream.carried(), [['/open/attack'], ['/open/other']]);
      } finally {
        client.destroy();
      }
    });
  }

  test('what clients of HAProxy and nginx get of the same answers is written down', async () => {
    const peers = await Promise.all([startHaproxy(upstream.port), startNginx(upstream.port)]);
    try {
      for (const known of HOSTILE_ANSWERS) {
        const [portcullis, haproxy, nginx] = [
          await said(arena.gateway.proxyPort, upstream, known),
          await said(peers[0].port, upstream, known),
          await said(peers[1].port, upstream, known),
        ];
        const isDifferent = haproxy !== portcullis || nginx !== portcullis;
        compared({
          attackClass: NAME,
          attack: known.name,
          source: known.source,
          portcullis,
          haproxy,
          nginx,
          why: isDifferent
            ? 'An answer that two readers could end in different places, or take for another, is none: its client gets a 502 or a cut, and its connection carries no other.'
            : '',
        });
      }
    } finally {
      await Promise.all(peers.map((peer) => peer.close()));
    }
  });
});

/** Has one client's request attacked, then asks as the same client and as another; gives what the first got. */
async function attacked(
  { gateway }: Arena,
  upstream: HostileUpstream,
  attack: Attack,
  way: Way,
  method: string,
  what: string,
): Promise<ReadAnswers> {
  upstream.refresh();
  upstream.attack = attack;
  if (way === 'second') await asks(gateway.proxyPort, KEYS.reader, 'reader', '/open/first', what, [200]);
  const client = await RawClient.open(gateway.proxyPort);
  try {
    const toHead = method === 'HEAD' && way !== 'upgrade' ? [0] : [];
    client.write(way === 'upgrade' ? handshake('/socket/attack') : request('/open/attack', { method }));
    const isAnswered = (text: string): boolean => {
      const { statuses, isWhole } = strictly(text, what, toHead);
      return client.isOver || (statuses.length > 0 && isWhole);
    };
    await client.wait(isAnswered, what, WITHIN_MS).catch((error: unknown) => {
      if (!client.isOver) throw error;
    });
    if (attack.place === 'idle') await eventually(() => assert.ok(upstream.done(), what), { everyMs: 0 });
    await asks(gateway.proxyPort, KEYS.admin, 'admin', '/open/other', what, [200, 502]);
    const first = strictly(client.text, what, toHead);
    if (first.statuses.at(-1) !== 101) {
      client.write(request('/open/next', { fields: 'Connection: close\r\n' }));
      await client.rest(WITHIN_MS);
      const { statuses, bodies } = strictly(client.text, what, toHead);
      assert.ok(statuses.length <= 2, `${what}: ${statuses.join()} for two requests`);
      if (statuses[1] === 200) assert.equal(bodies[1], ownAnswer('GET', '/open/next', 'reader'), what);
      else assert.ok(statuses[1] === undefined || statuses[1] === 502, `${what}: ${statuses.join()}`);
    }
    return first;
  } finally {
    client.destroy();
  }
}

/** A client of its own asks; what it gets is its own answer, or one of the others that are right here. */
async function asks(
  port: number,
  key: string,
  id: string,
  target: string,
  what: string,
  statuses: readonly number[],
): Promise<void> {
  const text = await RawClient.exchange(
    port,
    `GET ${target} HTTP/1.1\r\nHost: ${HOST}\r\nx-api-key: ${key}\r\nConnection: close\r\n\r\n`,
  );
  const answers = strictly(text, what);
  const [status = 0] = answers.statuses;
  assert.ok(answers.isWhole && answers.statuses.length === 1 && statuses.includes(status), `${what}: ${text}`);
  if (status === 200) assert.deepEqual(answers.bodies, [ownAnswer('GET', target, id)], what);
  assert.doesNotMatch(text, new RegExp(POISON), what);
}

function strictly(text: string, what: string, toHead: readonly number[] = []): ReadAnswers {
  try {
    return readAnswers(text, toHead);
  } catch (error) {
    throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
  }
}

function gets({ statuses, bodies, isWhole }: ReadAnswers, known: HostileAnswer): void {
  if (known.gets === 'cut') {
    assert.ok(!isWhole || statuses.join() === '502', `a broken answer came whole: ${bodies.join()}`);
    return;
  }
  assert.deepEqual(statuses, [known.gets]);
  assert.ok(isWhole);
  if (known.body !== undefined) assert.deepEqual(bodies, [known.body]);
}

/** What a client of a gateway gets for an attacked request, and the next one there, in a few words. */
async function said(port: number, upstream: HostileUpstream, known: HostileAnswer): Promise<string> {
  upstream.refresh();
  upstream.attack = { bytes: Buffer.from(known.bytes, 'latin1'), place: 'instead', then: known.then ?? 'end' };
  const { method = 'GET' } = known;
  const ask = async (target: string, toHead: readonly number[]): Promise<string> => {
    const text = await RawClient.exchange(
      port,
      request(target, { method: toHead.length > 0 ? 'HEAD' : 'GET', fields: 'Connection: close\r\n' }),
    ).catch(() => 'nothing');
    try {
      const { statuses, bodies, isWhole } = readAnswers(text, toHead);
      const body =
        statuses.join() === '502' || statuses.join() === '504' ? '' : ` ${JSON.stringify(bodies.join().slice(0, 40))}`;
      return statuses.length === 0 ? 'no answer' : `${statuses.join()}${body}${isWhole ? '' : ', cut'}`;
    } catch {
      return 'bytes that no strict reader takes for an answer';
    }
  };
  const first = await ask('/open/attack', method === 'HEAD' ? [0] : []);
  const next = await ask('/open/next', []);
  return next.includes('/open/next') ? first : `${first}; the next client ${next}`;
}
