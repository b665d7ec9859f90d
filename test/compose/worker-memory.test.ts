import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { workerEnvironment, workerOptions } from '../../src/compose/worker-memory.ts';

const ROOT = join(import.meta.dirname, '..', '..');

test('a worker is started with a bounded young generation and one pool of the C library', () => {
  assert.deepEqual(workerOptions({}), [...process.execArgv, '--max-semi-space-size=8']);
  assert.deepEqual(workerEnvironment({ A: 'b' }), { A: 'b', MALLOC_ARENA_MAX: '1' });
});

test('what whoever started the gateway has chosen stays', () => {
  assert.deepEqual(workerOptions({ NODE_OPTIONS: '--no-warnings --max_semi_space_size=64' }), process.execArgv);
  assert.equal(workerEnvironment({ MALLOC_ARENA_MAX: '4' })['MALLOC_ARENA_MAX'], '4');
});

test('the image and the systemd unit set the same for a gateway of one process', () => {
  for (const file of ['Dockerfile', 'docs/deploy/portcullis.service']) {
    const text = readFileSync(join(ROOT, file), 'utf8');
    for (const setting of [`NODE_OPTIONS=${workerOptions({}).at(-1)}`, 'MALLOC_ARENA_MAX=1'])
      assert.ok(text.includes(setting), `${file}: ${setting}`);
  }
});
