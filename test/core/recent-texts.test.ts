import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { RecentTexts } from '../../src/core/recent-texts.ts';
import { seededNumbers } from '../support/seeded-numbers.ts';

test('a text keeps its slot until it is the one set longest ago and another needs room', () => {
  const texts = new RecentTexts(3);
  assert.equal(texts.find('a'), -1);
  const [a, b, c] = ['a', 'b', 'c'].map((text) => texts.set(text));
  assert.deepEqual(new Set([a, b, c]), new Set([0, 1, 2]));
  assert.equal(texts.set('a'), a);
  assert.equal(texts.set('d'), b);
  assert.equal(texts.size, 3);
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((text) => texts.find(text)),
    [a, -1, c, b],
  );
});

test('a table of one', () => {
  const texts = new RecentTexts(1);
  for (const text of ['a', 'a', 'b', 'a']) assert.equal(texts.set(text), 0);
  assert.deepEqual([texts.find('a'), texts.find('b'), texts.size], [0, -1, 1]);
});

test('texts that are nearly alike are different ones, up to the longest', () => {
  const all = ['', '0', '1.2.3.4', '1.2.3.4/', '1.2.3.40', '4.3.2.1', '20010db800000000/64', '20010db800000001/64'];
  const longest = ['f'.repeat(24), `${'f'.repeat(23)}e`, `e${'f'.repeat(23)}`];
  const texts = new RecentTexts(16);
  const slots = [...all, ...longest].map((text) => texts.set(text));
  assert.equal(new Set(slots).size, slots.length);
  assert.deepEqual(
    [...all, ...longest].map((text) => texts.find(text)),
    slots,
  );
  assert.throws(() => texts.set('f'.repeat(25)), RangeError);
  assert.throws(() => texts.find('f'.repeat(25)), RangeError);
});

test('it forgets as a list in order of setting would, whatever is set', (t) => {
  const { seed, below } = seededNumbers();
  t.diagnostic(seed);
  const texts = new RecentTexts(16);
  const model: { text: string; slot: number }[] = [];
  for (let step = 0; step < 20_000; step++) {
    const text = `k${below(40)}`;
    const at = model.findIndex((each) => each.text === text);
    const known = at === -1 ? undefined : model.splice(at, 1)[0]!;
    const room = known ?? (model.length === 16 ? model.shift() : undefined);
    const slot = texts.set(text);
    if (room) assert.equal(slot, room.slot, seed);
    else assert.equal(slot, model.length, seed);
    model.push({ text, slot });
    assert.equal(texts.size, model.length, seed);
    for (let number = 0; number < 40; number++) {
      const expected = model.find((each) => each.text === `k${number}`)?.slot ?? -1;
      assert.equal(texts.find(`k${number}`), expected, seed);
    }
  }
});

test('of texts that come and go nothing is held but the tables, nor of what they were cut from', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const texts = new RecentTexts(10_000);
  const heldBytes = (from: number, to: number): number => {
    for (let at = from; at < to; at++) {
      const head = `source ${String(at).padStart(7, '0')} and the rest of a head ${'.'.repeat(2_000)}`;
      texts.set(Buffer.from(head, 'latin1').toString('latin1').slice(0, 14));
    }
    collect();
    return process.memoryUsage().heapUsed;
  };
  const emptyBytes = heldBytes(0, 100);
  const grownBytes = heldBytes(100, 30_000) - emptyBytes;
  assert.equal(texts.size, 10_000);
  assert.ok(grownBytes < 1024 * 1024, `${grownBytes} bytes more are held`);
});
