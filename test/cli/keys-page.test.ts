// docs/keys.md shows commands with their output: each is run as written, on the configuration of the repository.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { parse } from 'yaml';
import { CommandScene } from '../support/command-scene.ts';

const page = await readFile(new URL('../../docs/keys.md', import.meta.url), 'utf8');
const settings = parse(await readFile(new URL('../../config/portcullis.yaml', import.meta.url), 'utf8')) as object;

test('every example of docs/keys.md prints what the page says', async () => {
  const scene = await CommandScene.open();
  try {
    const store = { url: `sqlite:${scene.storeFile}` };
    const credentials = { pepper: 'env:ACCEPTANCE_PEPPER' };
    const file = await scene.variant('page.yaml', { ...settings, store, credentials });
    const lines = /```json\n([^]*?)```/.exec(page)?.[1] ?? '';
    await writeFile(scene.dir.file('legacy.jsonl'), lines);
    const examples = [...page.matchAll(/```console\n([^]*?)```/g)].flatMap(([, block = '']) =>
      block.split(/^\$ /m).slice(1),
    );
    assert.ok(examples.length > 8);
    for (const example of examples) {
      const [command = '', ...expected] = example.split('\n');
      const args = command.replace('legacy.jsonl', scene.dir.file('legacy.jsonl')).split(' ').slice(1);
      const { code, stdout, stderr } = await scene.runWith({ env: { PORTCULLIS_CONFIG: file } }, ...args);
      assert.deepEqual([code, stderr], [0, ''], command);
      assert.equal(timeless(stdout), timeless(expected.join('\n')), command);
    }
  } finally {
    await scene.dir.remove();
  }
});

/** Without what differs from run to run: secrets, their last characters, and times. */
function timeless(text: string): string {
  return text
    .replaceAll(/ptc_live_[0-9A-Za-z]{49}/g, 'SECRET')
    .replaceAll(/ptc_live_…[0-9A-Za-z]{4}/g, 'HINT')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d/g, 'TIME');
}
