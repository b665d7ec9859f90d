import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestText, newDigest, readDigest } from '../../src/stores/digest-index.ts';
import { UnknownTexts } from '../../src/stores/unknown-texts.ts';

function digestOf(text: string): Int32Array {
  const digest = newDigest();
  readDigest(digestText(text), digest);
  return digest;
}

test('the latest are remembered, the oldest make room', () => {
  const unknown = new UnknownTexts(100);
  for (let at = 0; at < 1_000; at++) {
    unknown.remember(digestOf(`bad ${at}`), 10);
    assert.equal(unknown.size, Math.min(at + 1, 100));
    assert.ok(unknown.has(digestOf(`bad ${Math.max(0, at - 99)}`), 9));
    assert.ok(!unknown.has(digestOf(`bad ${at - 100}`), 9));
  }
});

test('each is believed until its time, which is renewed without taking room', () => {
  const unknown = new UnknownTexts(2);
  unknown.remember(digestOf('a'), 10);
  assert.ok(!unknown.has(digestOf('a'), 10));
  unknown.remember(digestOf('a'), 20);
  unknown.remember(digestOf('b'), 20);
  assert.equal(unknown.size, 2);
  assert.ok(unknown.has(digestOf('a'), 19));
  assert.ok(unknown.has(digestOf('b'), 19));
});

test('nothing is left of it when it is cleared', () => {
  const unknown = new UnknownTexts(3);
  for (let round = 0; round < 5; round++) {
    for (let at = 0; at < 4; at++) unknown.remember(digestOf(`${at}`), 10);
    unknown.clear();
    assert.equal(unknown.size, 0);
    for (let at = 0; at < 4; at++) assert.ok(!unknown.has(digestOf(`${at}`), 1));
  }
});
