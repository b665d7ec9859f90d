import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Wakefulness } from '../../src/core/wakefulness.ts';

test('a process that stood still is awake since it moved again, whatever the clock did', () => {
  const world = { nowMs: 5_000_000, elapsedMs: 0 };
  const wakefulness = new Wakefulness({ now: () => world.nowMs, elapsedMs: () => world.elapsedMs });
  try {
    assert.equal(wakefulness.sinceMs(), Number.NEGATIVE_INFINITY);
    world.elapsedMs += 700;
    world.nowMs += 3_600_000;
    assert.equal(wakefulness.sinceMs(), Number.NEGATIVE_INFINITY, 'only the clock jumped');
    world.elapsedMs += 2_000;
    assert.equal(wakefulness.sinceMs(), world.nowMs);
    const awokeMs = world.nowMs;
    world.elapsedMs += 100;
    world.nowMs += 100;
    assert.equal(wakefulness.sinceMs(), awokeMs);
  } finally {
    wakefulness.stop();
  }
});
