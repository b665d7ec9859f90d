// `npm test`: finds or installs the programs that the tests need, then hands over to node's test runner.
//   npm test                             every test
//   npm test -- --only stores            the test files with `stores` in their path
//   npm test -- test/core/scopes.test.ts these files; other options go to `node --test` as they are
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { pathWithServers, providePrerequisites } from './support/prerequisites.ts';

const ROOT = join(import.meta.dirname, '..');
const LEAST_NODE = 26;
/** Every test starts processes; compiled once is half of their start. */
const COMPILE_CACHE = join(ROOT, 'node_modules/.cache/compile');
/** One test, ms: a hang ends the run in time for its reason to be read. */
const TEST_TIMEOUT_MS = 180_000;
/** Files at a time above one a core: at any time so many wait for a time-out, a reload or a server to start. */
const WAITING_FILES = 2;

process.exitCode = await main(process.argv.slice(2));

async function main(words: readonly string[]): Promise<number> {
  if (Number.parseInt(process.versions.node, 10) < LEAST_NODE) {
    console.error(
      `Node ${process.versions.node} runs, and ${LEAST_NODE} is needed: call it as \`npm test\`, after npm install.`,
    );
    return 1;
  }
  const path = pathWithServers(process.env['PATH'] ?? '');
  if (!providePrerequisites(path)) return 1;
  const { files, options } = chosen(words);
  if (files.length === 0) {
    console.error('No test file fits; `npm test` without words runs all of them.');
    return 1;
  }
  return runTests([...options, ...files], path);
}

/** Test files by path, or by a part of it; what is left over is for the test runner. */
function chosen(words: readonly string[]): { files: readonly string[]; options: readonly string[] } {
  const { values, tokens } = parseArgs({
    args: [...words],
    options: { only: { type: 'string', multiple: true } },
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const positionals = tokens.flatMap((token) => (token.kind === 'positional' ? [token.value] : []));
  const options = words.filter((word) => word.startsWith('--') && !/^--only(?:=|$)/.test(word));
  const parts = (values.only ?? []).map(String);
  const all = globSync('test/**/*.test.ts', { cwd: ROOT }).sort();
  if (positionals.length > 0) return { files: positionals, options };
  return { files: parts.length === 0 ? all : all.filter((file) => parts.some((part) => file.includes(part))), options };
}

function runTests(words: readonly string[], path: string): Promise<number> {
  const concurrency = availableParallelism() + WAITING_FILES;
  const child = spawn(
    process.execPath,
    [
      '--test',
      `--test-concurrency=${concurrency}`,
      `--test-timeout=${TEST_TIMEOUT_MS}`,
      '--test-reporter=spec',
      ...words,
    ],
    { cwd: ROOT, stdio: 'inherit', env: { ...process.env, PATH: path, NODE_COMPILE_CACHE: COMPILE_CACHE } },
  );
  // A terminal's Ctrl-C reaches the child by itself; a signal sent to this process alone does not.
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => child.kill(name));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}
