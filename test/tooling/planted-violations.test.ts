// Every habit of `npm run check` is shown to bite: a mistake is planted in a small project with the same
// settings, and the tool has to name it. The directions of imports have theirs in test/architecture.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { makeSmallProject, type SmallProject, type ToolEnd } from '../support/small-project.ts';

const SOUND: Readonly<Record<string, string>> = {
  'package.json': packageJson({ pino: '*' }),
  'src/index.ts': `import pino from 'pino';\nimport { area } from './core/area.ts';\n\nexport const log = pino({ level: String(area({ kind: 'square', side: 2 })) });\n`,
  'src/core/area.ts': `type Shape = { readonly kind: 'square'; readonly side: number } | { readonly kind: 'circle'; readonly radius: number };

export function area(shape: Shape): number {
  switch (shape.kind) {
    case 'square':
      return shape.side ** 2;
    case 'circle':
      return Math.PI * shape.radius ** 2;
  }
}
`,
};

async function withProject<T>(files: Readonly<Record<string, string>>, use: (project: SmallProject) => Promise<T>) {
  const project = await makeSmallProject({ ...SOUND, ...files });
  try {
    return await use(project);
  } finally {
    await project.remove();
  }
}

test('a sound project passes every tool', () =>
  withProject({}, async (project) => {
    const ends = [
      await project.run('oxfmt', '--check'),
      await project.run('oxlint', '--type-aware'),
      await project.run('tsc', '-p', '.'),
      await project.run('knip'),
    ];
    for (const end of ends) assert.equal(end.code, 0, end.output);
  }));

test('format: a file that oxfmt would write otherwise fails the check', () =>
  withProject({ 'src/untidy.ts': 'export const a = {"b" : 1}\n' }, async (project) => {
    const { code, output } = await project.run('oxfmt', '--check');
    assert.notEqual(code, 0, output);
    assert.match(output, /src\/untidy\.ts/);
    assert.doesNotMatch(output, /src\/index\.ts/);
  }));

describe('lint', () => {
  const planted: readonly [mistake: string, rule: string, text: string][] = [
    ['floating-promise', 'typescript(no-floating-promises)', 'const work = async () => 1;\nwork();\n'],
    [
      'promise-as-condition',
      'typescript(no-misused-promises)',
      'const work = async () => true;\nif (work()) console.log(1);\n',
    ],
    ['await-of-a-value', 'typescript(await-thenable)', 'await 1;\n'],
    [
      'switch-with-a-gap',
      'typescript(switch-exhaustiveness-check)',
      `export function f(x: 'a' | 'b'): void {\n  switch (x) {\n    case 'a':\n      console.log(x);\n  }\n}\n`,
    ],
    ['any', 'typescript(no-explicit-any)', 'export const a: any = 1;\n'],
    [
      'value-import-of-a-type',
      'typescript(consistent-type-imports)',
      `import { Server } from 'node:http';\nexport let a: Server;\n`,
    ],
    ['default-export', 'import(no-default-export)', 'export default 1;\n'],
    ['barrel', 'oxc(no-barrel-file)', `export * from './core/area.ts';\n`],
    ['throw-of-text', 'typescript(only-throw-error)', `throw 'no';\n`],
    [
      'lost-cause',
      'eslint(preserve-caught-error)',
      `try {\n  console.log(1);\n} catch (error) {\n  throw new Error(String(error));\n}\n`,
    ],
    ['loose-equality', 'eslint(eqeqeq)', 'export const same = (a: number, b: number) => a == b;\n'],
    ['circle-a', 'import(no-cycle)', `import { b } from './circle-b.ts';\nexport const a = (): number => b();\n`],
  ];
  let found: ToolEnd;
  before(async () => {
    const files = Object.fromEntries(planted.map(([mistake, , text]) => [`src/${mistake}.ts`, text]));
    const other = `import { a } from './circle-a.ts';\nexport const b = (): number => a();\n`;
    found = await withProject({ ...files, 'src/circle-b.ts': other }, (project) =>
      project.run('oxlint', '--type-aware', '--format=unix'),
    );
  });
  for (const [mistake, rule] of planted)
    test(`${mistake} is an error of ${rule}`, () => {
      assert.equal(found.code, 1, found.output);
      const lines = found.output.split('\n').filter((line) => line.startsWith(`src/${mistake}.ts:`));
      assert.ok(
        lines.some((line) => line.includes(`[Error/${rule}]`)),
        found.output,
      );
    });
});

describe('types', () => {
  const planted: readonly [mistake: string, code: string, text: string][] = [
    ['wrong-type', 'TS2322', `export const a: number = 'one';\n`],
    ['unchecked-index', 'TS2322', 'export const first = (all: number[]): number => all[0];\n'],
    ['undefined-for-absent', 'TS2375', 'export const a: { b?: number } = { b: undefined };\n'],
    ['enum', 'TS1294', 'export enum A {\n  B,\n}\n'],
    [
      'type-import-without-word',
      'TS1484',
      `import { ServerOptions } from 'node:http';\nexport type A = ServerOptions;\n`,
    ],
  ];
  let found: ToolEnd;
  before(async () => {
    const files = Object.fromEntries(planted.map(([mistake, , text]) => [`src/${mistake}.ts`, text]));
    found = await withProject(files, (project) => project.run('tsc', '-p', '.', '--pretty', 'false'));
  });
  for (const [mistake, code] of planted)
    test(`${mistake} is an error ${code}`, () => {
      assert.notEqual(found.code, 0);
      assert.match(found.output, new RegExp(`^src/${mistake}\\.ts\\(.*error ${code}:`, 'm'));
    });
});

test('dead code: a file, an export and a dependency that nothing uses are found', () =>
  withProject(
    {
      'package.json': packageJson({ pino: '*', zod: '*' }),
      'src/forgotten.ts': 'console.log(1);\n',
      'src/core/area.ts': `${SOUND['src/core/area.ts']}\nexport const edge = 1;\n`,
    },
    async (project) => {
      const { code, output } = await project.run('knip', '--reporter', 'compact');
      assert.equal(code, 1, output);
      assert.match(output, /src\/forgotten\.ts/);
      assert.match(output, /src\/core\/area\.ts: edge/);
      assert.match(output, /package\.json: zod/);
    },
  ));

function packageJson(dependencies: Readonly<Record<string, string>>): string {
  return `${JSON.stringify({ name: 'small', type: 'module', dependencies }, null, 2)}\n`;
}
