import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type SourceTree, violations } from './rules.ts';

const ROOT = join(import.meta.dirname, '..', '..');

describe('the shape of src', () => {
  test('imports point inward, in no circle, and every file is small', async () => {
    const tree = await readTree();
    assert.ok(tree.size > 50, 'the tree was found');
    assert.deepEqual(violations(tree), []);
  });

  const planted: readonly [mistake: string, file: string, text: string, said: RegExp][] = [
    ['an import outward', 'src/core/a.ts', `import { b } from '../stores/b.ts';\n`, /core may not import stores/],
    [
      'a type imported outward',
      'src/core/a.ts',
      `import type { B } from '../fronts/b.ts';\n`,
      /core may not import fronts/,
    ],
    [
      'an import over several lines',
      'src/checks/a.ts',
      `import {\n  b,\n} from '../record/b.ts';\n`,
      /checks may not import record/,
    ],
    ['a re-export', 'src/decide/a.ts', `export { b } from '../forward/b.ts';\n`, /decide may not import forward/],
    [
      'a dynamic import',
      'src/manage/a.ts',
      `const b = await import('../stores/b.ts');\n`,
      /manage may not import stores/,
    ],
    [
      'an import of the outermost',
      'src/compose/a.ts',
      `import { b } from '../cli/b.ts';\n`,
      /compose may not import cli/,
    ],
    [
      'an import past the public entry',
      'src/index.ts',
      `import { b } from './core/b.ts';\n`,
      /index\.ts may not import core/,
    ],
    [
      'the demo reaching inside',
      'src/demo/a.ts',
      `import { b } from '../compose/b.ts';\n`,
      /demo may not import compose/,
    ],
    [
      'a library in the wrong folder',
      'src/core/a.ts',
      `import { Redis } from 'ioredis';\n`,
      /core may not import the library ioredis/,
    ],
    [
      'a library nobody chose',
      'src/record/a.ts',
      `import x from 'winston/lib';\n`,
      /record may not import the library winston/,
    ],
    ['the environment', 'src/policy/a.ts', `const x = process.env['X'];\n`, /policy may not read process\.env/],
    ['a new folder', 'src/utils/a.ts', 'const x = 1;\n', /utils has no row/],
    ['a long file', 'src/core/a.ts', '\n'.repeat(351), /351 lines/],
  ];
  for (const [mistake, file, text, said] of planted)
    test(`${mistake} is found`, () => {
      const found = violations(new Map([[file, text]]));
      assert.equal(found.length, 1, found.join('\n'));
      assert.match(found[0]!, said);
    });

  test('a circle of imports is found', () => {
    const found = violations(
      new Map([
        ['src/core/a.ts', `import { b } from './b.ts';\n`],
        ['src/core/b.ts', `import type { C } from './c.ts';\n`],
        ['src/core/c.ts', `import { a } from './a.ts';\n`],
      ]),
    );
    assert.deepEqual(found, ['src/core/a.ts -> src/core/b.ts -> src/core/c.ts -> src/core/a.ts: a circle of imports']);
  });

  test('an import in a comment is none', () => {
    const text = `/**\n * import { b } from '../stores/b.ts';\n */\n// import '../cli/c.ts'; process.env\nexport const a = 1;\n`;
    assert.deepEqual(violations(new Map([['src/core/a.ts', text]])), []);
  });
});

async function readTree(): Promise<SourceTree> {
  const files = (await readdir(join(ROOT, 'src'), { recursive: true })).filter((name) => name.endsWith('.ts')).sort();
  return new Map(
    await Promise.all(
      files.map(async (name) => [`src/${name}`, await readFile(join(ROOT, 'src', name), 'utf8')] as const),
    ),
  );
}
