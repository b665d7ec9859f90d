import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { readBoundedFile } from '../../src/core/bounded-file.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

describe('a pipe in the place of a file', () => {
  let dir: TempDir;
  before(async () => {
    dir = await makeTempDir();
  });
  after(() => dir.remove());

  const makePipe = (name: string): string => {
    const path = dir.file(name);
    execFileSync('mkfifo', [path]);
    return path;
  };

  test('that nobody writes to is a problem, and nothing that hangs', async () => {
    const read = await readBoundedFile(makePipe('silent'), 100, 50);
    assert.ok(!read.ok);
    assert.match(read.problem, /^is a pipe that gives nothing; /);
  });

  test('is read to the end of what its writer says, who may come later', async () => {
    const path = makePipe('spoken');
    const reading = readBoundedFile(path, 100);
    await writeFile(path, 'said');
    assert.deepEqual(await reading, { ok: true, content: Buffer.from('said') });
  });
});
