import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AddressGuard } from '../../src/checks/address-guard.ts';
import type { AttemptCounter } from '../../src/core/ports.ts';

const RULE = { failures: 3, perMs: 60_000, blockMs: 300_000 };

/** A counter as two gateways share it. */
function sharedCounter(): AttemptCounter & { looks: number } {
  const counts = new Map<string, number>();
  const blocks = new Map<string, number>();
  return {
    looks: 0,
    count: (source) => Promise.resolve(counts.set(source, (counts.get(source) ?? 0) + 1).get(source)!),
    forgive: async (source) => void counts.set(source, counts.get(source)! - 1),
    block: async (source, blockMs) => void blocks.set(source, blockMs).size,
    blockedForMs: (source) => Promise.resolve(blocks.get(source) ?? 0),
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

test('failures that need no look-up count as well', () => {
  const guard = new AddressGuard(RULE, sharedCounter(), () => 1_000);
  assert.deepEqual(
    [1, 2, 3, 4].map(() => guard.failed('a')),
    [0, 0, 0, 300_000],
  );
  assert.equal(guard.blockedForMs('a'), 300_000);
});

test('failures are forgotten when their time is over', () => {
  let nowMs = 1_000;
  const guard = new AddressGuard(RULE, sharedCounter(), () => nowMs);
  for (let at = 0; at < 2; at++) guard.failed('a');
  nowMs += 60_000;
  for (let at = 0; at < 2; at++) guard.failed('a');
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
