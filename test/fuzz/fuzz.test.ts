// The fuzzer itself: what it finds it shrinks and shows again from the seed and from its file, its judges see planted
// defects, and a few seconds of all of it find nothing.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Discovery } from './campaign.ts';
import type { Draw } from './draw.ts';
import { fuzz } from './fuzz.ts';
import type { FuzzCase, FuzzTarget } from './fuzz-case.ts';
import { type Options, parseOptions, UsageFault } from './options.ts';

const RUN = join(import.meta.dirname, 'run.ts');

/** A reader that trips over an `a` with a `z` somewhere behind it. */
const tripping: FuzzTarget = {
  name: 'client',
  batch: 10,
  generate: (draw: Draw): FuzzCase => ({
    setting: 'planted',
    parts: Array.from({ length: 5 }, () => Array.from({ length: 20 }, () => draw.pick([...'abcxyz'])).join('')),
  }),
  open: async () => ({
    attempt: async (cases) =>
      cases.flatMap(({ parts }, index) =>
        /a.*z/.test(parts.join('')) ? [{ index, rule: 'an a may stand before a z', detail: parts.join('') }] : [],
      ),
    close: async () => {},
  }),
};

async function fuzzTripping(options: Partial<Options>): Promise<{ found: readonly Discovery[]; said: string }> {
  const lines: string[] = [];
  const found = await fuzz({
    ...parseOptions(['--only', 'client', '--seed', '7', '--seconds', '10']),
    ...options,
    targets: [tripping],
    say: (line) => lines.push(line),
    signal: new AbortController().signal,
  });
  return { found, said: lines.join('\n') };
}

test('a planted defect is found, made as small as can be, and shown again from its seed and from its file', async () => {
  const first = await fuzzTripping({});
  const [discovery] = first.found;
  assert.ok(discovery);
  assert.equal(discovery.smallest[0]?.parts.join(''), 'az');
  assert.match(first.said, /seed 7/);
  const [, file = ''] = /npm run fuzz -- --replay (\S+)/.exec(first.said) ?? [];
  const [, number = ''] = /--seed 7 --only client --case (\d+)/.exec(first.said) ?? [];
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')).cases, discovery.smallest);
  for (const again of [{ caseNumber: Number(number) }, { replay: file }]) {
    const { found } = await fuzzTripping(again);
    assert.deepEqual(found[0]?.smallest, discovery.smallest);
  }
});

test('the same seed makes the same cases', async () => {
  const [one, other] = [await fuzzTripping({}), await fuzzTripping({})];
  assert.deepEqual(one.found, other.found);
});

describe('wrong usage is a sentence that says what is accepted', () => {
  for (const [words, said] of [
    [['--seconds', '0'], /^--seconds takes a whole number from 1 to 86400, not "0"$/],
    [['--seed', 'x'], /^--seed takes a whole number/],
    [['--only', 'redis'], /^--only takes client, upstream, configuration, store, not "redis"$/],
    [['--case', '3'], /^--case needs the --seed and the --only/],
    [['--sed', '3'], /npm run fuzz -- \[--seconds N\]/],
    [['client'], /npm run fuzz -- \[--seconds N\]/],
  ] as const)
    test(words.join(' '), () => {
      assert.throws(
        () => parseOptions(words),
        (fault) => fault instanceof UsageFault && said.test(fault.message),
      );
    });

  test('with exit code 2', async () => {
    const { code, output } = await run('--replay', '/nowhere.json');
    assert.equal(code, 2);
    assert.match(output, /^--replay takes a file that the fuzzer has kept a case in; \/nowhere\.json is none\n$/m);
  });
});

test('a few seconds of all targets find nothing and end by themselves', async () => {
  const { code, output } = await run('--seconds', '6', '--json');
  assert.equal(code, 0, output);
  const { targets } = JSON.parse(output.trim().split('\n').at(-1)!);
  for (const name of ['client', 'upstream', 'configuration', 'store']) assert.ok(targets[name].cases > 0, output);
});

function run(...words: string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [RUN, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => (output += bytes.toString()));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, output })));
}
