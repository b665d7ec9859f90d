import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Sightings } from '../../src/core/sightings.ts';

test('a text is told from one that was not seen, and when it was last seen', () => {
  const sightings = new Sightings(64);
  assert.equal(sightings.see('a', 1), Number.NEGATIVE_INFINITY);
  assert.equal(sightings.see('b', 2), Number.NEGATIVE_INFINITY);
  assert.equal(sightings.see('a', 3), 1);
  assert.equal(sightings.see('a', 4), 3);
  assert.equal(sightings.see('', 5), Number.NEGATIVE_INFINITY);
});

test('many texts in turn are all found again, however alike they are', () => {
  for (const prefix of ['plan/standard/minute/key/bench-', 'key-', 'sliding 1000 60000 1000 plan/free/burst/key/k_']) {
    const sightings = new Sightings(8_192);
    const texts = Array.from({ length: 1_000 }, (_, at) => prefix + at);
    for (const text of texts) sightings.see(text, 1);
    const lost = texts.filter((text) => sightings.see(text, 2) !== 1);
    assert.deepEqual(lost, [], prefix);
  }
});

test('of more texts than it has places for, the latest are remembered', () => {
  const sightings = new Sightings(64);
  for (let at = 0; at < 10_000; at++) sightings.see(`text ${at}`, at);
  assert.equal(sightings.see('text 9999', 10_000), 9_999);
  assert.equal(sightings.see('text 0', 10_001), Number.NEGATIVE_INFINITY);
});
