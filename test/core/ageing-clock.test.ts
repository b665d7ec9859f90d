import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ageingClock } from '../../src/core/ageing-clock.ts';

const HOUR_MS = 3_600_000;

function scene() {
  const at = { wallMs: 1_800_000_000_000, monotonicMs: 5_000 };
  const clock = ageingClock(
    () => at.wallMs,
    () => at.monotonicMs,
  );
  const passes = (wallMs: number, monotonicMs = wallMs): number => {
    const before = clock();
    at.wallMs += wallMs;
    at.monotonicMs += monotonicMs;
    return clock() - before;
  };
  return { at, clock, passes };
}

test('it begins at the time of day and passes as time does', () => {
  const { clock, passes } = scene();
  assert.equal(clock(), 1_800_000_000_000);
  assert.equal(passes(250), 250);
});

test('a wall clock that is set back takes nothing away; one that is set forward ages, each time', () => {
  const { passes } = scene();
  assert.equal(passes(-HOUR_MS, 10), 10);
  assert.equal(passes(HOUR_MS, 10), HOUR_MS);
  assert.equal(passes(-HOUR_MS, 10), 10);
  assert.equal(passes(10), 10);
});

test('a machine that slept, its monotonic clock standing still, has aged', () => {
  assert.equal(scene().passes(HOUR_MS, 0), HOUR_MS);
});

test('a wall clock of whole milliseconds, or one that is slewed, does not make it run fast', () => {
  const { at, clock } = scene();
  const before = clock();
  for (let step = 0; step < 10_000; step += 1) {
    at.monotonicMs += 0.1;
    at.wallMs = 1_800_000_000_000 + Math.floor((at.monotonicMs - 5_000) * 1.0005);
    clock();
  }
  assert.ok(Math.abs(clock() - before - 1_000) < 1);
});

test('it never goes back, and never falls behind the monotonic clock', () => {
  const step = fc.record({ wallMs: fc.integer({ min: -HOUR_MS, max: HOUR_MS }), monotonicMs: fc.nat(HOUR_MS) });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const { passes } = scene();
      for (const { wallMs, monotonicMs } of steps) assert.ok(passes(wallMs, monotonicMs) >= monotonicMs);
    }),
  );
});
