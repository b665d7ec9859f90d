import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AddressGuard } from '../../src/checks/address-guard.ts';
import { BOUNDS } from '../../src/core/bounds.ts';
import type { AttemptCounter } from '../../src/core/ports.ts';
import { atScale, found } from '../support/findings.ts';

const RULE = { failures: 3, perMs: 60_000, blockMs: 300_000 };

/** A counter as two gateways share it; its windows end when the test says so. */
function sharedCounter(): AttemptCounter & { endWindows(): void } {
  const counts = new Map<string, number>();
  const blocks = new Map<string, number>();
  const vouched = new Map<string, number>();
  return {
    endWindows: () => counts.clear(),
    count: async (source) => {
      const attempts = (counts.get(source) ?? 0) + 1;
      counts.set(source, attempts);
      return { attempts, blockedMs: blocks.get(source) ?? 0 };
    },
    forgive: async (source) => void counts.set(source, counts.get(source)! - 1),
    block: async (source, blockMs) => void blocks.set(source, blockMs),
    vouch: async (source, goodMs) => void vouched.set(source, goodMs),
    vouchedForMs: (source) => Promise.resolve(vouched.get(source) ?? 0),
  };
}

const bad = () => Promise.resolve('bad');
const good = () => Promise.resolve('good');
const isGood = (found: string) => found === 'good';

test('a source that has had its failures is blocked', async () => {
  let nowMs = 1_000;
  const guard = new AddressGuard(RULE, sharedCounter(), () => nowMs);
  for (let at = 0; at < 3; at++) {
    assert.equal(guard.blockedForMs('a'), 0);
    assert.deepEqual(await guard.attempt('a', bad, isGood), { found: 'bad', refusedMs: 0 });
  }
  assert.equal(guard.blockedForMs('a'), 300_000);
  assert.deepEqual(await guard.attempt('a', () => assert.fail('looked up'), isGood), {
    found: undefined,
    refusedMs: 300_000,
  });
  assert.equal(guard.blockedForMs('a'), 300_000);
  assert.equal(guard.blockedForMs('b'), 0);
  nowMs += 300_000;
  assert.equal(guard.blockedForMs('a'), 0);
});

test('failures that need no look-up count as well, and the last is answered when the block is in force', async () => {
  const guard = new AddressGuard(RULE, sharedCounter(), () => 1_000);
  assert.deepEqual([guard.failed('a'), guard.failed('a')], [0, 0]);
  const last = guard.failed('a');
  assert.equal(await guard.failed('a'), 300_000);
  assert.equal(await last, 0);
  assert.equal(guard.failed('a'), 300_000);
  assert.equal(guard.blockedForMs('a'), 300_000);
});

test('failures are forgotten when their time is over', () => {
  let nowMs = 1_000;
  const guard = new AddressGuard(RULE, sharedCounter(), () => nowMs);
  for (let at = 0; at < 2; at++) void guard.failed('a');
  nowMs += 60_000;
  for (let at = 0; at < 2; at++) void guard.failed('a');
  assert.equal(guard.blockedForMs('a'), 0);
});

test('a crowd of good keys behind one address is not taken for an attack', async () => {
  const guard = new AddressGuard(RULE, sharedCounter(), () => 1_000);
  const results = await Promise.all(Array.from({ length: 50 }, () => guard.attempt('a', good, isGood)));
  assert.deepEqual(new Set(results.map(({ found }) => found)), new Set(['good']));
  assert.equal(guard.blockedForMs('a'), 0);
});

test('failures that come at once are counted together', async () => {
  const guard = new AddressGuard(RULE, sharedCounter(), () => 1_000);
  const results = await Promise.all(Array.from({ length: 20 }, () => guard.attempt('a', bad, isGood)));
  assert.equal(results.filter(({ found }) => found === 'bad').length, 3);
  assert.ok(guard.blockedForMs('a') > 0);
});

test("an address with a recent good key is not blocked by others' failures", async () => {
  const guard = new AddressGuard(RULE, sharedCounter(), () => 1_000);
  guard.passed('a');
  for (let at = 0; at < 3; at++) await guard.attempt('a', bad, isGood);
  const over = await guard.attempt('a', bad, isGood);
  assert.ok(over.refusedMs > 0, 'a bad key over the bound is answered as blocked');
  assert.equal((await guard.attempt('a', good, isGood)).found, 'good');
  assert.equal(guard.blockedForMs('a'), 0);
});

test('a block by one gateway holds on the others', async () => {
  const shared = sharedCounter();
  const [one, two] = [new AddressGuard(RULE, shared, () => 1_000), new AddressGuard(RULE, shared, () => 1_000)];
  for (let at = 0; at < 4; at++) await one.attempt('a', bad, isGood);
  assert.ok((await two.attempt('a', () => assert.fail('looked up'), isGood)).refusedMs > 0);
  assert.ok(two.blockedForMs('a') > 0);
});

