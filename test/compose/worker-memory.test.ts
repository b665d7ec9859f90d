import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { workerEnvironment } from '../../src/compose/worker-memory.ts';

const ROOT = join(import.meta.dirname, '..', '..');

test('a worker is started with one pool of the C library', () => {
  assert.deepEqual(workerEnvironment({ A: 'b' }), { A: 'b', MALLOC_ARENA_MAX: '1' });
});

test('what whoever started the gateway has chosen stays', () => {
  assert.equal(workerEnvironment({ MALLOC_ARENA_MAX: '4' })['MALLOC_ARENA_MAX'], '4');
});

test('the image and the systemd unit set the same for a gateway of one process', () => {
  for (const file of ['Dockerfile', 'docs/deploy/portcullis.service'])
    assert.ok(readFileSync(join(ROOT, file), 'utf8').includes('MALLOC_ARENA_MAX=1'), file);
});
