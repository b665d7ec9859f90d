import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { DigestIndex, digestText, newDigest, readDigest } from '../../src/stores/digest-index.ts';

function digestOf(text: string): Int32Array {
  const digest = newDigest();
  readDigest(digestText(text), digest);
  return digest;
}

test('a digest is the whole SHA-256 of the text', () => {
  const text = 'ptc_live_\u00e9\u00ff';
  const right = createHash('sha256').update(text, 'utf8').digest();
  assert.deepEqual(Buffer.from(digestOf(text).buffer), right);
});

test('no two bytes of a text are taken for each other', () => {
  const texts = Array.from({ length: 256 }, (_, byte) => `key-${String.fromCharCode(byte)}`);
  const index = new DigestIndex(256);
  for (const [slot, text] of texts.entries()) index.add(digestOf(text), slot);
  for (const [slot, text] of texts.entries()) assert.equal(index.find(digestOf(text)), slot);
});

test('digests that differ in one word are told apart, be it the last', () => {
  const index = new DigestIndex(16);
  const digest = digestOf('a');
  index.add(digest, 3);
  for (let word = 0; word < digest.length; word++) {
    const other = Int32Array.from(digest);
    other[word]! ^= 1;
    assert.equal(index.find(other), -1, `word ${word}`);
  }
  assert.equal(index.find(digest), 3);
});

test('a full index finds all that was not removed, however often slots were reused', () => {
  const slots = 64;
  const index = new DigestIndex(slots);
  const held = Array.from({ length: slots }, (_, slot) => digestOf(`first ${slot}`));
  for (const [slot, digest] of held.entries()) index.add(digest, slot);
  for (let round = 0; round < 20_000; round++) {
    const slot = (round * 37) % slots;
    const gone = held[slot]!;
    index.remove(slot);
    assert.equal(index.find(gone), -1);
    held[slot] = digestOf(`round ${round}`);
    index.add(held[slot], slot);
    if (round % 500 === 0) for (const [at, digest] of held.entries()) assert.equal(index.find(digest), at);
  }
  index.clear();
  for (const digest of held) assert.equal(index.find(digest), -1);
});
