// `npm run reliability`: measures every promise at full size, and writes docs/reliability.md and docs/attacks.md.
//   npm run reliability                       all of it, about forty minutes
//   npm run reliability -- --resume FOLDER    goes on where a run ended; what it has seen is kept there
//   npm run reliability -- --quick            at the suite's size, in a few minutes; nothing is written
import { spawn } from 'node:child_process';
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Finding } from '../support/findings.ts';
import { attacksPage, reliabilityPage, type Measured } from './pages.ts';

const ROOT = join(import.meta.dirname, '../..');
/** One test at full size, ms. */
const TEST_TIMEOUT_MS = 30 * 60_000;
const FUZZ_SECONDS = 600;
/** How a test file shows that it says what it saw. */
const SAYS = /\/(?:findings|attack-class)\.ts'/;

interface Options {
  readonly isQuick: boolean;
  /** Where findings are kept. */
  readonly folder: string;
}

/** One program, with the words behind `node`. */
interface Step {
  readonly name: string;
  readonly words: readonly string[];
}

process.exitCode = await main(process.argv.slice(2));

async function main(words: readonly string[]): Promise<number> {
  const options = readOptions(words);
  if (typeof options === 'string') {
    console.error(options);
    return 2;
  }
  const { isQuick, folder } = options;
  const steps = stepsOf(isQuick);
  for (const [index, step] of steps.entries()) {
    const place = `[${index + 1}/${steps.length}] ${step.name}`;
    if (existsSync(join(folder, `${step.name}.done`))) {
      console.log(`${place}: done before`);
      continue;
    }
    console.log(place);
    const began = performance.now();
    if ((await run(step, join(folder, step.name), isQuick)) !== 0) {
      console.error(
        `A promise was not kept; what failed stands above. The pages stay as they are. Go on with --resume ${folder}`,
      );
      return 1;
    }
    writeFileSync(join(folder, `${step.name}.done`), '');
    console.log(`${place}: done in ${Math.round((performance.now() - began) / 1000)} s`);
  }
  return publish(options);
}

function publish({ isQuick, folder }: Options): number {
  try {
    const findings = readFindings(folder);
    const pages = [reliabilityPage(findings, measured()), attacksPage(findings)] as const;
    if (isQuick) console.log(`${findings.length} findings, every promise among them; --quick writes nothing.`);
    else {
      writeFileSync(join(ROOT, 'docs/reliability.md'), pages[0]);
      writeFileSync(join(ROOT, 'docs/attacks.md'), pages[1]);
      console.log(`${findings.length} findings: docs/reliability.md and docs/attacks.md are written.`);
    }
  } catch (error) {
    console.error((error as Error).message);
    return 1;
  }
  rmSync(folder, { recursive: true, force: true });
  return 0;
}

/** Or a sentence on what is wrong with the words. */
function readOptions(words: readonly string[]): Options | string {
  try {
    const { values } = parseArgs({
      args: [...words],
      options: { quick: { type: 'boolean' }, resume: { type: 'string' } },
    });
    const folder =
      values.resume === undefined ? mkdtempSync(join(tmpdir(), 'portcullis-findings-')) : resolve(values.resume);
    mkdirSync(folder, { recursive: true });
    return { isQuick: values.quick ?? false, folder };
  } catch (error) {
    return `${(error as Error).message}. --quick and --resume FOLDER are known here.`;
  }
}

function stepsOf(isQuick: boolean): readonly Step[] {
  const files = globSync('test/**/*.test.ts', { cwd: ROOT })
    .filter((file) => SAYS.test(readFileSync(join(ROOT, file), 'utf8')))
    .sort();
  const tests = { name: 'tests', words: ['test/run.ts', `--test-timeout=${TEST_TIMEOUT_MS}`, ...files] };
  const others = [
    { name: 'timing', words: ['bench/run.ts', 'timing'] },
    { name: 'strangers', words: ['bench/run.ts', 'strangers'] },
    { name: 'fuzz', words: ['test/fuzz/run.ts', '--seconds', String(FUZZ_SECONDS)] },
  ];
  return isQuick ? [tests] : [tests, ...others];
}

/** A step that has to be done again begins anew. */
function run({ words }: Step, folder: string, isQuick: boolean): Promise<number> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const scale = isQuick ? {} : { PORTCULLIS_SCALE: 'full' };
  const env = { ...process.env, PORTCULLIS_FINDINGS: folder, ...scale };
  const child = spawn(process.execPath, words, { cwd: ROOT, stdio: 'inherit', env });
  // A terminal's Ctrl-C reaches the child by itself; a signal sent to this process alone does not.
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => child.kill(name));
  return new Promise((settle, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => settle(code ?? 1));
  });
}

function readFindings(folder: string): Finding[] {
  return globSync('*/*.jsonl', { cwd: folder })
    .sort()
    .flatMap((file) => readFileSync(join(folder, file), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Finding);
}

function measured(): Measured {
  const day = new Date().toISOString().slice(0, 10);
  return {
    day,
    on: [`${availableParallelism()} cores (${cpus()[0]?.model ?? 'unknown'})`, `Node ${process.versions.node}`],
  };
}
