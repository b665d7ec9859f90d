// The pepper: made once where the store is SQLite, the same for all who start at once, never too short.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { findPepperProblems, openPeppers, type PepperSettings } from '../../src/secrets/peppers.ts';
import { SecretFault } from '../../src/secrets/resolve.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const SQLITE = 'sqlite:/nowhere/portcullis.db';
const REDIS = 'redis://127.0.0.1:6379/0';

const settings = (url: string, pepper: string, previousPeppers: readonly string[] = []): PepperSettings => ({
  store: { url },
  credentials: { pepper, previousPeppers },
});

test('a missing pepper file is made with mode 0600 if the store is sqlite, its directory too', async () => {
  await using directory = await makeTempDir();
  const path = directory.file('data/keys/pepper');
  const said: string[] = [];
  const made = await openPeppers(settings(SQLITE, `file:${path}`), {}, (message) => said.push(message));
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal((await stat(directory.file('data/keys'))).mode & 0o777, 0o700);
  assert.ok((await readFile(path)).length > 32);
  assert.deepEqual(await readdir(directory.file('data/keys')), ['pepper'], 'no draft is left behind');
  assert.deepEqual(said, [`made a new pepper in ${path}; keep a copy of it, because without it no key works`]);
  const again = await openPeppers(settings(SQLITE, `file:${path}`), {}, (message) => said.push(message));
  assert.equal(again.current.digest('text'), made.current.digest('text'));
  assert.equal(said.length, 1);
});

test('a pepper that is missing beside a database that is there is a fault, not made anew', async () => {
  await using directory = await makeTempDir();
  await writeFile(directory.file('p.db'), '');
  const lost = settings(`sqlite:${directory.file('p.db')}`, `file:${directory.file('pepper')}`);
  await assert.rejects(openPeppers(lost, {}), /put its copy back/);
  assert.deepEqual(await readdir(directory.path), ['p.db']);
});

test('a missing pepper file is a fault if the store is shared', async () => {
  await using directory = await makeTempDir();
  const shared = settings(REDIS, `file:${directory.file('pepper')}`);
  await assert.rejects(openPeppers(shared, {}), SecretFault);
  assert.deepEqual(await readdir(directory.path), []);
  assert.equal((await findPepperProblems(shared, {})).length, 1);
});

test('processes that start at once end with the same pepper', async () => {
  await using directory = await makeTempDir();
  const program = `
    const { openPeppers } = await import(process.argv[1]);
    const peppers = await openPeppers(JSON.parse(process.argv[2]), {});
    console.log(peppers.current.digest('text'));`;
  const module = new URL('../../src/secrets/peppers.ts', import.meta.url).href;
  const start = (): Promise<{ stdout: string }> =>
    promisify(execFile)(process.execPath, [
      '--input-type=module',
      '--eval',
      program,
      module,
      JSON.stringify(settings(SQLITE, `file:${directory.file('data/pepper')}`)),
    ]);
  const digests = await Promise.all(Array.from({ length: 4 }, async () => (await start()).stdout));
  assert.equal(new Set(digests).size, 1);
  assert.deepEqual(await readdir(directory.file('data')), ['pepper']);
});

test('many openings in one process end with the same pepper', async () => {
  await using directory = await makeTempDir();
  const one = settings(SQLITE, `file:${directory.file('pepper')}`);
  const peppers = await Promise.all(Array.from({ length: 32 }, () => openPeppers(one, {})));
  assert.equal(new Set(peppers.map(({ current }) => current.digest('text'))).size, 1);
});

test('a pepper takes at least 32 bytes', async () => {
  await assert.rejects(openPeppers(settings(REDIS, 'env:PEPPER'), { PEPPER: 'x'.repeat(31) }), {
    message: /^env:PEPPER leads to 31 bytes, and a pepper takes at least 32; make one with: /,
  });
  await openPeppers(settings(REDIS, 'env:PEPPER'), { PEPPER: 'x'.repeat(32) });
});

test('a pepper that others can read is warned of', async () => {
  await using directory = await makeTempDir();
  const path = directory.file('pepper');
  await writeFile(path, 'x'.repeat(32), { mode: 0o600 });
  const said: string[] = [];
  await openPeppers(settings(REDIS, `file:${path}`), {}, (message) => said.push(message));
  assert.equal(said.length, 0);
  await chmod(path, 0o640);
  await openPeppers(settings(REDIS, `file:${path}`), {}, (message) => said.push(message));
  assert.deepEqual(said, [`${path} can be read or written by other users; run chmod 600 on it`]);
});

test('previous peppers are opened in order, and none of them is made', async () => {
  await using directory = await makeTempDir();
  const env = { NOW: 'n'.repeat(32), OLD: 'o'.repeat(32), OLDER: 'p'.repeat(32) };
  const { current, previous } = await openPeppers(settings(SQLITE, 'env:NOW', ['env:OLD', 'env:OLDER']), env);
  assert.equal(new Set([current, ...previous].map((pepper) => pepper.digest('text'))).size, 3);
  const missing = settings(SQLITE, 'env:NOW', ['env:OLD', `file:${directory.file('none')}`]);
  await assert.rejects(openPeppers(missing, env), SecretFault);
  assert.deepEqual(
    (await findPepperProblems(missing, env)).map(({ path }) => path),
    [['credentials', 'previousPeppers', 1]],
  );
});

test('a check makes nothing and takes a pepper file that the start would make', async () => {
  await using directory = await makeTempDir();
  const unmade = settings(SQLITE, `file:${directory.file('data/pepper')}`);
  assert.deepEqual(await findPepperProblems(unmade, {}), []);
  assert.deepEqual(await readdir(directory.path), []);
});

test('a check tells of a pepper that is missing beside a database that is there, as the start would', async () => {
  await using directory = await makeTempDir();
  await writeFile(directory.file('p.db'), '');
  const lost = settings(`sqlite:${directory.file('p.db')}`, `file:${directory.file('pepper')}`);
  const [problem, ...more] = await findPepperProblems(lost, {});
  assert.deepEqual([problem?.path, more], [['credentials', 'pepper'], []]);
  assert.match(problem!.message, /put its copy back/);
  const unreadable = settings(`sqlite:${directory.file('p.db/within.db')}`, `file:${directory.file('pepper')}`);
  assert.match((await findPepperProblems(unreadable, {}))[0]!.message, /cannot be read/);
});

test('a pepper behind a dangling link is a fault, not a new pepper', async () => {
  await using directory = await makeTempDir();
  await symlink('nowhere', directory.file('pepper'));
  await assert.rejects(openPeppers(settings(SQLITE, `file:${directory.file('pepper')}`), {}), {
    message: /pepper does not exist and cannot be made \(EEXIST/,
  });
  assert.deepEqual(await readdir(directory.path), ['pepper']);
});
