import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mostConnections } from '../../src/compose/most-connections.ts';
import { BOUNDS } from '../../src/core/bounds.ts';

test('client connections leave descriptors for upstreams, the store and the log', () => {
  assert.equal(mostConnections(1_024).count, (1_024 - BOUNDS.keptDescriptors) / 2);
  assert.match(mostConnections(1_024).advice, /1024 file descriptors.*ulimit -n/);
  assert.equal(mostConnections(10).count, 1);
});

test('where there are descriptors enough, the fixed bound holds', () => {
  for (const descriptors of [1_048_576, null]) {
    assert.equal(mostConnections(descriptors).count, BOUNDS.connections);
    assert.match(mostConnections(descriptors).advice, /run more workers/);
  }
});
