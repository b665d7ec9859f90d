// Failed attempts shared over Redis, and counted by each gateway while Redis is away.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Store } from '../../src/core/ports.ts';
import { BoundedMemoryLimiter } from '../../src/stores/bounded-memory-limiter.ts';
import { openStore } from '../../src/stores/open.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { storeSettings } from '../support/backings.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

const RULE = { failures: 3, perMs: 60_000, blockMs: 60_000 };
const TIMEOUT_MS = 200;

describe('attempts on Redis', () => {
  let redis: TestRedis;
  let one: Store;
  let other: Store;
  before(async () => {
    redis = await startRedis();
    one = await openStore(storeSettings(redis.url, { timeoutMs: TIMEOUT_MS }));
    other = await openStore(storeSettings(redis.url, { timeoutMs: TIMEOUT_MS }));
  });
  after(async () => {
    await Promise.all([one.close(), other.close()]);
    await redis.dispose();
  });

  it('what one gateway counts and blocks, another sees', async () => {
    const here = one.attempts(RULE);
    const there = other.attempts(RULE);
    assert.equal((await here.count('192.0.2.1')).attempts, 1);
    assert.equal((await there.count('192.0.2.1')).attempts, 2);
    assert.equal((await there.count('192.0.2.1')).blockedMs, 0);
    await here.block('192.0.2.1', 60_000);
    assert.ok((await there.count('192.0.2.1')).blockedMs > 55_000);
  });

  it('a rule that is reloaded counts on', async () => {
    await one.attempts(RULE).count('192.0.2.2');
    await one.attempts(RULE).block('192.0.2.2', 60_000);
    const reloaded = one.attempts({ failures: 50, perMs: 30_000, blockMs: 1_000 });
    assert.equal((await reloaded.count('192.0.2.2')).attempts, 2);
    assert.ok((await reloaded.count('192.0.2.2')).blockedMs > 55_000);
  });

  it('while Redis is silent or away each gateway counts for itself, within the timeout', async () => {
    const here = one.attempts(RULE);
    await here.count('192.0.2.3');
    for (const leave of [() => Promise.resolve(redis.pause()), () => redis.kill()]) {
      await leave();
      const began = performance.now();
      const source = `192.0.2.${performance.now()}`;
      assert.equal((await here.count(source)).attempts, 1);
      assert.equal((await here.count(source)).attempts, 2);
      await here.forgive(source);
      await here.block(source, 60_000);
      assert.ok((await here.count(source)).blockedMs > 55_000);
      assert.ok(performance.now() - began < 5 * (TIMEOUT_MS + 100));
      redis.resume();
    }
    await redis.start();
    const there = other.attempts(RULE);
    await eventually(async () => {
      await here.block('192.0.2.4', 60_000);
      assert.ok((await there.count('192.0.2.4')).blockedMs > 55_000);
    });
  });
});

describe('attempts counted in the process', () => {
  it('no more sources are remembered than the bound; the least recent are forgotten', async () => {
    const limiter = new BoundedMemoryLimiter({ points: 1, duration: 60 }, 3);
    for (const source of ['a', 'b', 'c', 'a', 'd']) await limiter.penalty(source);
    assert.equal(await limiter.get('b'), null);
    assert.equal((await limiter.get('a'))?.consumedPoints, 2);
    await limiter.block('e', 60);
    assert.equal(await limiter.get('c'), null);
  });

  it('points that are taken back fall to none and no further', async () => {
    const limiter = new BoundedMemoryLimiter({ points: 1, duration: 60 }, 3);
    assert.equal((await limiter.reward('a')).consumedPoints, 0);
    assert.equal((await limiter.penalty('a')).consumedPoints, 1);
    for (let times = 0; times < 2; times++) assert.equal((await limiter.reward('a')).consumedPoints, 0);
    assert.equal((await limiter.penalty('a')).consumedPoints, 1);
  });

  it('a count ends with its window and a block with its time', async (t) => {
    let nowMs = 1_000;
    t.mock.method(performance, 'now', () => nowMs);
    const limiter = new BoundedMemoryLimiter({ points: 1, duration: 60 }, 3);
    await limiter.penalty('a');
    await limiter.block('b', 300);
    nowMs += 59_000;
    const { consumedPoints, msBeforeNext } = await limiter.penalty('a');
    assert.deepEqual([consumedPoints, msBeforeNext], [2, 1_000]);
    nowMs += 1_000;
    assert.equal(await limiter.get('a'), null);
    assert.equal((await limiter.penalty('a')).consumedPoints, 1);
    assert.equal((await limiter.get('b'))?.msBeforeNext, 240_000);
  });
});
