import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { unwatch, watch } from '../../src/wire/sweep.ts';
import { eventually } from '../support/acceptance-wait.ts';

/** Stands still, as a process does that is stopped. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

test('a process that stood still hears who waits before it looks at deadlines, and then does', async () => {
  let expired = 0;
  const timed = { deadlineAt: performance.now() + 50, expired: () => void expired++ };
  watch(timed);
  try {
    standStill(400);
    await turn();
    assert.equal(expired, 0, 'what was sent meanwhile can be read first');
    await eventually(() => assert.ok(expired > 0));
  } finally {
    unwatch(timed);
  }
});

test('one that is always late has timeouts all the same', async () => {
  let expired = 0;
  const timed = { deadlineAt: performance.now(), expired: () => void expired++ };
  watch(timed);
  try {
    await eventually(() => {
      standStill(250);
      assert.ok(expired > 0);
    });
  } finally {
    unwatch(timed);
  }
});
