// The tests that hold generated files and the import table to the sources are shown to bite: in a copy of the tree,
// something is changed on one side only.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cp, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeTempDir } from '../support/temp-dir.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const COPIED = [
  'package.json',
  'src',
  'config',
  'docs',
  'test/config',
  'test/fixtures',
  'test/architecture',
  'test/docs',
];

const planted: readonly { mistake: string; file: string; from: string; to: string; suite: string; failing: RegExp }[] =
  [
    {
      mistake: 'a field that is described otherwise in the schema',
      file: 'src/config/schema.ts',
      from: 'Version of this format',
      to: 'Version of that format',
      suite: 'test/config/generated.test.ts',
      failing:
        /not ok \d+ - config\/portcullis\.schema\.json is what the schema gives[^]*not ok \d+ - docs\/configuration\.md is/,
    },
    {
      mistake: 'an answer whose title is changed in the catalogue',
      file: 'src/core/reasons.ts',
      from: `title: '`,
      to: `title: 'Other: `,
      suite: 'test/docs/answers.test.ts',
      failing: /not ok \d+ - .*answers/,
    },
    {
      mistake: 'an import outward',
      file: 'src/core/fault.ts',
      from: '// ',
      to: `import '../stores/open.ts';\n// `,
      suite: 'test/architecture/imports.test.ts',
      failing: /not ok \d+ - imports point inward[^]*core may not import stores/,
    },
  ];

for (const { mistake, file, from, to, suite, failing } of planted)
  test(`${mistake} fails ${suite}`, async () => {
    await using copy = await makeTempDir();
    await Promise.all(COPIED.map((name) => cp(join(ROOT, name), copy.file(name), { recursive: true })));
    await symlink(join(ROOT, 'node_modules'), copy.file('node_modules'));
    const text = await readFile(copy.file(file), 'utf8');
    assert.ok(text.includes(from), `${file} has ${from}`);
    await writeFile(copy.file(file), text.replace(from, to));
    // A test file that finds itself inside a test run reports to it instead of printing.
    const { NODE_TEST_CONTEXT: _outer, ...env } = process.env;
    const { status, stdout } = spawnSync(process.execPath, ['--test', '--test-reporter=tap', suite], {
      cwd: copy.path,
      env,
      encoding: 'utf8',
    });
    assert.equal(status, 1, stdout);
    assert.match(stdout, failing);
  });
