import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HeldKey } from '../../src/core/policy.ts';
import { DecodedKeys } from '../../src/stores/decoded-keys.ts';

const KEY = {} as HeldKey;

/** Offers a key until it is taken, or is not for `times`. */
function offer(keys: DecodedKeys, slot: number, bytes: number, times = 3): void {
  for (let time = 0; time < times && keys.get(slot) === undefined; time++) keys.offer(slot, KEY, bytes);
}

test('a key offered once or twice is not taken', () => {
  const keys = new DecodedKeys(10, 4, 1_000);
  offer(keys, 1, 10, 2);
  assert.equal(keys.get(1), undefined);
  offer(keys, 1, 10, 1);
  assert.equal(keys.get(1), KEY);
});

test('a large key is taken at once', () => {
  const keys = new DecodedKeys(10, 4, 100_000);
  offer(keys, 1, 50_000, 1);
  assert.equal(keys.get(1), KEY);
});

test('offers long ago do not count', () => {
  const keys = new DecodedKeys(100, 4, 1_000);
  offer(keys, 1, 10, 2);
  for (let slot = 2; slot < 30; slot++) keys.offer(slot, KEY, 10);
  offer(keys, 1, 10, 2);
  assert.equal(keys.get(1), undefined);
});

test('places and bytes are bounded, and the key in use is not the one to go', () => {
  const keys = new DecodedKeys(1_000, 8, 100);
  const held = () => Array.from({ length: 1_000 }, (_, slot) => slot).filter((slot) => keys.get(slot) !== undefined);
  offer(keys, 0, 20);
  for (let slot = 1; slot < 500; slot++) {
    assert.equal(keys.get(0), KEY, `at ${slot}`);
    offer(keys, slot, slot % 3 === 0 ? 60 : 5);
    assert.ok(keys.bytes <= 100);
  }
  assert.ok(held().length <= 8);
  offer(keys, 600, 101);
  assert.equal(keys.get(600), undefined);
  for (const slot of held()) keys.drop(slot);
  assert.equal(keys.bytes, 0);
});
