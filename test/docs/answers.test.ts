import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { answersTable } from '../support/answers-table.ts';

const FILE = new URL('../../docs/answers.md', import.meta.url);

test('the answers table in the docs is the catalogue in the code', () => {
  const page = readFileSync(FILE, 'utf8');
  const right = page.replace(
    /<!-- answers -->[^]*<!-- \/answers -->/,
    `<!-- answers -->\n\n${answersTable()}\n\n<!-- /answers -->`,
  );
  if (process.env['UPDATE_DOCS']) writeFileSync(FILE, right);
  else assert.equal(page, right, 'run UPDATE_DOCS=1 node --test test/docs/answers.test.ts');
});