test('a store that does not answer counts as no failure', async () => {
  const guard = new AddressGuard(RULE, sharedCounter(), () => 1_000);
  for (let at = 0; at < 10; at++)
    await assert.rejects(guard.attempt('a', () => Promise.reject(new Error('away')), isGood));
  assert.equal((await guard.attempt('a', good, isGood)).found, 'good');
});

test('good keys behind one address that several gateways look up at once are no attack', async () => {
  const shared = sharedCounter();
  const [one, two] = [new AddressGuard(RULE, shared, () => 1_000), new AddressGuard(RULE, shared, () => 1_000)];
  const { promise, resolve } = Promise.withResolvers<string>();
  const there = Array.from({ length: 3 }, () => one.attempt('a', () => promise, isGood));
  const here = two.attempt('a', good, isGood);
  await new Promise(setImmediate);
  resolve('good');
  assert.deepEqual(await here, { found: 'good', refusedMs: 0 });
  assert.ok((await Promise.all(there)).every(({ found }) => found === 'good'));
  assert.equal(two.blockedForMs('a'), 0);
});

test('a block by one gateway holds on one that has not met the source, behind the window too', async () => {
  const shared = sharedCounter();
  const [one, two] = [new AddressGuard(RULE, shared, () => 1_000), new AddressGuard(RULE, shared, () => 1_000)];
  for (let at = 0; at < 3; at++) await one.attempt('a', bad, isGood);
  shared.endWindows();
  assert.equal((await two.attempt('a', () => assert.fail('looked up'), isGood)).refusedMs, 300_000);
  assert.equal(two.blockedForMs('a'), 300_000);
});

test('a source that showed a good key to one gateway is blocked by none', async () => {
  const shared = sharedCounter();
  const [one, two] = [new AddressGuard(RULE, shared, () => 1_000), new AddressGuard(RULE, shared, () => 1_000)];
  one.passed('a');
  one.passed('b');
  for (let at = 0; at < 5; at++) await two.attempt('a', bad, isGood);
  for (let at = 0; at < 5; at++) await two.failed('b');
  assert.deepEqual([two.blockedForMs('a'), two.blockedForMs('b')], [0, 0]);
  assert.equal((await two.attempt('a', good, isGood)).found, 'good');
  assert.ok((await two.attempt('a', bad, isGood)).refusedMs > 0, 'a bad key over the bound is answered as blocked');
});

test('under a new rule, who is blocked stays so and who is known stays known', async () => {
  const shared = sharedCounter();
  const guard = new AddressGuard(RULE, shared, () => 1_000);
  for (let at = 0; at < 3; at++) await guard.failed('a');
  void guard.failed('c');
  guard.passed('b');
  guard.adopt({ failures: 2, perMs: 60_000, blockMs: 1_000 }, shared);
  assert.equal(guard.blockedForMs('a'), 300_000);
  assert.ok(guard.isKnownGood('b'));
  await guard.failed('c');
  assert.equal(guard.blockedForMs('c'), 1_000, 'what was counted before counts on, towards the new bound');
});

test('an answer does not wait for a store that is silent to take an attempt back', async () => {
  const silent = { ...sharedCounter(), forgive: () => new Promise<never>(() => {}) };
  const guard = new AddressGuard(RULE, silent, () => 1_000);
  assert.equal((await guard.attempt('a', good, isGood)).found, 'good');
});

test('however many sources fail, block and pass, what is remembered of them is bounded', async (t) => {
  const most = BOUNDS.guardSources;
  const guard = new AddressGuard(RULE, sharedCounter(), () => 1_000);
  const sources = atScale({ suite: 3 * most, full: 10_000_000 });
  for (let at = 0; at < sources; at++) {
    void guard.failed(`f${at}`);
    // As a promise for each would take most of the time, the rest comes as another worker's news.
    const blocked = new Map([[`f${at}`, RULE.blockMs]]);
    guard.hear({ failed: new Map(), blocked, passed: new Set([`p${at}`]) });
  }
  const { failures, blocked, known } = guard.sizes;
  assert.deepEqual([failures, blocked, known], [most, most, most]);
  assert.equal(guard.blockedForMs(`f${sources - 1}`), RULE.blockMs);
  assert.ok(guard.isKnownGood(`p${sources - most}`));
  assert.ok(!guard.isKnownGood('p0'));
  found(t, {
    promise: 4,
    tried: `${sources.toLocaleString('en')} addresses given to the guard that fail, and as many that show a good key`,
    promised: `at most ${most.toLocaleString('en')} of each are remembered`,
    seen: `${failures.toLocaleString('en')} counted, ${blocked.toLocaleString('en')} blocked, ${known.toLocaleString('en')} known`,
  });
});
