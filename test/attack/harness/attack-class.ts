// One class of attacks as tests: its published cases in every way they can be sent, then generated ones, each followed
// by the invariant; and what HAProxy and nginx make of the same bytes.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { found } from '../../support/findings.ts';
import type { Settings } from '../../support/gateway-process.ts';
import { seededNumbers, type SeededNumbers } from '../../support/seeded-numbers.ts';
import { readAnswers, type ReadAnswers } from './answers.ts';
import { faultsOf, openArena, settled, type Arena } from './arena.ts';
import { comparePeers } from './compare-peers.ts';
import type { SeenRequest } from './recorder.ts';
import { flawsOf, type Rules } from './verdict.ts';
import { play, WAYS, type Cuts, type Played, type Way } from './ways.ts';

/** A case somebody has published, or that is known to divide readers. */
export interface KnownCase {
  readonly name: string;
  /** The advisory, paper or RFC section that it comes from: `CVE-2021-40346 (HAProxy)`. */
  readonly source: string;
  /** Exactly what is sent, one character a byte. */
  readonly bytes: string | Buffer;
  /** Final statuses that the client gets for it; of a connection that stays open, the next request's 200 follows. */
  readonly answers: readonly number[];
  /** Final statuses where it comes in pieces and a parser gives up on the first ones (default: `answers`). */
  readonly inPieces?: readonly number[];
  /** Interim statuses that the client gets (default: none). */
  readonly interim?: readonly number[];
  /** Which of its answers, counted from 0, are to HEAD. */
  readonly toHead?: readonly number[];
  /** What the upstream sees of it: `GET /open/a?b`, in order; `some` where that depends on when the bytes came. */
  readonly sees?: readonly string[] | 'some';
  /** Why ours is right where HAProxy or nginx take it in another way (default: the class's). */
  readonly why?: string;
  /** What else has to be true of the requests that it made at the upstream. @throws AssertionError */
  readonly check?: (seen: readonly SeenRequest[]) => void;
}

export interface AttackClass {
  /** In the words of SAFETY's list: `path confusion`. */
  readonly name: string;
  /** Changes to the arena's configuration, by top-level field. */
  readonly settings?: Settings;
  readonly rules?: Rules;
  readonly known: readonly KnownCase[];
  /** Makes one more case. */
  readonly generate: (numbers: SeededNumbers) => string | Buffer;
  /** What else has to be true of the answers to a generated one, which is given one character a byte. @throws AssertionError */
  readonly checkGenerated?: (bytes: string, answers: ReadAnswers) => void;
  /** Why ours is right where HAProxy or nginx take a case in another way. */
  readonly why: string;
  /** What else has to be true of every request at the upstream, or of the gateway. @throws AssertionError */
  readonly check?: (seen: readonly SeenRequest[], arena: Arena) => void | Promise<void>;
  /** What of a request at the upstream is compared with HAProxy's and nginx's (default: its request line). */
  readonly compares?: (seen: SeenRequest) => string;
}

/** Generated cases of a class; the ways to send them take turns. */
const GENERATED = 1_000;
/** After so many generated cases the invariant is checked. */
const BATCH = 100;
/** How long a known case may keep its connection open, ms; the next request behind it ends it sooner. */
const KNOWN_WITHIN_MS = 400;
/** The same for a generated one: those that stop in the middle of a request are aborted after it. */
const GENERATED_WITHIN_MS = 40;

/** Registers the tests of a class. */
export function attackClass(attack: AttackClass): void {
  describe(`attacks: ${attack.name}`, () => {
    let arena: Arena;
    before(async () => {
      arena = await openArena(attack.settings);
    });
    after(() => arena.close());

    for (const known of attack.known) {
      test(`what the upstream saw is what was authorised: ${known.name} (${known.source})`, () =>
        tryKnown(arena, attack, known));
    }

    test(`what the upstream saw is what was authorised: ${GENERATED} cases from a seed, in three ways each`, async (t) => {
      const numbers = seededNumbers();
      t.diagnostic(numbers.seed);
      await tryGenerated(arena, attack, numbers);
      assert.deepEqual(faultsOf(arena), [], 'the process has lived through it, and said nothing on standard error');
      found(t, {
        attackClass: attack.name,
        known: attack.known.length * (WAYS.length + 2),
        generated: GENERATED * 3,
        unauthorised: 0,
        seed: numbers.seed,
      });
    });

    test('where HAProxy or nginx read a published case in another way, it is said why ours is right', (t) =>
      comparePeers(t, attack, arena));
  });
}

