// One file a mistake: `NAME.yaml` has it, `NAME.txt` has the lines that `portcullis check` prints for it.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { loadConfig } from '../../src/config/load.ts';
import { ConfigFault } from '../../src/config/problem.ts';

const directory = `${import.meta.dirname}/../fixtures/config/bad`;
const env = { PEPPER: 'p'.repeat(32), SHORT: 'too short', WORD: 'many' };

/** What is printed, with the file's name for its path. */
async function printed(file: string): Promise<string> {
  const path = `${directory}/${file}`;
  try {
    await loadConfig(path, env);
    return '';
  } catch (fault) {
    assert.ok(fault instanceof ConfigFault, String(fault));
    assert.equal(fault.exitCode, 78);
    return `${fault.message.replaceAll(path, file)}\n`;
  }
}

describe('every mistake is told with file, line, column, path, cause and cure', async () => {
  const names = (await readdir(directory)).filter((file) => file.endsWith('.yaml')).map((file) => file.slice(0, -5));
  for (const name of names) {
    test(name, async () => {
      const expected = await readFile(`${directory}/${name}.txt`, 'utf8');
      assert.equal(await printed(`${name}.yaml`), expected);
      assert.match(expected, /^(?:[\w.-]+\.yaml:\d+:\d+ \S(?:[^:]|:(?! ))*: \S.+\n)+$/, 'FILE:LINE:COL PATH: message');
      assert.doesNotMatch(expected, /Invalid input|expected|received|undefined|\[object/, 'plain words');
      assert.doesNotMatch(expected, /not-shown|not\/shown/, 'a secret is not repeated');
    });
  }

  test('there is a file for at least thirty mistakes', () => {
    assert.ok(names.length >= 30, `${names.length} files`);
  });

  test('all problems are told at once, in the order of the file', async () => {
    const lines = (await printed('many-mistakes.yaml')).trim().split('\n');
    const places = lines.map((line) => line.split(':').slice(1, 3).map(Number.parseFloat));
    assert.ok(lines.length > 10);
    assert.deepEqual(
      places,
      places.toSorted(([a = 0, b = 0], [c = 0, d = 0]) => a - c || b - d),
    );
  });
});
