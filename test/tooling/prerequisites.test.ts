import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { cureFor, missingPrograms, pathWithServers, PROGRAMS } from '../support/prerequisites.ts';
import { makeTempDir } from '../support/temp-dir.ts';

test('a program is there if a folder of the PATH has it as a file that can be run', async () => {
  await using folder = await makeTempDir();
  assert.deepEqual(missingPrograms(folder.path), Object.keys(PROGRAMS));
  await writeFile(folder.file('curl'), '#!/bin/sh\n');
  assert.ok(missingPrograms(folder.path).includes('curl'));
  await chmod(folder.file('curl'), 0o755);
  assert.ok(!missingPrograms(`/nowhere:${folder.path}`).includes('curl'));
});

test('servers are found where an ordinary user has no PATH to', () => {
  assert.equal(pathWithServers('/usr/bin:/usr/sbin'), '/usr/bin:/usr/sbin:/usr/local/sbin:/sbin');
});

test('what is missing is installed as root on Debian, each package once', () => {
  const cure = cureFor(['nginx', 'prometheus', 'promtool'], { isRoot: true, hasApt: true });
  assert.deepEqual(cure, { kind: 'install', packages: ['nginx-light', 'prometheus'] });
});

test('who may not install is told what is missing and the line that gets it', () => {
  const cure = cureFor(['redis-server', 'promtool'], { isRoot: false, hasApt: true });
  assert.equal(cure.kind, 'ask');
  assert.match(cure.sentence, /redis-server, promtool/);
  assert.match(cure.sentence, /apt-get install -y --no-install-recommends redis-server prometheus$/);
});

test('nothing missing needs no cure', () => {
  assert.deepEqual(cureFor([], { isRoot: true, hasApt: true }), { kind: 'none' });
});

test('a library is named by its package', () => {
  const cure = cureFor(['curl', 'libfaketime'], { isRoot: true, hasApt: true });
  assert.deepEqual(cure, { kind: 'install', packages: ['curl', 'libfaketime'] });
});
