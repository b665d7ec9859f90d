// The Dockerfile as far as it can be checked without a container engine.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Script } from 'node:vm';

const ROOT = join(import.meta.dirname, '..', '..');

interface Instruction {
  readonly name: string;
  readonly words: string;
}

interface Stage {
  readonly base: string;
  readonly name: string | undefined;
  readonly instructions: readonly Instruction[];
}

const stages = readStages(readFileSync(join(ROOT, 'Dockerfile'), 'utf8'));
const image = stages.at(-1)!;
const ignored = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n');

test('the image is built in stages, from images with a version', () => {
  assert.ok(stages.length > 1);
  const names = stages.map(({ name }) => name);
  for (const { base } of stages) assert.ok(names.includes(base) || /^node:\d+[\w.-]*$/.test(base), base);
});

test('the image runs as a numbered user that is not root', () => {
  const users = image.instructions.filter(({ name }) => name === 'USER');
  assert.match(users.at(-1)!.words, /^[1-9]\d*:[1-9]\d*$/);
  const last = image.instructions.findLastIndex(({ name }) => name === 'RUN' || name === 'COPY');
  assert.ok(image.instructions.indexOf(users.at(-1)!) > last, 'what it runs, it cannot write');
});

test('the image has compiled code and production dependencies only', () => {
  const copied = image.instructions.filter(({ name }) => name === 'COPY').map(({ words }) => words);
  const from = copied.filter((words) => words.startsWith('--from='));
  assert.deepEqual(from, ['--from=production /app/node_modules ./node_modules', '--from=production /app/dist ./dist']);
  const production = stages.find(({ name }) => name === 'production')!;
  assert.ok(production.instructions.some(({ words }) => words.startsWith('npm prune --omit=dev')));
});

test('its health is asked of /livez, by Node itself', () => {
  const check = image.instructions.find(({ name }) => name === 'HEALTHCHECK')!.words;
  const command = JSON.parse(check.slice(check.indexOf('CMD ') + 4)) as string[];
  assert.deepEqual(command.slice(0, 2), ['node', '-e']);
  assert.match(command[2]!, /127\.0\.0\.1:9464\/livez/);
  assert.doesNotThrow(() => new Script(command[2]!));
});

test('it starts the gateway without a shell, so that signals reach it', () => {
  for (const name of ['ENTRYPOINT', 'CMD']) {
    const { words } = image.instructions.find((each) => each.name === name)!;
    assert.ok(Array.isArray(JSON.parse(words)), name);
  }
});

test('what is copied from the repository is there, and not ignored', () => {
  const sources = stages
    .flatMap(({ instructions }) => instructions)
    .filter(({ name, words }) => name === 'COPY' && !words.startsWith('--from='))
    .flatMap(({ words }) => words.split(' ').slice(0, -1));
  assert.ok(sources.length > 0);
  for (const source of sources) {
    assert.ok(existsSync(join(ROOT, source)), source);
    assert.ok(ignored.includes(`!${source}`), `${source} is let through by .dockerignore`);
  }
});

test('everything else is ignored, and nothing sets a secret', () => {
  assert.ok(ignored.includes('*'));
  for (const folder of ['data', '.env', '.git', 'config', 'node_modules']) assert.ok(!ignored.includes(`!${folder}`));
  for (const { name, words } of stages.flatMap(({ instructions }) => instructions)) {
    if (name === 'ENV' || name === 'ARG') assert.doesNotMatch(words, /pepper|secret|password|token/i);
    assert.notEqual(name, 'ADD');
  }
});

/** Instructions with continued lines joined and comments left out, by stage. */
function readStages(text: string): Stage[] {
  const lines = text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line !== '');
  const stages: { base: string; name: string | undefined; instructions: Instruction[] }[] = [];
  for (const line of lines) {
    const [, name, words] = /^([A-Z]+) +(.*)$/.exec(line)!;
    if (name === 'FROM') {
      const [base, , stage] = words!.split(' ');
      stages.push({ base: base!, name: stage, instructions: [] });
    } else {
      stages.at(-1)!.instructions.push({ name: name!, words: words! });
    }
  }
  return stages;
}