async function tryKnown(arena: Arena, attack: AttackClass, known: KnownCase): Promise<void> {
  const bytes = bytesOf(known.bytes);
  const played: (Played & { readonly way: Way; readonly cuts: Cuts; readonly what: string })[] = [];
  arena.recorder.reset();
  const middle = [Math.floor(bytes.length / 2)];
  const plays: (readonly [Way, Cuts])[] = [
    ...WAYS.map((way): readonly [Way, Cuts] => [way, []]),
    ['fresh', 'bytewise'],
    ['second', middle],
  ];
  for (const [way, cuts] of plays) {
    const what = `${known.name}, ${way}, ${cuts === 'bytewise' ? 'byte by byte' : `cut at ${cuts.join()}`}`;
    arena.recorder.begin(what, bytes.toString('latin1'));
    const answers = fewestAnswers(known, way);
    played.push({ way, cuts, what, ...(await play(arena, bytes, { way, cuts, withinMs: KNOWN_WITHIN_MS, answers })) });
    // What the upstream got of it is read before it counts as the next one's.
    await turn();
  }
  await settled(arena);
  assert.deepEqual(flawsOf(arena, attack.rules), []);
  assert.deepEqual(faultsOf(arena), [], known.name);
  await attack.check?.(arena.recorder.requests, arena);
  for (const each of played) if (each.way === 'fresh' || each.way === 'second') checkKnown(arena, known, each);
}

/** How many answers a case gets at the least, where they are judged. */
function fewestAnswers({ answers, inPieces = answers }: KnownCase, way: Way): number {
  return way === 'fresh' || way === 'second' ? Math.min(answers.length, inPieces.length) : 0;
}

/** The answers and the upstream's requests are what the case says, but for the lead-in and the request behind it. */
function checkKnown({ recorder }: Arena, known: KnownCase, played: Played & { cuts: Cuts; what: string }): void {
  const { what, text } = played;
  // Sent whole, nothing is unread when the connection is closed.
  const wasReset = played.wasReset && played.cuts.length > 0;
  const { statuses, interim } = readAnswers(text, known.toHead);
  const expected = known.answers;
  const isRight = (each: readonly number[]): boolean =>
    (wasReset ? each.slice(0, statuses.length) : each).join() === statuses.join();
  assert.ok(
    [expected, [...expected, 200], known.inPieces ?? expected].some(isRight),
    `${what}: answered ${statuses.join()} instead of ${expected.join()}: ${JSON.stringify(text.slice(0, 600))}`,
  );
  if (!wasReset) assert.deepEqual(interim, known.interim ?? [], `${what}: interim answers`);
  const seen = recorder.requests.filter(
    ({ during, target }) => during === what && target !== '/open/first' && target !== '/open/next',
  );
  const { sees = [] } = known;
  if (sees !== 'some')
    assert.deepEqual(
      seen.map(({ method, target }) => `${method} ${target}`),
      sees,
      what,
    );
  known.check?.(seen);
}

async function tryGenerated(arena: Arena, attack: AttackClass, numbers: SeededNumbers): Promise<void> {
  arena.recorder.reset();
  for (let index = 0; index < GENERATED; index += 1) {
    const bytes = bytesOf(attack.generate(numbers));
    const cuts = cutsOf(numbers, bytes.length);
    for (const way of ['fresh', 'second', index % 2 ? 'refused upgrade' : 'tunnel'] as const) {
      const what = `${numbers.seed}, case ${index}, ${way}, cut at ${String(cuts)}: ${JSON.stringify(bytes.toString('latin1').slice(0, 2000))}`;
      arena.recorder.begin(what, bytes.toString('latin1'));
      const { text } = await play(arena, bytes, { way, cuts, withinMs: GENERATED_WITHIN_MS });
      if (way === 'tunnel') continue;
      const answers = checkAnswers(arena, text, { what, hasHead: bytes.includes('HEAD ') });
      attack.checkGenerated?.(bytes.toString('latin1'), answers);
    }
    if (index % BATCH < BATCH - 1) continue;
    await settled(arena);
    assert.deepEqual(flawsOf(arena, attack.rules), []);
    await attack.check?.(arena.recorder.requests, arena);
    arena.recorder.reset();
  }
}

/** What a client got are answers, each to a request that the upstream saw once. */
function checkAnswers(
  { recorder }: Arena,
  text: string,
  { what, hasHead }: { readonly what: string; readonly hasHead: boolean },
): ReadAnswers {
  let answers: ReadAnswers;
  try {
    answers = readAnswers(text, hasHead ? 'maybe' : []);
  } catch (error) {
    throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
  }
  const seen = recorder.requests.map(({ method, target }) => `${method} ${target}`);
  for (const [at, body] of answers.bodies.entries()) {
    if (answers.statuses[at] !== 200 || body === '') continue;
    assert.ok(seen.includes(body), `${what}: an answer to ${JSON.stringify(body)}, which nobody asked`);
  }
  return answers;
}

function cutsOf(numbers: SeededNumbers, length: number): Cuts {
  switch (numbers.below(8)) {
    case 0:
      return 'bytewise';
    case 1:
    case 2:
      return [numbers.below(length + 1), numbers.below(length + 1)].toSorted((a, b) => a - b);
    case 3:
      return [numbers.below(length + 1)];
    default:
      return [];
  }
}

function bytesOf(bytes: string | Buffer): Buffer {
  return typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
}
