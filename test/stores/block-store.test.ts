import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BlockStore } from '../../src/stores/block-store.ts';
import { seededNumbers } from '../support/seeded-numbers.ts';

test('texts of every length come back as they were, also from block to block', () => {
  const store = new BlockStore(1024 * 1024);
  const texts = Array.from({ length: 300 }, (_, length) => 'é'.repeat(length % 7) + 'x'.repeat(length));
  texts.push('long '.repeat(10_000));
  const held = texts.map((text) => {
    const bytes = Buffer.from(text);
    return { text, first: store.put(bytes), length: bytes.length };
  });
  for (const { text, first, length } of held) assert.equal(store.read(first, length), text);
});

test('the bound is exact: what fits is taken, one block more is not', () => {
  const store = new BlockStore(10 * 64);
  assert.ok(store.couldHold(640));
  assert.ok(!store.couldHold(641));
  const first = store.put(Buffer.alloc(9 * 64, 'a'));
  assert.equal(store.bytes, 576);
  assert.ok(store.hasRoom(64));
  assert.ok(!store.hasRoom(65));
  store.put(Buffer.from('last'));
  assert.equal(store.bytes, 640);
  assert.ok(!store.hasRoom(0));
  store.free(first);
  assert.equal(store.bytes, 64);
  assert.ok(store.hasRoom(576));
});

test('a million texts that come and go leave no block behind and no fragment', () => {
  const mostBytes = 1024 * 1024;
  const { seed, below } = seededNumbers();
  const store = new BlockStore(mostBytes);
  const held: { first: number; length: number; fill: string }[] = [];
  const bytes = Buffer.alloc(2_000);
  for (let round = 0; round < 1_000_000; round++) {
    const length = below(10) === 0 ? below(2_000) : below(200);
    while (!store.hasRoom(length)) {
      const [gone] = held.splice(below(held.length), 1, held.at(-1)!);
      held.pop();
      store.free(gone!.first);
    }
    const fill = String.fromCharCode(0x61 + (round % 26));
    bytes.fill(fill, 0, length);
    held.push({ first: store.put(bytes.subarray(0, length)), length, fill });
  }
  for (const { first, length, fill } of held) assert.equal(store.read(first, length), fill.repeat(length), seed);
  for (const { first } of held) store.free(first);
  assert.equal(store.bytes, 0, seed);
  // Every block is free again, in whatever order they were given back.
  const whole = 'w'.repeat(mostBytes);
  assert.ok(store.hasRoom(mostBytes));
  assert.equal(store.read(store.put(Buffer.from(whole)), mostBytes), whole);
});
