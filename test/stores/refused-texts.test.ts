import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KEY_FLAWS } from '../../src/core/reasons.ts';
import { digestText, newDigest, readDigest } from '../../src/stores/digest-index.ts';
import { RefusedTexts } from '../../src/stores/refused-texts.ts';

function digestOf(text: string): Int32Array {
  const digest = newDigest();
  readDigest(digestText(text), digest);
  return digest;
}

test('the latest are remembered, the oldest make room', () => {
  const refused = new RefusedTexts(100);
  for (let at = 0; at < 1_000; at++) {
    refused.remember(digestOf(`bad ${at}`), 'unknown', 10);
    assert.equal(refused.size, Math.min(at + 1, 100));
    assert.notEqual(refused.find(digestOf(`bad ${Math.max(0, at - 99)}`), 9), -1);
    assert.equal(refused.find(digestOf(`bad ${at - 100}`), 9), -1);
  }
});

test('each is believed until its time, which is renewed without taking room', () => {
  const refused = new RefusedTexts(2);
  refused.remember(digestOf('a'), 'unknown', 10);
  assert.equal(refused.find(digestOf('a'), 10), -1);
  refused.remember(digestOf('a'), 'unknown', 20);
  refused.remember(digestOf('b'), 'unknown', 20);
  assert.equal(refused.size, 2);
  assert.notEqual(refused.find(digestOf('a'), 19), -1);
  assert.notEqual(refused.find(digestOf('b'), 19), -1);
});

test('nothing is left of it when it is cleared', () => {
  const refused = new RefusedTexts(3);
  for (let round = 0; round < 5; round++) {
    for (let at = 0; at < 4; at++) refused.remember(digestOf(`${at}`), 'unknown', 10);
    refused.clear();
    assert.equal(refused.size, 0);
    for (let at = 0; at < 4; at++) assert.equal(refused.find(digestOf(`${at}`), 1), -1);
  }
});

test('why it is refused is told as it was said last', () => {
  const refused = new RefusedTexts(10);
  for (const flaw of KEY_FLAWS) refused.remember(digestOf(flaw), flaw, 10);
  for (const flaw of KEY_FLAWS) assert.equal(refused.find(digestOf(flaw), 1), KEY_FLAWS.indexOf(flaw));
  refused.remember(digestOf('unknown'), 'revoked', 10);
  assert.equal(refused.find(digestOf('unknown'), 1), KEY_FLAWS.indexOf('revoked'));
});
