// What the guards of several workers tell each other.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AddressGuard } from '../../src/checks/address-guard.ts';
import { CollectedNews, type GuardNews } from '../../src/checks/guard-news.ts';
import type { AttemptCounter } from '../../src/core/ports.ts';

const RULE = { failures: 4, perMs: 60_000, blockMs: 300_000 };
const NOTHING: GuardNews = { failed: new Map(), blocked: new Map(), passed: new Set() };

/** Nothing is shared but news. */
const apart: AttemptCounter = {
  count: () => Promise.resolve({ attempts: 1, blockedMs: 0 }),
  forgive: () => Promise.resolve(),
  block: () => Promise.resolve(),
  vouch: () => Promise.resolve(),
  vouchedForMs: () => Promise.resolve(0),
};

/** Guards that hear of each other at once. */
function guards(count: number): AddressGuard[] {
  const all: AddressGuard[] = Array.from({ length: count }, (_, at) => {
    const tell = (news: Partial<GuardNews>): void => {
      for (const guard of all) if (guard !== all[at]) guard.hear({ ...NOTHING, ...news });
    };
    return new AddressGuard(RULE, apart, () => 1_000, {
      failed: (source) => tell({ failed: new Map([[source, 1]]) }),
      blocked: (source, forMs) => tell({ blocked: new Map([[source, forMs]]) }),
      passed: (source) => tell({ passed: new Set([source]) }),
    });
  });
  return all;
}

test('failures on several workers add up to those of one, malformed keys and unknown ones alike', async () => {
  const [one, two, three] = guards(3);
  assert.ok(one && two && three);
  void one.failed('a');
  await two.attempt(
    'a',
    () => Promise.resolve('bad'),
    () => false,
  );
  void one.failed('a');
  assert.deepEqual(
    [one, two, three].map((guard) => guard.blockedForMs('a')),
    [0, 0, 0],
  );
  await three.failed('a');
  assert.deepEqual(
    [one, two, three].map((guard) => guard.blockedForMs('a')),
    [300_000, 300_000, 300_000],
  );
});

test('an address that showed a good key to one worker is blocked by none', async () => {
  const [one, two] = guards(2);
  assert.ok(one && two);
  one.passed('a');
  for (let at = 0; at < 10; at++) await two.failed('a');
  assert.deepEqual([one.blockedForMs('a'), two.blockedForMs('a')], [0, 0]);
  two.hear({ ...NOTHING, blocked: new Map([['a', 2_000]]) });
  assert.equal(two.blockedForMs('a'), 0);
});

test('news are collected for a moment and bounded', async () => {
  const { promise, resolve } = Promise.withResolvers<GuardNews>();
  const news = new CollectedNews(resolve, 2);
  for (const source of ['a', 'b', 'c', 'a']) {
    news.failed(source);
    news.blocked(source, 5);
    news.passed(source);
  }
  // What waits to be sent keeps no process alive.
  const alive = setInterval(() => {}, 1_000);
  const { failed, blocked, passed } = await promise;
  clearInterval(alive);
  assert.deepEqual(
    [...failed],
    [
      ['a', 2],
      ['b', 1],
    ],
  );
  assert.deepEqual([...blocked.keys()], ['a', 'b']);
  assert.deepEqual([...passed], ['a', 'b']);
});
