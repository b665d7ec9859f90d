import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { workerEnvironment } from '../../src/compose/worker-memory.ts';

const ROOT = join(import.meta.dirname, '..', '..');

test('a worker is started with one pool of the C library, which gives back what is free', () => {
  const [one, trimmed] = [{ MALLOC_ARENA_MAX: '1' }, { MALLOC_TRIM_THRESHOLD_: '1048576' }];
  assert.deepEqual(workerEnvironment({ A: 'b' }), { A: 'b', ...one, ...trimmed });
});

test('what whoever started the gateway has chosen stays', () => {
  assert.equal(workerEnvironment({ MALLOC_ARENA_MAX: '4' })['MALLOC_ARENA_MAX'], '4');
});

test('the image and the systemd unit set the same for a gateway of one process', () => {
  for (const file of ['Dockerfile', 'docs/deploy/portcullis.service']) {
    const text = readFileSync(join(ROOT, file), 'utf8');
    for (const [name, value] of Object.entries(workerEnvironment({})))
      assert.ok(text.includes(`${name}=${value}`), `${file}: ${name}`);
  }
});
