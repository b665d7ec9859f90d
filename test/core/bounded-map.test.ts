import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { BoundedMap } from '../../src/core/bounded-map.ts';
import { seededNumbers } from '../support/seeded-numbers.ts';

test('what was set longest ago makes room, and setting again renews', () => {
  const map = new BoundedMap<number>(3);
  for (const [at, key] of ['a', 'b', 'c', 'a'].entries()) assert.equal(map.set(key, at), undefined);
  assert.equal(map.set('d', 4), 'b');
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((key) => map.get(key)),
    [3, undefined, 2, 4],
  );
  map.delete('c');
  assert.equal(map.set('e', 5), undefined);
  assert.equal(map.set('f', 6), 'a');
  assert.equal(map.size, 3);
});

test('one that was empty goes on in order', () => {
  const map = new BoundedMap<number>(1);
  assert.equal(map.set('a', 1), undefined);
  assert.equal(map.set('b', 1), 'a');
  map.delete('b');
  assert.equal(map.set('c', 1), undefined);
  assert.equal(map.set('d', 1), 'c');
});

test('it forgets as a list in order of setting would, whatever is set and deleted', (t) => {
  const { seed, below } = seededNumbers();
  t.diagnostic(seed);
  const map = new BoundedMap<number>(16);
  const model: [string, number][] = [];
  for (let step = 0; step < 20_000; step++) {
    const key = `k${below(40)}`;
    const at = model.findIndex(([each]) => each === key);
    if (at !== -1) model.splice(at, 1);
    if (below(3) === 0) map.delete(key);
    else {
      assert.equal(map.set(key, step), model.length === 16 ? model.shift()![0] : undefined, seed);
      model.push([key, step]);
    }
    assert.equal(map.size, model.length, seed);
    for (const [each, value] of model) assert.equal(map.get(each), value, seed);
  }
});

test('to set what is there already, however often, takes no memory', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const map = new BoundedMap<number>(100_000);
  const heldBytes = (sets: number): number => {
    for (let at = 0; at < sets; at++) map.set(`source ${at % 3}`, at);
    collect();
    return process.memoryUsage().heapUsed;
  };
  const beforeBytes = heldBytes(1_000);
  const grownBytes = heldBytes(300_000) - beforeBytes;
  assert.ok(grownBytes < 4 * 1024 * 1024, `${grownBytes} bytes more are held`);
});
