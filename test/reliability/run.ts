// `npm run reliability`: measures every promise at full size, and writes docs/reliability.md and docs/attacks.md.
//   npm run reliability                all of it, about half an hour
//   npm run reliability -- --quick     at the suite's size, in a few minutes; nothing is written
import { spawn } from 'node:child_process';
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Finding } from '../support/findings.ts';
import { attacksPage, reliabilityPage } from './pages.ts';

const ROOT = join(import.meta.dirname, '../..');
/** One test at full size, ms. */
const TEST_TIMEOUT_MS = 30 * 60_000;
/** How a test file shows that it says what it saw. */
const SAYS = /\/(?:findings|attack-class)\.ts'/;

process.exitCode = await main(process.argv.slice(2));

async function main(words: readonly string[]): Promise<number> {
  let isQuick: boolean;
  try {
    isQuick = parseArgs({ args: [...words], options: { quick: { type: 'boolean', default: false } } }).values.quick;
  } catch (error) {
    console.error(`${(error as Error).message}. Only --quick is known here.`);
    return 2;
  }
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-findings-'));
  const env = { PORTCULLIS_FINDINGS: directory, ...(isQuick ? {} : { PORTCULLIS_SCALE: 'full' }) };
  try {
    for (const [index, step] of steps(isQuick).entries()) {
      console.log(`\n[${index + 1}/${steps(isQuick).length}] node ${step.slice(0, 4).join(' ')}`);
      const code = await run(step, env);
      if (code !== 0) {
        console.error('A promise was not kept: the pages stay as they are. What failed stands above.');
        return 1;
      }
    }
    const findings = readFindings(directory);
    const pages = [reliabilityPage(findings, measured()), attacksPage(findings)] as const;
    if (isQuick) console.log(`${findings.length} findings, every promise among them; --quick writes nothing.`);
    else {
      writeFileSync(join(ROOT, 'docs/reliability.md'), pages[0]);
      writeFileSync(join(ROOT, 'docs/attacks.md'), pages[1]);
      console.log(`${findings.length} findings: docs/reliability.md and docs/attacks.md are written.`);
    }
    return 0;
  } catch (error) {
    console.error((error as Error).message);
    return 1;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Programs to run, one after the other: their words behind `node`. */
function steps(isQuick: boolean): readonly (readonly string[])[] {
  const files = globSync('test/**/*.test.ts', { cwd: ROOT })
    .filter((file) => SAYS.test(readFileSync(join(ROOT, file), 'utf8')))
    .sort();
  const tests = ['test/run.ts', `--test-timeout=${TEST_TIMEOUT_MS}`, ...files];
  return isQuick
    ? [tests]
    : [tests, ['bench/run.ts', 'timing'], ['bench/run.ts', 'strangers'], ['test/fuzz/run.ts', '--seconds', '600']];
}

function run(words: readonly string[], env: Readonly<Record<string, string>>): Promise<number> {
  const child = spawn(process.execPath, words, { cwd: ROOT, stdio: 'inherit', env: { ...process.env, ...env } });
  // A terminal's Ctrl-C reaches the child by itself; a signal sent to this process alone does not.
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => child.kill(name));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

function readFindings(directory: string): Finding[] {
  return readdirSync(directory)
    .sort()
    .flatMap((file) => readFileSync(join(directory, file), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Finding);
}

function measured(): { readonly day: string; readonly on: readonly string[] } {
  const day = new Date().toISOString().slice(0, 10);
  return {
    day,
    on: [`${availableParallelism()} cores (${cpus()[0]?.model ?? 'unknown'})`, `Node ${process.versions.node}`],
  };
}
