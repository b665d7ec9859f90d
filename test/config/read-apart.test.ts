// A large file is read by a thread, in whatever way the process around it was started.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

const READ_APART = new URL('../../src/config/read-apart.ts', import.meta.url).href;
const LARGE = `version: 1
log: { level: warn }
credentials: { pepper: env:PEPPER }
keys:
${Array.from({ length: 2_000 }, (_, at) => `  key-${at}: { owner: acme }\n`).join('')}`;
/** Prints the level that the file says. */
const SCRIPT = `
const { readConfigApart } = await import(${JSON.stringify(READ_APART)});
const { readFileSync } = await import('node:fs');
const file = process.env.CONFIG;
const { config } = await readConfigApart({ content: readFileSync(file), file, env: process.env }, new AbortController().signal);
console.log(config.log.level);
`;

describe('a large configuration is read in a process that was started', () => {
  let directory: TempDir;

  before(async () => {
    directory = await makeTempDir();
    await writeFile(directory.file('portcullis.yaml'), LARGE);
    await writeFile(directory.file('main.mjs'), SCRIPT);
    // As one that offers metrics on a port of its own, it can be loaded only once.
    const once = `if (!(await import('node:worker_threads')).isMainThread) throw new Error('it was loaded again');`;
    await writeFile(directory.file('once.mjs'), once);
  });
  after(() => directory.remove());

  async function levelIn(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
    const file = directory.file('portcullis.yaml');
    const { stdout } = await promisify(execFile)(process.execPath, args, {
      env: { ...process.env, PEPPER: 'p'.repeat(32), CONFIG: file, ...env },
    });
    return stdout.trim();
  }

  test('with a module to load first', async () => {
    const preload = ['--import', directory.file('once.mjs')];
    assert.equal(await levelIn([...preload, directory.file('main.mjs')]), 'warn');
    assert.equal(await levelIn([directory.file('main.mjs')], { NODE_OPTIONS: preload.join(' ') }), 'warn');
  });

  test('with its program on the command line', async () => {
    assert.equal(await levelIn(['--input-type=module', '--eval', SCRIPT]), 'warn');
  });

  test('without the permission to make threads', async () => {
    assert.equal(await levelIn(['--permission', '--allow-fs-read=*', directory.file('main.mjs')]), 'warn');
  });
});
