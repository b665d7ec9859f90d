// Did you mean.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alternatives, nearest } from '../../src/config/suggest.ts';

test('the nearest name is found through slips, swaps, case, dashes and underscores', () => {
  const names = ['connectTimeout', 'responseTimeout', 'idleTimeout', 'retries'];
  for (const text of ['connect_timeout', 'ConnectTimeout', 'conectTimeout', 'connectTimeuot', 'connectTimeouts'])
    assert.equal(nearest(text, names), 'connectTimeout');
  assert.equal(nearest('retires', names), 'retries');
  assert.equal(nearest('password', names), undefined);
});

test('a long list of names is cut short', () => {
  const names = Array.from({ length: 30 }, (_, index) => `name-${index}`);
  assert.match(alternatives('zzzzzzzz', names, 'accepted'), /^; accepted: name-0, .*name-19, …$/);
});
