import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SourceLookUps } from '../../src/checks/source-look-ups.ts';

test('look-ups are counted by source, and end one by one', () => {
  const lookUps = new SourceLookUps();
  for (const source of ['a', 'a', 'b']) lookUps.begin(source);
  assert.deepEqual([lookUps.count('a'), lookUps.count('b'), lookUps.count('c')], [2, 1, 0]);
  lookUps.end('a');
  lookUps.end('b');
  lookUps.end('c');
  assert.deepEqual([lookUps.count('a'), lookUps.count('b'), lookUps.count('c')], [1, 0, 0]);
});

test('whoever waits goes on when the next one ends, the last one too; where none is under way there is nothing to wait for', async () => {
  const lookUps = new SourceLookUps();
  assert.equal(lookUps.nextEnd('a'), undefined);
  lookUps.begin('a');
  lookUps.begin('a');
  const [one, other] = [lookUps.nextEnd('a'), lookUps.nextEnd('a')];
  assert.ok(one && other);
  lookUps.end('a');
  await Promise.all([one, other]);
  const last = lookUps.nextEnd('a');
  assert.ok(last);
  lookUps.end('a');
  await last;
  assert.equal(lookUps.nextEnd('a'), undefined);
});
